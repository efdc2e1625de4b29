"""Adults registered on 1 April 2024: who they are, and how their diabetes is looked after.

`dataset.json` is what `ehrql serialize-definition dataset.py` makes of this; the demo runs it.
"""

from ehrql import case, create_dataset, days, months, when
from ehrql.tables.tpp import (
    addresses,
    apcs,
    clinical_events,
    medications,
    patients,
    practice_registrations,
    vaccinations,
)

index_date = "2024-04-01"

diabetes_codes = ["44054006", "73211009", "46635009"]
hba1c_codes = ["999791000000106", "1049321000000109"]
statin_codes = ["320029006", "319996000", "320031002"]

registration = practice_registrations.for_patient_on(index_date)
address = addresses.for_patient_on(index_date)
age = patients.age_on(index_date)

diabetes_events = clinical_events.where(
    clinical_events.snomedct_code.is_in(diabetes_codes) & clinical_events.date.is_on_or_before(index_date)
)
hba1c_events = clinical_events.where(
    clinical_events.snomedct_code.is_in(hba1c_codes)
    & clinical_events.date.is_on_or_between(index_date - months(12), index_date)
)
last_hba1c = hba1c_events.where(hba1c_events.numeric_value.is_not_null()).sort_by(hba1c_events.date).last_for_patient()

dataset = create_dataset()
dataset.define_population(
    registration.exists_for_patient() & patients.is_alive_on(index_date) & (age >= 18) & (age <= 110)
)
dataset.sex = patients.sex
dataset.age = age
dataset.region = registration.practice_nuts1_region_name
dataset.imd_quintile = address.imd_quintile
dataset.diabetes_since = diabetes_events.date.minimum_for_patient()
dataset.hba1c = last_hba1c.numeric_value
dataset.hba1c_days_ago = (index_date - last_hba1c.date).days
dataset.statin = medications.where(
    medications.dmd_code.is_in(statin_codes)
    & medications.date.is_on_or_between(index_date - months(6), index_date)
).exists_for_patient()
dataset.flu_vaccine = (
    vaccinations.where(
        (vaccinations.target_disease == "INFLUENZA")
        & vaccinations.date.is_on_or_between("2023-09-01", index_date)
    ).exists_for_patient()
)
dataset.admissions = apcs.where(
    apcs.admission_date.is_on_or_between(index_date - days(365), index_date)
).count_for_patient()
dataset.age_band = case(
    when(age < 40).then("18-39"),
    when(age < 65).then("40-64"),
    otherwise="65+",
)

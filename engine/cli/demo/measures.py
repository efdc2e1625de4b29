"""Of patients with diabetes, how many had their HbA1c measured in the last year; and how many adults came to see
their practice: month by month.

`measures.json` is what `ehrql serialize-definition measures.py` makes of this; the demo runs it.
"""

from ehrql import INTERVAL, case, create_measures, months, when
from ehrql.tables.tpp import clinical_events, patients, practice_registrations

diabetes_codes = ["44054006", "73211009", "46635009"]
hba1c_codes = ["999791000000106", "1049321000000109"]

registration = practice_registrations.for_patient_on(INTERVAL.start_date)
age = patients.age_on(INTERVAL.start_date)
is_adult = registration.exists_for_patient() & patients.is_alive_on(INTERVAL.start_date) & (age >= 18) & (age <= 110)

has_diabetes = clinical_events.where(
    clinical_events.snomedct_code.is_in(diabetes_codes) & clinical_events.date.is_before(INTERVAL.start_date)
).exists_for_patient()
hba1c_measured = clinical_events.where(
    clinical_events.snomedct_code.is_in(hba1c_codes)
    & clinical_events.date.is_on_or_between(INTERVAL.end_date - months(12), INTERVAL.end_date)
).exists_for_patient()
seen = clinical_events.where(clinical_events.date.is_during(INTERVAL)).exists_for_patient()

age_band = case(when(age < 40).then("18-39"), when(age < 65).then("40-64"), otherwise="65+")

measures = create_measures()
measures.define_defaults(intervals=months(12).starting_on("2024-04-01"))
measures.define_measure(
    name="hba1c_measured",
    numerator=hba1c_measured,
    denominator=is_adult & has_diabetes,
)
measures.define_measure(
    name="seen_this_month",
    numerator=seen,
    denominator=is_adult,
    group_by={"sex": patients.sex, "age_band": age_band},
)

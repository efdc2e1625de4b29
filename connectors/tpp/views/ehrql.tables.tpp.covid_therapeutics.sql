-- Each drug has its own form, and each form its own column of risk groups, written out as "Patients with A and B": one
-- list here, "A,B". Some forms were sent twice; two that differ in something that is not shown are still two.
WITH form AS (
    SELECT DISTINCT
        "Patient_ID",
        "COVID_indication",
        "CurrentStatus",
        "Intervention",
        "Received",
        "Region",
        regexp_replace(
            regexp_replace(
                nullif(
                    concat_ws(
                        ',',
                        nullif("CASIM05_risk_cohort", ''),
                        nullif("MOL1_high_risk_cohort", ''),
                        nullif("SOT02_risk_cohorts", '')
                    ),
                    ''
                ),
                'patients with (a )?', '', 'gi'
            ),
            ' and ', ',', 'gi'
        ) AS risk_cohort,
        "TreatmentStartDate",
        "CASIM05_date_of_symptom_onset",
        "MOL1_onset_of_symptoms",
        "SOT02_onset_of_symptoms",
        "Count",
        "AgeAtReceivedDate",
        "Diagnosis",
        "FormName",
        substr("Der_LoadDate", 1, 10) AS load_day
    FROM "Therapeutics"
)
SELECT
    "Patient_ID" AS patient_id,
    "COVID_indication" AS covid_indication,
    "CurrentStatus" AS current_status,
    "Intervention" AS intervention,
    "Received" AS received,
    "Region" AS region,
    risk_cohort,
    "TreatmentStartDate" AS treatment_start_date
FROM form

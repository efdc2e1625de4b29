SELECT
    "Patient_ID" AS patient_id,
    CASE lower("dataset")
        WHEN '2019prev' THEN '2019_prevalence'
        WHEN '2020prev' THEN '2020_prevalence'
        WHEN '2021prev' THEN '2021_prevalence'
        WHEN '2020inc' THEN '2020_incidence'
        WHEN '2020ckd' THEN '2020_ckd'
    END AS dataset,
    "renal_centre",
    "rrt_start" AS rrt_start_date,
    "creat" AS latest_creatinine,
    "eGFR_ckdepi" AS latest_egfr,
    "mod_start" AS treatment_modality_start,
    "mod_prev" AS treatment_modality_prevalence
FROM "UKRR"

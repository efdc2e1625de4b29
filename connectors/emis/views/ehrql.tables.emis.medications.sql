SELECT
    "registration_id" AS patient_id,
    "effective_date" AS date,
    "snomed_concept_id" AS dmd_code
FROM "medication_all_orgs_v2"

SELECT
    "registration_id" AS patient_id,
    "effective_date" AS date,
    "snomed_concept_id" AS procedure_code
FROM "immunisation_all_orgs_v2"

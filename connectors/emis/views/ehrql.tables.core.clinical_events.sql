SELECT
    "registration_id" AS patient_id,
    "effective_date" AS date,
    "snomed_concept_id" AS snomedct_code,
    "value_pq_1" AS numeric_value
FROM "observation_all_orgs_v2"

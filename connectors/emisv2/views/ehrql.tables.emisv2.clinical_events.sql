-- The date is the observation's own, not that of the consultation.
SELECT
    "patient_id" AS patient_id,
    "effective_datetime" AS date,
    "snomed_concept_id" AS snomedct_code,
    "numeric_value" AS numeric_value
FROM "observation"

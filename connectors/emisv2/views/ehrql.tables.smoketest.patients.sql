SELECT
    "patient_id" AS patient_id,
    "date_of_birth" AS date_of_birth
FROM "patient"

SELECT
    "Patient_ID" AS patient_id,
    "DateOfBirth" AS date_of_birth
FROM "Patient"

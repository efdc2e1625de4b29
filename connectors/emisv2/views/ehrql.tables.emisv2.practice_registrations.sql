SELECT
    "patient_id" AS patient_id,
    "registration_start_datetime" AS start_date,
    "registration_end_datetime" AS end_date
FROM "patient"

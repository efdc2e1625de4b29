-- To be listed is to have said so.
SELECT
    "Patient_ID" AS patient_id,
    TRUE AS is_healthcare_worker
FROM "HealthCareWorker"

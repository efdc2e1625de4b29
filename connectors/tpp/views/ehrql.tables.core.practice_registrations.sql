-- The practice is known by its own row: a registration with an organisation that has none has no practice.
SELECT
    registration."Patient_ID" AS patient_id,
    registration."StartDate" AS start_date,
    registration."EndDate" AS end_date,
    practice."Organisation_ID" AS practice_pseudo_id
FROM "Organisation" AS practice
RIGHT JOIN "RegistrationHistory" AS registration
    ON practice."Organisation_ID" = registration."Organisation_ID"

-- Whatever is not M, F or I, the blank included, is a sex that is not known.
SELECT
    "Patient_ID" AS patient_id,
    "DateOfBirth" AS date_of_birth,
    CASE upper("Sex")
        WHEN 'F' THEN 'female'
        WHEN 'M' THEN 'male'
        WHEN 'I' THEN 'intersex'
        ELSE 'unknown'
    END AS sex,
    "DateOfDeath" AS date_of_death
FROM "Patient"

SELECT
    "patient_id" AS patient_id,
    "date_of_birth" AS date_of_birth,
    CASE "sex" WHEN 'M' THEN 'male' WHEN 'F' THEN 'female' WHEN 'I' THEN 'intersex' ELSE 'unknown' END AS sex,
    "date_of_death" AS date_of_death
FROM "patient"

-- One SELECT over raw tables. Raw names stand in quotation marks; columns have the catalogue's names and types.
SELECT
    "person_id" AS patient_id,
    "born" AS date_of_birth,
    CASE "sex" WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' ELSE 'unknown' END AS sex,
    "died" AS date_of_death
FROM "people"

-- A key with two rows is left out, as in every table of one row per patient.
SELECT
    "registration_id" AS patient_id,
    min("date_of_birth") AS date_of_birth
FROM "patient_all_orgs_v2"
GROUP BY "registration_id"
HAVING count(*) = 1

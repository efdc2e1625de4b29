-- A key with two rows is left out: nothing says which of them holds. In a group of one row, min() is that row's value.
SELECT
    "registration_id" AS patient_id,
    min("date_of_birth") AS date_of_birth,
    CASE min("gender") WHEN 1 THEN 'male' WHEN 2 THEN 'female' ELSE 'unknown' END AS sex,
    min("date_of_death") AS date_of_death
FROM "patient_all_orgs_v2"
GROUP BY "registration_id"
HAVING count(*) = 1

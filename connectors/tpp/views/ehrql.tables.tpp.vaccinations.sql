-- A product may be against several diseases: a row for each.
SELECT
    given."Patient_ID" AS patient_id,
    given."Vaccination_ID" AS vaccination_id,
    given."VaccinationDate" AS date,
    content."VaccinationContent" AS target_disease,
    given."VaccinationName" AS product_name
FROM "VaccinationReference" AS content
RIGHT JOIN "Vaccination" AS given
    ON content."VaccinationName_ID" = given."VaccinationName_ID"

-- Each issue of a medicine, on its own date.
SELECT
    "patient_id" AS patient_id,
    "effective_datetime" AS date,
    "dmd_product_code_id" AS dmd_code
FROM "medication_issue_record"

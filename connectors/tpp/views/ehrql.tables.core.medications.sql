-- Products have ids of the supplier's. Its dictionary gives the dm+d code; ours does where the supplier's gives none.
WITH supplied AS (
    SELECT "MultilexDrug_ID", "DMD_ID"
    FROM "MedicationDictionary"
    WHERE "DMD_ID" IS NOT NULL
),
product AS (
    SELECT "MultilexDrug_ID", "DMD_ID"
    FROM supplied
    UNION ALL
    SELECT ours."MultilexDrug_ID", ours."DMD_ID"
    FROM "CustomMedicationDictionary" AS ours
    LEFT ANTI JOIN supplied ON supplied."MultilexDrug_ID" = ours."MultilexDrug_ID"
)
SELECT
    issue."Patient_ID" AS patient_id,
    issue."ConsultationDate" AS date,
    product."DMD_ID" AS dmd_code
FROM product
RIGHT JOIN "MedicationIssue" AS issue
    ON product."MultilexDrug_ID" = issue."MultilexDrug_ID"

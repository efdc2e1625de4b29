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
    repeated."Patient_ID" AS patient_id,
    repeated."ConsultationDate" AS date,
    product."DMD_ID" AS dmd_code,
    repeated."Consultation_ID" AS consultation_id,
    repeated."MedicationRepeat_ID" AS repeat_medication_id,
    repeated."MedicationStatus" AS medication_status,
    repeated."Quantity" AS quantity,
    repeated."StartDate" AS start_date,
    repeated."EndDate" AS end_date
FROM product
RIGHT JOIN "MedicationRepeat" AS repeated
    ON product."MultilexDrug_ID" = repeated."MultilexDrug_ID"

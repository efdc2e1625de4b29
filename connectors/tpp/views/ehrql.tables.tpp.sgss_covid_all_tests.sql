-- Positive tests say Y and N, negative ones true and false. Only positive ones are sequenced; CASE WHEN FALSE is a NULL
-- of text as it is stored, so that both parts have one type.
SELECT
    "Patient_ID" AS patient_id,
    "Specimen_Date" AS specimen_taken_date,
    TRUE AS is_positive,
    "Lab_Report_Date" AS lab_report_date,
    CASE upper("Symptomatic") WHEN 'Y' THEN TRUE WHEN 'N' THEN FALSE END AS was_symptomatic,
    "SGTF" AS sgtf_status,
    "Variant" AS variant,
    "VariantDetectionMethod" AS variant_detection_method
FROM "SGSS_AllTests_Positive"
UNION ALL
SELECT
    "Patient_ID",
    "Specimen_Date",
    FALSE,
    "Lab_Report_Date",
    CASE lower("Symptomatic") WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END,
    NULL,
    CASE WHEN FALSE THEN "Symptomatic" END,
    CASE WHEN FALSE THEN "Symptomatic" END
FROM "SGSS_AllTests_Negative"

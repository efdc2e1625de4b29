-- System 0 is SNOMED CT: in others ConceptId repeats the CTV3 code. A number counts only where it says that it is one.
SELECT
    "Patient_ID" AS patient_id,
    "CTV3Code" AS ctv3_code,
    CASE WHEN "CodeSystemId" = 0 THEN "ConceptId" END AS snomedct_code,
    "CreationDate" AS creation_date,
    "ConsultationDate" AS consultation_date,
    "Consultation_ID" AS consultation_id,
    CASE WHEN "NumericCode" = 1 THEN "NumericValue" END AS numeric_value
FROM "OpenPROMPT"

-- Events are coded in CTV3 or in SNOMED CT, each in a table of its own. CASE WHEN FALSE is a NULL of its column's own
-- type: a bare one would turn the codes of the other table from a dictionary into plain text.
SELECT
    "Patient_ID" AS patient_id,
    "ConsultationDate" AS date,
    CASE WHEN FALSE THEN "CTV3Code" END AS snomedct_code,
    "CTV3Code" AS ctv3_code,
    "NumericValue" AS numeric_value,
    "Consultation_ID" AS consultation_id
FROM "CodedEvent"
UNION ALL
SELECT
    "Patient_ID",
    "ConsultationDate",
    "ConceptId",
    CASE WHEN FALSE THEN "ConceptId" END,
    "NumericValue",
    "Consultation_ID"
FROM "CodedEvent_SNOMED"

-- Every event, with its range if it has one. Other comparators than these have no meaning that is known.
-- CASE WHEN FALSE is a NULL of its column's own type, as in clinical_events.
WITH event AS (
    SELECT
        "Patient_ID",
        "CodedEvent_ID",
        "ConsultationDate",
        CASE WHEN FALSE THEN "CTV3Code" END AS snomedct_code,
        "CTV3Code" AS ctv3_code,
        "NumericValue",
        "Consultation_ID"
    FROM "CodedEvent"
    UNION ALL
    SELECT
        "Patient_ID",
        "CodedEvent_ID",
        "ConsultationDate",
        "ConceptId",
        CASE WHEN FALSE THEN "ConceptId" END,
        "NumericValue",
        "Consultation_ID"
    FROM "CodedEvent_SNOMED"
)
SELECT
    event."Patient_ID" AS patient_id,
    event."ConsultationDate" AS date,
    event.snomedct_code,
    event.ctv3_code,
    event."NumericValue" AS numeric_value,
    bounds."LowerBound" AS lower_bound,
    bounds."UpperBound" AS upper_bound,
    CASE bounds."Comparator"
        WHEN 3 THEN '~'
        WHEN 4 THEN '='
        WHEN 5 THEN '>='
        WHEN 6 THEN '>'
        WHEN 7 THEN '<'
        WHEN 8 THEN '<='
    END AS comparator,
    event."Consultation_ID" AS consultation_id
FROM "CodedEventRange" AS bounds
RIGHT JOIN event
    ON bounds."Patient_ID" = event."Patient_ID"
    AND bounds."CodedEvent_ID" = event."CodedEvent_ID"

-- The ethnicity that hospitals recorded most often for the patient; of several, the last in the alphabet. The first
-- character is the national code, what follows is local. 9 and Z, "not known" and "not stated", do not count. From
-- April 2023, by the month of activity, live tables are read, before that the archives, which overlap them.
WITH activity AS (
    SELECT "Patient_ID", "Ethnic_Group" AS recorded FROM "APCS" WHERE "Der_Activity_Month" >= '202304'
    UNION ALL
    SELECT "Patient_ID", "Ethnic_Group" FROM "APCS_ARCHIVED" WHERE "Der_Activity_Month" < '202304'
    UNION ALL
    SELECT "Patient_ID", "Ethnic_Category" AS recorded FROM "EC" WHERE "Der_Activity_Month" >= '202304'
    UNION ALL
    SELECT "Patient_ID", "Ethnic_Category" FROM "EC_ARCHIVED" WHERE "Der_Activity_Month" < '202304'
    UNION ALL
    SELECT "Patient_ID", "Ethnic_Category" AS recorded FROM "OPA" WHERE "Der_Activity_Month" >= '202304'
    UNION ALL
    SELECT "Patient_ID", "Ethnic_Category" FROM "OPA_ARCHIVED" WHERE "Der_Activity_Month" < '202304'
),
counted AS (
    SELECT "Patient_ID", code, count(*) AS times
    FROM (SELECT "Patient_ID", upper(substr(recorded, 1, 1)) AS code FROM activity)
    WHERE code NOT IN ('', '9', 'Z')
    GROUP BY "Patient_ID", code
)
SELECT
    "Patient_ID" AS patient_id,
    first_value(code ORDER BY times DESC, code DESC) AS code
FROM counted
GROUP BY "Patient_ID"

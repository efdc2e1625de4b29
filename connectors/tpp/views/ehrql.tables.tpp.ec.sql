-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    "Patient_ID" AS patient_id,
    "EC_Ident" AS ec_ident,
    "Arrival_Date" AS arrival_date,
    "SUS_HRG_Code" AS sus_hrg_code
FROM "EC"
WHERE "Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    "Patient_ID",
    "EC_Ident",
    "Arrival_Date",
    "SUS_HRG_Code"
FROM "EC_ARCHIVED"
WHERE "Der_Activity_Month" < '202304'

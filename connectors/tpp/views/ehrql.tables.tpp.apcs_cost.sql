-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    cost."Patient_ID" AS patient_id,
    cost."APCS_Ident" AS apcs_ident,
    cost."Grand_Total_Payment_MFF" AS grand_total_payment_mff,
    cost."Tariff_Initial_Amount" AS tariff_initial_amount,
    cost."Tariff_Total_Payment" AS tariff_total_payment,
    spell."Admission_Date" AS admission_date,
    spell."Discharge_Date" AS discharge_date
FROM "APCS" AS spell
INNER JOIN "APCS_Cost" AS cost
    ON spell."Patient_ID" = cost."Patient_ID"
    AND spell."APCS_Ident" = cost."APCS_Ident"
WHERE spell."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    cost."Patient_ID",
    cost."APCS_Ident",
    cost."Grand_Total_Payment_MFF",
    cost."Tariff_Initial_Amount",
    cost."Tariff_Total_Payment",
    spell."Admission_Date",
    spell."Discharge_Date"
FROM "APCS_ARCHIVED" AS spell
INNER JOIN "APCS_Cost_ARCHIVED" AS cost
    ON spell."Patient_ID" = cost."Patient_ID"
    AND spell."APCS_Ident" = cost."APCS_Ident"
WHERE spell."Der_Activity_Month" < '202304'

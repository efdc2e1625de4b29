-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    cost."Patient_ID" AS patient_id,
    cost."EC_Ident" AS ec_ident,
    cost."Grand_Total_Payment_MFF" AS grand_total_payment_mff,
    cost."Tariff_Total_Payment" AS tariff_total_payment,
    attendance."Arrival_Date" AS arrival_date,
    attendance."EC_Decision_To_Admit_Date" AS ec_decision_to_admit_date,
    attendance."EC_Injury_Date" AS ec_injury_date
FROM "EC" AS attendance
INNER JOIN "EC_Cost" AS cost
    ON attendance."Patient_ID" = cost."Patient_ID"
    AND attendance."EC_Ident" = cost."EC_Ident"
WHERE attendance."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    cost."Patient_ID",
    cost."EC_Ident",
    cost."Grand_Total_Payment_MFF",
    cost."Tariff_Total_Payment",
    attendance."Arrival_Date",
    attendance."EC_Decision_To_Admit_Date",
    attendance."EC_Injury_Date"
FROM "EC_ARCHIVED" AS attendance
INNER JOIN "EC_Cost_ARCHIVED" AS cost
    ON attendance."Patient_ID" = cost."Patient_ID"
    AND attendance."EC_Ident" = cost."EC_Ident"
WHERE attendance."Der_Activity_Month" < '202304'

-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    cost."Patient_ID" AS patient_id,
    cost."OPA_Ident" AS opa_ident,
    cost."Tariff_OPP" AS tariff_opp,
    cost."Grand_Total_Payment_MFF" AS grand_total_payment_mff,
    cost."Tariff_Total_Payment" AS tariff_total_payment,
    appointment."Appointment_Date" AS appointment_date,
    appointment."Referral_Request_Received_Date" AS referral_request_received_date
FROM "OPA" AS appointment
INNER JOIN "OPA_Cost" AS cost
    ON appointment."Patient_ID" = cost."Patient_ID"
    AND appointment."OPA_Ident" = cost."OPA_Ident"
WHERE appointment."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    cost."Patient_ID",
    cost."OPA_Ident",
    cost."Tariff_OPP",
    cost."Grand_Total_Payment_MFF",
    cost."Tariff_Total_Payment",
    appointment."Appointment_Date",
    appointment."Referral_Request_Received_Date"
FROM "OPA_ARCHIVED" AS appointment
INNER JOIN "OPA_Cost_ARCHIVED" AS cost
    ON appointment."Patient_ID" = cost."Patient_ID"
    AND appointment."OPA_Ident" = cost."OPA_Ident"
WHERE appointment."Der_Activity_Month" < '202304'

-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    operation."Patient_ID" AS patient_id,
    operation."OPA_Ident" AS opa_ident,
    operation."Primary_Procedure_Code" AS primary_procedure_code,
    operation."Primary_Procedure_Code_Read" AS primary_procedure_code_read,
    operation."Procedure_Code_2" AS procedure_code_2,
    operation."Procedure_Code_2_Read" AS procedure_code_2_read,
    appointment."Appointment_Date" AS appointment_date,
    appointment."Referral_Request_Received_Date" AS referral_request_received_date
FROM "OPA" AS appointment
INNER JOIN "OPA_Proc" AS operation
    ON appointment."Patient_ID" = operation."Patient_ID"
    AND appointment."OPA_Ident" = operation."OPA_Ident"
WHERE appointment."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    operation."Patient_ID",
    operation."OPA_Ident",
    operation."Primary_Procedure_Code",
    operation."Primary_Procedure_Code_Read",
    operation."Procedure_Code_2",
    operation."Procedure_Code_2_Read",
    appointment."Appointment_Date",
    appointment."Referral_Request_Received_Date"
FROM "OPA_ARCHIVED" AS appointment
INNER JOIN "OPA_Proc_ARCHIVED" AS operation
    ON appointment."Patient_ID" = operation."Patient_ID"
    AND appointment."OPA_Ident" = operation."OPA_Ident"
WHERE appointment."Der_Activity_Month" < '202304'

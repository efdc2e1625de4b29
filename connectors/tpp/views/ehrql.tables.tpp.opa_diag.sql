-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    diagnosis."Patient_ID" AS patient_id,
    diagnosis."OPA_Ident" AS opa_ident,
    diagnosis."Primary_Diagnosis_Code" AS primary_diagnosis_code,
    diagnosis."Primary_Diagnosis_Code_Read" AS primary_diagnosis_code_read,
    diagnosis."Secondary_Diagnosis_Code_1" AS secondary_diagnosis_code_1,
    diagnosis."Secondary_Diagnosis_Code_1_Read" AS secondary_diagnosis_code_1_read,
    appointment."Appointment_Date" AS appointment_date,
    appointment."Referral_Request_Received_Date" AS referral_request_received_date
FROM "OPA" AS appointment
INNER JOIN "OPA_Diag" AS diagnosis
    ON appointment."Patient_ID" = diagnosis."Patient_ID"
    AND appointment."OPA_Ident" = diagnosis."OPA_Ident"
WHERE appointment."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    diagnosis."Patient_ID",
    diagnosis."OPA_Ident",
    diagnosis."Primary_Diagnosis_Code",
    diagnosis."Primary_Diagnosis_Code_Read",
    diagnosis."Secondary_Diagnosis_Code_1",
    diagnosis."Secondary_Diagnosis_Code_1_Read",
    appointment."Appointment_Date",
    appointment."Referral_Request_Received_Date"
FROM "OPA_ARCHIVED" AS appointment
INNER JOIN "OPA_Diag_ARCHIVED" AS diagnosis
    ON appointment."Patient_ID" = diagnosis."Patient_ID"
    AND appointment."OPA_Ident" = diagnosis."OPA_Ident"
WHERE appointment."Der_Activity_Month" < '202304'

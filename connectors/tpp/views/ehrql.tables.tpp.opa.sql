-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    "Patient_ID" AS patient_id,
    "OPA_Ident" AS opa_ident,
    "Appointment_Date" AS appointment_date,
    "Attendance_Status" AS attendance_status,
    "Consultation_Medium_Used" AS consultation_medium_used,
    "First_Attendance" AS first_attendance,
    "HRG_Code" AS hrg_code,
    "Outcome_of_Attendance" AS outcome_of_attendance,
    "Referral_Request_Received_Date" AS referral_request_received_date,
    "Treatment_Function_Code" AS treatment_function_code
FROM "OPA"
WHERE "Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    "Patient_ID",
    "OPA_Ident",
    "Appointment_Date",
    "Attendance_Status",
    "Consultation_Medium_Used",
    "First_Attendance",
    "HRG_Code",
    "Outcome_of_Attendance",
    "Referral_Request_Received_Date",
    "Treatment_Function_Code"
FROM "OPA_ARCHIVED"
WHERE "Der_Activity_Month" < '202304'

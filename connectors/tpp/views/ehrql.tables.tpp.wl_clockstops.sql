-- The supplier keeps dates as text, YYYY-MM-DD.
SELECT
    "Patient_ID" AS patient_id,
    "ACTIVITY_TREATMENT_FUNCTION_CODE" AS activity_treatment_function_code,
    CASE "PRIORITY_TYPE_CODE" WHEN '1' THEN 'routine' WHEN '2' THEN 'urgent' WHEN '3' THEN 'two week wait' END
        AS priority_type_code,
    upper("PSEUDO_ORGANISATION_CODE_PATIENT_PATHWAY_IDENTIFIER_ISSUER")
        AS pseudo_organisation_code_patient_pathway_identifier_issuer,
    upper("PSEUDO_PATIENT_PATHWAY_IDENTIFIER") AS pseudo_patient_pathway_identifier,
    upper("Pseudo_Referral_Identifier") AS pseudo_referral_identifier,
    TRY_CAST("Referral_Request_Received_Date" AS DATE) AS referral_request_received_date,
    TRY_CAST("REFERRAL_TO_TREATMENT_PERIOD_END_DATE" AS DATE) AS referral_to_treatment_period_end_date,
    TRY_CAST("REFERRAL_TO_TREATMENT_PERIOD_START_DATE" AS DATE) AS referral_to_treatment_period_start_date,
    "SOURCE_OF_REFERRAL_FOR_OUTPATIENTS" AS source_of_referral_for_outpatients,
    CASE
        WHEN upper("Waiting_List_Type") IN ('IRTT', 'ORTT', 'PTLI', 'PTLO', 'RTTI', 'RTTO')
        THEN upper("Waiting_List_Type")
    END AS waiting_list_type,
    TRY_CAST("Week_Ending_Date" AS DATE) AS week_ending_date
FROM "WL_ClockStops"

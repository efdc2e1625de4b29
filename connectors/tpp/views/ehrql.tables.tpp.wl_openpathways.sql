-- The supplier keeps dates as text, YYYY-MM-DD. An end of 9999-12-31 is none.
SELECT
    "Patient_ID" AS patient_id,
    "ACTIVITY_TREATMENT_FUNCTION_CODE" AS activity_treatment_function_code,
    TRY_CAST("Current_Pathway_Period_Start_Date" AS DATE) AS current_pathway_period_start_date,
    CASE "PRIORITY_TYPE_CODE" WHEN '1' THEN 'routine' WHEN '2' THEN 'urgent' WHEN '3' THEN 'two week wait' END
        AS priority_type_code,
    upper("PSEUDO_ORGANISATION_CODE_PATIENT_PATHWAY_IDENTIFIER_ISSUER")
        AS pseudo_organisation_code_patient_pathway_identifier_issuer,
    upper("PSEUDO_PATIENT_PATHWAY_IDENTIFIER") AS pseudo_patient_pathway_identifier,
    upper("Pseudo_Referral_Identifier") AS pseudo_referral_identifier,
    TRY_CAST("REFERRAL_REQUEST_RECEIVED_DATE" AS DATE) AS referral_request_received_date,
    TRY_CAST(nullif("REFERRAL_TO_TREATMENT_PERIOD_END_DATE", '9999-12-31') AS DATE)
        AS referral_to_treatment_period_end_date,
    TRY_CAST("REFERRAL_TO_TREATMENT_PERIOD_START_DATE" AS DATE) AS referral_to_treatment_period_start_date,
    "SOURCE_OF_REFERRAL" AS source_of_referral,
    CASE
        WHEN upper("Waiting_List_Type") IN ('INON', 'IRTT', 'ONON', 'ORTT', 'PTLI', 'PTLO', 'RTTI', 'RTTO')
        THEN upper("Waiting_List_Type")
    END AS waiting_list_type,
    TRY_CAST("Week_Ending_Date" AS DATE) AS week_ending_date
FROM "WL_OpenPathways"

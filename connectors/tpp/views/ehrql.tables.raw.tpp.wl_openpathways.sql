SELECT
    "Patient_ID" AS patient_id,
    "ACTIVITY_TREATMENT_FUNCTION_CODE" AS activity_treatment_function_code,
    "Current_Pathway_Period_Start_Date" AS current_pathway_period_start_date,
    "PRIORITY_TYPE_CODE" AS priority_type_code,
    upper("PSEUDO_ORGANISATION_CODE_PATIENT_PATHWAY_IDENTIFIER_ISSUER")
        AS pseudo_organisation_code_patient_pathway_identifier_issuer,
    upper("PSEUDO_PATIENT_PATHWAY_IDENTIFIER") AS pseudo_patient_pathway_identifier,
    upper("Pseudo_Referral_Identifier") AS pseudo_referral_identifier,
    "REFERRAL_REQUEST_RECEIVED_DATE" AS referral_request_received_date,
    "REFERRAL_TO_TREATMENT_PERIOD_END_DATE" AS referral_to_treatment_period_end_date,
    "REFERRAL_TO_TREATMENT_PERIOD_START_DATE" AS referral_to_treatment_period_start_date,
    "SOURCE_OF_REFERRAL" AS source_of_referral,
    "Waiting_List_Type" AS waiting_list_type,
    "Week_Ending_Date" AS week_ending_date
FROM "WL_OpenPathways"

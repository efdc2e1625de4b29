SELECT
    "Patient_ID" AS patient_id,
    "APCS_Ident" AS apcs_ident,
    "Admission_Date" AS admission_date,
    "Discharge_Date" AS discharge_date,
    "Spell_Core_HRG_SUS" AS spell_core_hrg_sus
FROM "APCS_JRC20231009_LastFilesToContainAllHistoricalCostData"

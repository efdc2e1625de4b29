-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    spell."Patient_ID" AS patient_id,
    spell."APCS_Ident" AS apcs_ident,
    spell."Admission_Date" AS admission_date,
    spell."Discharge_Date" AS discharge_date,
    spell."Discharge_Destination" AS discharge_destination,
    spell."Discharge_Method" AS discharge_method,
    spell."Spell_Core_HRG_SUS" AS spell_core_hrg_sus,
    spell."Admission_Method" AS admission_method,
    derived."Spell_Primary_Diagnosis" AS primary_diagnosis,
    derived."Spell_Secondary_Diagnosis" AS secondary_diagnosis,
    spell."Der_Diagnosis_All" AS all_diagnoses,
    spell."Der_Procedure_All" AS all_procedures,
    derived."Spell_PbR_CC_Day" AS days_in_critical_care,
    spell."Patient_Classification" AS patient_classification
FROM "APCS_Der" AS derived
RIGHT JOIN "APCS" AS spell
    ON derived."Patient_ID" = spell."Patient_ID"
    AND derived."APCS_Ident" = spell."APCS_Ident"
WHERE spell."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    spell."Patient_ID",
    spell."APCS_Ident",
    spell."Admission_Date",
    spell."Discharge_Date",
    spell."Discharge_Destination",
    spell."Discharge_Method",
    spell."Spell_Core_HRG_SUS",
    spell."Admission_Method",
    derived."Spell_Primary_Diagnosis",
    derived."Spell_Secondary_Diagnosis",
    spell."Der_Diagnosis_All",
    spell."Der_Procedure_All",
    derived."Spell_PbR_CC_Day",
    spell."Patient_Classification"
FROM "APCS_Der_ARCHIVED" AS derived
RIGHT JOIN "APCS_ARCHIVED" AS spell
    ON derived."Patient_ID" = spell."Patient_ID"
    AND derived."APCS_Ident" = spell."APCS_Ident"
WHERE spell."Der_Activity_Month" < '202304'

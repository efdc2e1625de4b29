-- Of conditions, NA means that there was none to record.
SELECT
    "Patient_ID" AS patient_id,
    "age",
    "age.factor" AS age_factor,
    "calc_age",
    "sex",
    "ethnic___1",
    "ethnic___2",
    "ethnic___3",
    "ethnic___4",
    "ethnic___5",
    "ethnic___6",
    "ethnic___7",
    "ethnic___8",
    "ethnic___9",
    "ethnic___10",
    "covid19_vaccine",
    "covid19_vaccined",
    "covid19_vaccine2d",
    "covid19_vaccined_nk",
    "corona_ieorres",
    "coriona_ieorres2",
    "coriona_ieorres3",
    "inflammatory_mss",
    "cestdat",
    CASE upper("chrincard")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS chrincard,
    CASE upper("hypertension_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS hypertension_mhyn,
    CASE upper("chronicpul_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS chronicpul_mhyn,
    CASE upper("asthma_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS asthma_mhyn,
    CASE upper("renal_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS renal_mhyn,
    CASE upper("mildliver")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS mildliver,
    CASE upper("modliv")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS modliv,
    CASE upper("chronicneu_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS chronicneu_mhyn,
    CASE upper("malignantneo_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS malignantneo_mhyn,
    CASE upper("chronichaemo_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS chronichaemo_mhyn,
    CASE upper("aidshiv_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS aidshiv_mhyn,
    CASE upper("obesity_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS obesity_mhyn,
    "diabetes_type_mhyn",
    CASE upper("diabetescom_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS diabetescom_mhyn,
    CASE upper("diabetes_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS diabetes_mhyn,
    CASE upper("rheumatologic_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS rheumatologic_mhyn,
    CASE upper("dementia_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS dementia_mhyn,
    CASE upper("malnutrition_mhyn")
        WHEN 'YES' THEN 'YES' WHEN 'NO' THEN 'NO' WHEN 'NA' THEN 'NO' WHEN 'UNKNOWN' THEN 'Unknown'
    END AS malnutrition_mhyn,
    "smoking_mhyn",
    "hostdat",
    "hooccur",
    "hostdat_transfer",
    "hostdat_transfernk",
    "readm_cov19",
    "dsstdat",
    "dsstdtc"
FROM "ISARIC_New"

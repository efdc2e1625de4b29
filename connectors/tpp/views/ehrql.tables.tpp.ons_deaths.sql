-- Some patients have several certificates: the earliest counts, then the first underlying cause. The other columns
-- decide between certificates that agree in both, so that the answer does not hang on the order of the extract.
WITH certificate AS (
    SELECT *, row_number() OVER (
        PARTITION BY "Patient_ID"
        ORDER BY
            "dod" ASC NULLS FIRST,
            "icd10u" ASC NULLS FIRST,
            "Place_of_occurrence" ASC NULLS FIRST,
            "ICD10001" ASC NULLS FIRST,
            "ICD10002" ASC NULLS FIRST,
            "ICD10003" ASC NULLS FIRST,
            "ICD10004" ASC NULLS FIRST,
            "ICD10005" ASC NULLS FIRST,
            "ICD10006" ASC NULLS FIRST,
            "ICD10007" ASC NULLS FIRST,
            "ICD10008" ASC NULLS FIRST,
            "ICD10009" ASC NULLS FIRST,
            "ICD10010" ASC NULLS FIRST,
            "ICD10011" ASC NULLS FIRST,
            "ICD10012" ASC NULLS FIRST,
            "ICD10013" ASC NULLS FIRST,
            "ICD10014" ASC NULLS FIRST,
            "ICD10015" ASC NULLS FIRST
    ) AS place_in_order
    FROM "ONS_Deaths"
)
SELECT
    "Patient_ID" AS patient_id,
    "dod" AS date,
    "icd10u" AS underlying_cause_of_death,
    "ICD10001" AS cause_of_death_01,
    "ICD10002" AS cause_of_death_02,
    "ICD10003" AS cause_of_death_03,
    "ICD10004" AS cause_of_death_04,
    "ICD10005" AS cause_of_death_05,
    "ICD10006" AS cause_of_death_06,
    "ICD10007" AS cause_of_death_07,
    "ICD10008" AS cause_of_death_08,
    "ICD10009" AS cause_of_death_09,
    "ICD10010" AS cause_of_death_10,
    "ICD10011" AS cause_of_death_11,
    "ICD10012" AS cause_of_death_12,
    "ICD10013" AS cause_of_death_13,
    "ICD10014" AS cause_of_death_14,
    "ICD10015" AS cause_of_death_15,
    "Place_of_occurrence" AS place
FROM certificate
WHERE place_in_order = 1

-- Each upload holds all deaths so far, so the newest replaces the others.
-- Of several registrations of a death the earliest date holds, then the underlying cause that sorts first. The other
-- causes only settle ties, so that the choice does not hang on the order of rows.
SELECT
    patient_id,
    date,
    underlying_cause_of_death,
    cause_of_death_01,
    cause_of_death_02,
    cause_of_death_03,
    cause_of_death_04,
    cause_of_death_05,
    cause_of_death_06,
    cause_of_death_07,
    cause_of_death_08,
    cause_of_death_09,
    cause_of_death_10,
    cause_of_death_11,
    cause_of_death_12,
    cause_of_death_13,
    cause_of_death_14,
    cause_of_death_15
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY patient_id
            ORDER BY
                date ASC NULLS LAST,
                underlying_cause_of_death ASC NULLS LAST,
                cause_of_death_01 ASC NULLS LAST,
                cause_of_death_02 ASC NULLS LAST,
                cause_of_death_03 ASC NULLS LAST,
                cause_of_death_04 ASC NULLS LAST,
                cause_of_death_05 ASC NULLS LAST,
                cause_of_death_06 ASC NULLS LAST,
                cause_of_death_07 ASC NULLS LAST,
                cause_of_death_08 ASC NULLS LAST,
                cause_of_death_09 ASC NULLS LAST,
                cause_of_death_10 ASC NULLS LAST,
                cause_of_death_11 ASC NULLS LAST,
                cause_of_death_12 ASC NULLS LAST,
                cause_of_death_13 ASC NULLS LAST,
                cause_of_death_14 ASC NULLS LAST,
                cause_of_death_15 ASC NULLS LAST
        ) AS place
    FROM (
        SELECT
            "persons"."registration_id" AS patient_id,
            "deaths"."reg_stat_dod" AS date,
            "deaths"."icd10u" AS underlying_cause_of_death,
            "deaths"."icd10001" AS cause_of_death_01,
            "deaths"."icd10002" AS cause_of_death_02,
            "deaths"."icd10003" AS cause_of_death_03,
            "deaths"."icd10004" AS cause_of_death_04,
            "deaths"."icd10005" AS cause_of_death_05,
            "deaths"."icd10006" AS cause_of_death_06,
            "deaths"."icd10007" AS cause_of_death_07,
            "deaths"."icd10008" AS cause_of_death_08,
            "deaths"."icd10009" AS cause_of_death_09,
            "deaths"."icd10010" AS cause_of_death_10,
            "deaths"."icd10011" AS cause_of_death_11,
            "deaths"."icd10012" AS cause_of_death_12,
            "deaths"."icd10013" AS cause_of_death_13,
            "deaths"."icd10014" AS cause_of_death_14,
            "deaths"."icd10015" AS cause_of_death_15
        FROM "ons_view" AS "deaths"
        INNER JOIN (SELECT max("upload_date") AS "newest" FROM "ons_view") AS "uploads"
            ON "deaths"."upload_date" = "uploads"."newest"
        INNER JOIN (
            -- A key with two rows is left out, as in every table of one row per patient.
            SELECT "registration_id", min("nhs_no") AS "nhs_no"
            FROM "patient_all_orgs_v2"
            GROUP BY "registration_id"
            HAVING count(*) = 1
        ) AS "persons" ON "deaths"."pseudonhsnumber" = "persons"."nhs_no"
    )
)
WHERE place = 1

-- Of several registrations of a death the earliest date holds; the causes only settle ties.
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
            "link"."gp_patient_id" AS patient_id,
            "deaths"."date_of_death" AS date,
            "deaths"."underlying_cause" AS underlying_cause_of_death,
            "deaths"."cause_01" AS cause_of_death_01,
            "deaths"."cause_02" AS cause_of_death_02,
            "deaths"."cause_03" AS cause_of_death_03,
            "deaths"."cause_04" AS cause_of_death_04,
            "deaths"."cause_05" AS cause_of_death_05,
            "deaths"."cause_06" AS cause_of_death_06,
            "deaths"."cause_07" AS cause_of_death_07,
            "deaths"."cause_08" AS cause_of_death_08,
            "deaths"."cause_09" AS cause_of_death_09,
            "deaths"."cause_10" AS cause_of_death_10,
            "deaths"."cause_11" AS cause_of_death_11,
            "deaths"."cause_12" AS cause_of_death_12,
            "deaths"."cause_13" AS cause_of_death_13,
            "deaths"."cause_14" AS cause_of_death_14,
            "deaths"."cause_15" AS cause_of_death_15
        FROM "deaths"
        INNER JOIN "person_link" AS "link" ON "deaths"."person_key" = "link"."person_key"
    )
)
WHERE place = 1

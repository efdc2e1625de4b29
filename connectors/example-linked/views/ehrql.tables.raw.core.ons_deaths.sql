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

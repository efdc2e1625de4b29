-- The extract does not say since when someone has lived somewhere: the address is that of the registration.
SELECT
    "patient_id" AS patient_id,
    "registration_start_datetime" AS start_date,
    "registration_end_datetime" AS end_date,
    -- A cast cuts fractions off; half a place more makes it round. Ranks are never negative.
    CAST("imd_rounded" + 0.5 AS BIGINT) AS imd_rounded,
    "middle_level_super_output_area" AS msoa_code
FROM "patient"

-- A practice's name is a hexadecimal number of at most 63 bits. Here it is that number: each digit's value, shifted to
-- its place. A name that is no such number is an error: a NULL or a wrong number would lose the practice in silence.
SELECT
    patient_id,
    start_date,
    end_date,
    CAST(CASE WHEN is_number THEN '0' WHEN NOT is_number THEN 'not a number' END AS BIGINT)
        + ((strpos('0123456789abcdef', substr(digits, 1, 1)) - 1) << 60)
        + ((strpos('0123456789abcdef', substr(digits, 2, 1)) - 1) << 56)
        + ((strpos('0123456789abcdef', substr(digits, 3, 1)) - 1) << 52)
        + ((strpos('0123456789abcdef', substr(digits, 4, 1)) - 1) << 48)
        + ((strpos('0123456789abcdef', substr(digits, 5, 1)) - 1) << 44)
        + ((strpos('0123456789abcdef', substr(digits, 6, 1)) - 1) << 40)
        + ((strpos('0123456789abcdef', substr(digits, 7, 1)) - 1) << 36)
        + ((strpos('0123456789abcdef', substr(digits, 8, 1)) - 1) << 32)
        + ((strpos('0123456789abcdef', substr(digits, 9, 1)) - 1) << 28)
        + ((strpos('0123456789abcdef', substr(digits, 10, 1)) - 1) << 24)
        + ((strpos('0123456789abcdef', substr(digits, 11, 1)) - 1) << 20)
        + ((strpos('0123456789abcdef', substr(digits, 12, 1)) - 1) << 16)
        + ((strpos('0123456789abcdef', substr(digits, 13, 1)) - 1) << 12)
        + ((strpos('0123456789abcdef', substr(digits, 14, 1)) - 1) << 8)
        + ((strpos('0123456789abcdef', substr(digits, 15, 1)) - 1) << 4)
        + ((strpos('0123456789abcdef', substr(digits, 16, 1)) - 1) << 0) AS practice_pseudo_id
FROM (
    SELECT
        "registration_id" AS patient_id,
        "registered_date" AS start_date,
        "registration_end_date" AS end_date,
        right(concat('0000000000000000', lower("hashed_organisation")), 16) AS digits,
        regexp_like("hashed_organisation", '^0*[0-7]?[0-9a-fA-F]{1,15}$') AS is_number
    FROM "patient_all_orgs_v2"
)

-- An address without an area has no postcode. Being listed at all makes a care home likely.
SELECT
    address."Patient_ID" AS patient_id,
    address."PatientAddress_ID" AS address_id,
    address."StartDate" AS start_date,
    address."EndDate" AS end_date,
    address."AddressType" AS address_type,
    address."RuralUrbanClassificationCode" AS rural_urban_classification,
    address."ImdRankRounded" AS imd_rounded,
    address."MSOACode" AS msoa_code,
    address."MSOACode" IS NOT NULL AS has_postcode,
    home."PatientAddress_ID" IS NOT NULL AS care_home_is_potential_match,
    CASE upper(home."LocationRequiresNursing") WHEN 'Y' THEN TRUE WHEN 'N' THEN FALSE END
        AS care_home_requires_nursing,
    CASE upper(home."LocationDoesNotRequireNursing") WHEN 'Y' THEN TRUE WHEN 'N' THEN FALSE END
        AS care_home_does_not_require_nursing
FROM "PotentialCareHomeAddress" AS home
RIGHT JOIN "PatientAddress" AS address
    ON home."Patient_ID" = address."Patient_ID"
    AND home."PatientAddress_ID" = address."PatientAddress_ID"

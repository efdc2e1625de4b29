-- Household 0 gathers those of whom no household is known.
SELECT
    member."Patient_ID" AS patient_id,
    nullif(household."Household_ID", 0) AS household_pseudo_id,
    household."HouseholdSize" AS household_size
FROM "Household" AS household
RIGHT JOIN "HouseholdMember" AS member
    ON household."Household_ID" = member."Household_ID"

-- The supplier records a relationship from either side, and not always rightly. One counts if it has not ended, if the
-- mother is not recorded as male, and if she was born before the child. A child who then has several mothers has none
-- here. Rows are the child's, whichever side recorded them: this view joins patients with each other.
WITH claim AS (
    SELECT "Patient_ID" AS child_id, "Patient_ID_Relationship_With" AS mother_id
    FROM "Relationship"
    WHERE "RelationshipEndDate" IS NULL AND lower("Type_of_Relationship") = 'mother'
    UNION ALL
    SELECT "Patient_ID_Relationship_With", "Patient_ID"
    FROM "Relationship"
    WHERE "RelationshipEndDate" IS NULL AND lower("Type_of_Relationship") IN ('child', 'daughter', 'son')
)
SELECT
    child."Patient_ID" AS patient_id,
    min(mother."Patient_ID") AS mother_id
FROM claim
INNER JOIN "Patient" AS mother ON mother."Patient_ID" = claim.mother_id
INNER JOIN "Patient" AS child ON child."Patient_ID" = claim.child_id
WHERE upper(mother."Sex") <> 'M' AND mother."DateOfBirth" < child."DateOfBirth"
GROUP BY child."Patient_ID"
HAVING min(mother."Patient_ID") = max(mother."Patient_ID")

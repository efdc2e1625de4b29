SELECT
    score."Patient_ID" AS patient_id,
    score."CalculationDateTime" AS calculation_date,
    score."NumericValue" AS numeric_value,
    algorithm."AlgorithmDescription" AS algorithm_description,
    algorithm."AlgorithmVersion" AS algorithm_version
FROM "DecisionSupportValueReference" AS algorithm
RIGHT JOIN "DecisionSupportValue" AS score
    ON algorithm."AlgorithmType" = score."AlgorithmType"

-- From April 2023, by the month of activity, from the live tables; before that from the archive, which overlaps them. A
-- row without a month is in neither.
SELECT
    attendance."Patient_ID" AS patient_id,
    attendance."EC_Ident" AS id,
    attendance."Arrival_Date" AS arrival_date,
    attendance."Discharge_Destination_SNOMED_CT" AS discharge_destination,
    diagnosis."EC_Diagnosis_01" AS diagnosis_01,
    diagnosis."EC_Diagnosis_02" AS diagnosis_02,
    diagnosis."EC_Diagnosis_03" AS diagnosis_03,
    diagnosis."EC_Diagnosis_04" AS diagnosis_04,
    diagnosis."EC_Diagnosis_05" AS diagnosis_05,
    diagnosis."EC_Diagnosis_06" AS diagnosis_06,
    diagnosis."EC_Diagnosis_07" AS diagnosis_07,
    diagnosis."EC_Diagnosis_08" AS diagnosis_08,
    diagnosis."EC_Diagnosis_09" AS diagnosis_09,
    diagnosis."EC_Diagnosis_10" AS diagnosis_10,
    diagnosis."EC_Diagnosis_11" AS diagnosis_11,
    diagnosis."EC_Diagnosis_12" AS diagnosis_12,
    diagnosis."EC_Diagnosis_13" AS diagnosis_13,
    diagnosis."EC_Diagnosis_14" AS diagnosis_14,
    diagnosis."EC_Diagnosis_15" AS diagnosis_15,
    diagnosis."EC_Diagnosis_16" AS diagnosis_16,
    diagnosis."EC_Diagnosis_17" AS diagnosis_17,
    diagnosis."EC_Diagnosis_18" AS diagnosis_18,
    diagnosis."EC_Diagnosis_19" AS diagnosis_19,
    diagnosis."EC_Diagnosis_20" AS diagnosis_20,
    diagnosis."EC_Diagnosis_21" AS diagnosis_21,
    diagnosis."EC_Diagnosis_22" AS diagnosis_22,
    diagnosis."EC_Diagnosis_23" AS diagnosis_23,
    diagnosis."EC_Diagnosis_24" AS diagnosis_24
FROM "EC_Diagnosis" AS diagnosis
RIGHT JOIN "EC" AS attendance
    ON diagnosis."Patient_ID" = attendance."Patient_ID"
    AND diagnosis."EC_Ident" = attendance."EC_Ident"
WHERE attendance."Der_Activity_Month" >= '202304'
UNION ALL
SELECT
    attendance."Patient_ID",
    attendance."EC_Ident",
    attendance."Arrival_Date",
    attendance."Discharge_Destination_SNOMED_CT",
    diagnosis."EC_Diagnosis_01",
    diagnosis."EC_Diagnosis_02",
    diagnosis."EC_Diagnosis_03",
    diagnosis."EC_Diagnosis_04",
    diagnosis."EC_Diagnosis_05",
    diagnosis."EC_Diagnosis_06",
    diagnosis."EC_Diagnosis_07",
    diagnosis."EC_Diagnosis_08",
    diagnosis."EC_Diagnosis_09",
    diagnosis."EC_Diagnosis_10",
    diagnosis."EC_Diagnosis_11",
    diagnosis."EC_Diagnosis_12",
    diagnosis."EC_Diagnosis_13",
    diagnosis."EC_Diagnosis_14",
    diagnosis."EC_Diagnosis_15",
    diagnosis."EC_Diagnosis_16",
    diagnosis."EC_Diagnosis_17",
    diagnosis."EC_Diagnosis_18",
    diagnosis."EC_Diagnosis_19",
    diagnosis."EC_Diagnosis_20",
    diagnosis."EC_Diagnosis_21",
    diagnosis."EC_Diagnosis_22",
    diagnosis."EC_Diagnosis_23",
    diagnosis."EC_Diagnosis_24"
FROM "EC_Diagnosis_ARCHIVED" AS diagnosis
RIGHT JOIN "EC_ARCHIVED" AS attendance
    ON diagnosis."Patient_ID" = attendance."Patient_ID"
    AND diagnosis."EC_Ident" = attendance."EC_Ident"
WHERE attendance."Der_Activity_Month" < '202304'

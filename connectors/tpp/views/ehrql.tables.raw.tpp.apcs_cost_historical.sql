SELECT
    cost."Patient_ID" AS patient_id,
    cost."APCS_Ident" AS apcs_ident,
    cost."Grand_Total_Payment_MFF" AS grand_total_payment_mff,
    cost."Tariff_Initial_Amount" AS tariff_initial_amount,
    cost."Tariff_Total_Payment" AS tariff_total_payment,
    spell."Admission_Date" AS admission_date,
    spell."Discharge_Date" AS discharge_date
FROM "APCS_JRC20231009_LastFilesToContainAllHistoricalCostData" AS spell
RIGHT JOIN "APCS_Cost_JRC20231009_LastFilesToContainAllHistoricalCostData" AS cost
    ON spell."Patient_ID" = cost."Patient_ID"
    AND spell."APCS_Ident" = cost."APCS_Ident"

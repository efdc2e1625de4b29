-- The supplier's table holds some appointments several times over.
WITH appointment AS (
    SELECT DISTINCT
        "Patient_ID" AS patient_id,
        "Appointment_ID" AS appointment_id,
        "BookedDate" AS booked_date,
        "StartDate" AS start_date,
        "SeenDate" AS seen_date,
        CASE "Status"
            WHEN 0 THEN 'Booked'
            WHEN 1 THEN 'Arrived'
            WHEN 2 THEN 'Did Not Attend'
            WHEN 3 THEN 'In Progress'
            WHEN 4 THEN 'Finished'
            WHEN 5 THEN 'Requested'
            WHEN 6 THEN 'Blocked'
            WHEN 8 THEN 'Visit'
            WHEN 9 THEN 'Waiting'
            WHEN 10 THEN 'Cancelled by Patient'
            WHEN 11 THEN 'Cancelled by Unit'
            WHEN 12 THEN 'Cancelled by Other Service'
            WHEN 14 THEN 'No Access Visit'
            WHEN 15 THEN 'Cancelled Due To Death'
            WHEN 16 THEN 'Patient Walked Out'
        END AS status
    FROM "Appointment"
)
SELECT patient_id, booked_date, start_date, seen_date, status
FROM appointment

"""What the definitions ask, written by hand as SQL that suits a columnar engine: one pass over each large table, rows
that cannot matter left out first. `{list}` stands for a literal, the tables for views of the same Parquet files."""


def quoted(values):
    return ", ".join(f"'{value}'" for value in values)


def day(text):
    return f"DATE '{text}'"


def whole_years(dialect, start, end):
    """Completed years from one date to another."""
    part = lambda unit, date: f"date_part('{unit}', {date})"
    month_day = lambda date: f"{part('month', date)} * 100 + {part('day', date)}"
    years = f"{part('year', end)} - {part('year', start)}"
    return f"CAST({years} - CASE WHEN {month_day(end)} < {month_day(start)} THEN 1 ELSE 0 END AS BIGINT)"


def days_between(dialect, start, end):
    if dialect == "duckdb":
        return f"date_diff('day', {start}, {end})"
    return f"(CAST({end} AS INT) - CAST({start} AS INT))"


def dm017(dialect, job):
    """Few events have the codes: with them the months are crossed. Registrations are joined with months they cover."""
    months = ", ".join(f"({index}, {day(first)})" for index, (first, _) in enumerate(job["intervals"]))
    resolved, diagnosed = job["resolved"], job["diagnosed"]
    age = whole_years(dialect, "p.date_of_birth", "m.start")
    return f"""
    WITH months(month, start) AS (VALUES {months}),
    coded AS (
        SELECT patient_id, date, snomedct_code IN ({quoted(diagnosed)}) AS diagnosed,
               snomedct_code IN ({quoted(resolved)}) AS resolved
        FROM clinical_events WHERE snomedct_code IN ({quoted([*diagnosed, *resolved])})
    ),
    lasts AS (
        SELECT patient_id, month, m.start, max(CASE WHEN diagnosed THEN date END) AS diagnosis,
               max(CASE WHEN resolved THEN date END) AS resolution
        FROM coded JOIN months m ON coded.date <= m.start GROUP BY patient_id, month, m.start
    ),
    cases AS (
        SELECT m.patient_id, month FROM lasts m JOIN patients p ON p.patient_id = m.patient_id
        WHERE (resolution < diagnosis OR (diagnosis IS NOT NULL AND resolution IS NULL))
              AND NOT {age} < {job["age"]}
    ),
    registered AS (
        SELECT DISTINCT patient_id, month FROM practice_registrations r
        JOIN months m ON r.start_date <= m.start AND (r.end_date > m.start OR r.end_date IS NULL)
    )
    SELECT months.start AS interval_start, counted.sex, counted.numerator, counted.denominator FROM (
        SELECT r.month, p.sex, count(c.patient_id) AS numerator, count(*) AS denominator
        FROM registered r LEFT JOIN patients p ON p.patient_id = r.patient_id
        LEFT JOIN cases c ON c.patient_id = r.patient_id AND c.month = r.month
        GROUP BY r.month, p.sex
    ) counted JOIN months ON months.month = counted.month"""


def wide(dialect, job):
    """One aggregation over patient and code list, turned on its side afterwards."""
    lists = ", ".join(f"({number}, '{code}')" for number, codes in enumerate(job["lists"]) for code in codes)
    every = quoted(code for codes in job["lists"] for code in codes)
    aggregate = {
        "last date": "max(CASE WHEN list = {n} THEN last_date END)",
        "count": "CAST(coalesce(sum(CASE WHEN list = {n} THEN events END), 0) AS BIGINT)",
        "mean value": "max(CASE WHEN list = {n} THEN mean_value END)",
    }
    columns = ", ".join(
        f"{aggregate[kind].format(n=number)} AS v{index}" for index, (number, kind) in enumerate(job["variables"])
    )
    return f"""
    WITH lists(list, code) AS (VALUES {lists}),
    counted AS (
        SELECT e.patient_id, l.list, max(e.date) AS last_date, count(*) AS events, avg(e.numeric_value) AS mean_value
        FROM clinical_events e JOIN lists l ON l.code = e.snomedct_code
        WHERE e.snomedct_code IN ({every}) GROUP BY e.patient_id, l.list
    )
    SELECT p.patient_id, {columns} FROM patients p LEFT JOIN counted c ON c.patient_id = p.patient_id
    GROUP BY p.patient_id"""


def rare(dialect, job):
    return f"""
    SELECT e.patient_id, min(p.sex) AS sex, min(e.date) AS first_date, max(e.date) AS last_date, count(*) AS events,
           max(e.numeric_value) AS greatest_value
    FROM clinical_events e LEFT JOIN patients p ON p.patient_id = e.patient_id
    WHERE e.snomedct_code IN ({quoted(job["codes"])}) GROUP BY e.patient_id"""


def cohort(dialect, job):
    """The cohort first, then each table joined with it: steps that later ones read, and what is asked."""
    days = lambda start, end: days_between(dialect, start, end)
    episodes = lambda date, gap: f"""
        CAST(sum(CASE WHEN before IS NULL OR {days("before", date)} > {gap} THEN 1 ELSE 0 END) AS BIGINT)"""
    coded = quoted([*job["index"], *job["episode"], *job["value"]])
    steps = {
        "coded": f"""
        SELECT patient_id, date, snomedct_code AS code, numeric_value FROM clinical_events
        WHERE snomedct_code IN ({coded})""",
        "firsts": f"""
        SELECT patient_id, min(date) AS day FROM coded
        WHERE code IN ({quoted(job["index"])}) AND date >= {day(job["since"])} GROUP BY patient_id""",
        "registered": f"""
        SELECT r.patient_id, practice_pseudo_id AS practice, practice_nuts1_region_name AS region,
               row_number() OVER (PARTITION BY r.patient_id ORDER BY start_date DESC NULLS LAST,
                   end_date DESC NULLS LAST, practice_pseudo_id DESC NULLS LAST,
                   practice_nuts1_region_name DESC NULLS LAST) AS place
        FROM practice_registrations r JOIN firsts f ON f.patient_id = r.patient_id
        WHERE r.start_date <= f.day AND (r.end_date > f.day OR r.end_date IS NULL)""",
        "members": f"""
        SELECT f.patient_id, f.day, r.practice, r.region, d.date AS death_date,
               {days("f.day", "d.date")} <= 365 AS died_within_year,
               d.underlying_cause_of_death IN ({quoted(job["diagnoses"])}) AS died_of_it
        FROM firsts f JOIN registered r ON r.patient_id = f.patient_id AND r.place = 1
        LEFT JOIN ons_deaths d ON d.patient_id = f.patient_id
        WHERE d.date IS NULL OR d.date >= f.day""",
        "issues": f"""
        SELECT c.patient_id, sum(CASE WHEN {days("i.date", "c.day")} <= 365 THEN 1 ELSE 0 END) AS issues,
               max(i.date) AS last_issue
        FROM medications i JOIN members c ON c.patient_id = i.patient_id
        WHERE i.dmd_code IN ({quoted(job["medicines"])}) AND i.date < c.day GROUP BY c.patient_id""",
        "spells": f"""
        SELECT c.patient_id, a.admission_date, a.primary_diagnosis IN ({quoted(job["diagnoses"])}) AS with_it,
               lag(a.admission_date) OVER (PARTITION BY c.patient_id ORDER BY a.admission_date) AS before
        FROM apcs a JOIN members c ON c.patient_id = a.patient_id WHERE a.admission_date >= c.day""",
        "admitted": f"""
        SELECT patient_id, {episodes("admission_date", job["admission_gap"])} AS episodes,
               min(CASE WHEN with_it THEN admission_date END) AS first_with_it
        FROM spells GROUP BY patient_id""",
        "recurring": f"""
        SELECT e.patient_id, e.date, lag(e.date) OVER (PARTITION BY e.patient_id ORDER BY e.date) AS before
        FROM coded e JOIN members c ON c.patient_id = e.patient_id
        WHERE code IN ({quoted(job["episode"])}) AND e.date IS NOT NULL""",
        "recurred": f"""
        SELECT patient_id, {episodes("date", job["event_gap"])} AS episodes FROM recurring GROUP BY patient_id""",
        "measured": f"""
        SELECT e.patient_id, e.date, e.numeric_value, row_number() OVER (PARTITION BY e.patient_id
                   ORDER BY abs({days("c.day", "e.date")}), e.date, e.numeric_value) AS place
        FROM coded e JOIN members c ON c.patient_id = e.patient_id
        WHERE code IN ({quoted(job["value"])}) AND e.numeric_value IS NOT NULL AND e.date IS NOT NULL""",
    }
    asked = f"""
    SELECT c.patient_id, c.day AS index_date, p.sex, {whole_years(dialect, "p.date_of_birth", "c.day")} AS age,
           c.practice, c.region, CAST(coalesce(i.issues, 0) AS BIGINT) AS issues_in_year_before,
           i.last_issue AS last_issue_before, coalesce(a.episodes, 0) AS admission_episodes,
           a.first_with_it AS first_admission_with_it, coalesce(r.episodes, 0) AS episodes,
           m.numeric_value AS nearest_value, m.date AS nearest_date, c.death_date, c.died_within_year, c.died_of_it
    FROM members c LEFT JOIN patients p ON p.patient_id = c.patient_id
    LEFT JOIN issues i ON i.patient_id = c.patient_id
    LEFT JOIN admitted a ON a.patient_id = c.patient_id
    LEFT JOIN recurred r ON r.patient_id = c.patient_id
    LEFT JOIN measured m ON m.patient_id = c.patient_id AND m.place = 1"""
    return steps, asked


QUERIES = {"dm017": dm017, "wide": wide, "rare": rare, "cohort": cohort}


def steps_of(dialect, job):
    """The tables to make first, by name, and then the question. As tables, since engines may compute a common table
    expression anew for each that reads it."""
    query = QUERIES[job["query"]](dialect, job)
    return ({}, query) if isinstance(query, str) else query

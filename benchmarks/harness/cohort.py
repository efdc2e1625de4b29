"""The linked cohort: practices, prescriptions, hospitals and death certificates around a date that each patient has."""

from .definitions import events_with
from .document import Document, code_list, table

SINCE = "2016-01-01"
MEDICINES = code_list("DMDCode", 0)
DIAGNOSES = code_list("ICD10Code", 3, 20)
EVENT_GAP_DAYS, ADMISSION_GAP_DAYS = 90, 28
# Lists of the wide dataset: who is in the cohort, what comes in episodes, what has a value.
INDEX_LIST, EPISODE_LIST, VALUE_LIST = 0, 1, 2


def cohort():
    document = Document()
    column, call = document.column, document.call
    since = lambda frame: document.where(frame, call("GE", column(frame, "date"), document.date(SINCE)))
    first = since(events_with(document, INDEX_LIST))
    index = document.node("AggregateByPatient.Min", source=column(first, "date"))
    death = column(table("ons_deaths"), "date")
    registration = registration_at(document, index)
    alive = call("Or", document.is_null(death), call("GE", death, index))
    population = document.every(document.negation(document.is_null(index)), document.exists(registration), alive)
    variables = {
        "index_date": index,
        "sex": column(table("patients"), "sex"),
        "age": call("DateDifferenceInYears", index, column(table("patients"), "date_of_birth")),
        "practice": column(registration, "practice_pseudo_id"),
        "region": column(registration, "practice_nuts1_region_name"),
        **medicines(document, index),
        **admissions(document, index),
        **values(document, index),
        "death_date": death,
        "died_within_year": call("LE", death, call("DateAddDays", index, document.value(365))),
        "died_of_it": document.is_in(column(table("ons_deaths"), "underlying_cause_of_death"), DIAGNOSES),
    }
    return document.dataset(population, variables)


def registration_at(document, day):
    """The registration of that day; the latest start first."""
    registrations = table("practice_registrations")
    start, end = (document.column(registrations, name) for name in ("start_date", "end_date"))
    open_then = document.call("Or", document.call("GT", end, day), document.is_null(end))
    current = document.where(registrations, document.every(document.call("LE", start, day), open_then))
    return document.pick(
        current,
        "last",
        document.column(current, "start_date"),
        document.column(current, "end_date"),
        document.column(current, "practice_pseudo_id"),
    )


def medicines(document, index):
    issues = document.with_codes(table("medications"), "dmd_code", MEDICINES)
    date = document.column(issues, "date")
    year_before = document.call("DateAddDays", index, document.value(-365))
    recent = document.where(
        issues, document.every(document.call("GE", date, year_before), document.call("LT", date, index))
    )
    before = document.where(issues, document.call("LT", date, index))
    return {
        "issues_in_year_before": document.node("AggregateByPatient.Count", source=recent),
        "last_issue_before": document.node("AggregateByPatient.Max", source=document.column(before, "date")),
    }


def admissions(document, index):
    spells = table("apcs")
    after = document.where(spells, document.call("GE", document.column(spells, "admission_date"), index))
    with_it = document.with_codes(after, "primary_diagnosis", DIAGNOSES)
    return {
        "admission_episodes": document.node(
            "AggregateByPatient.CountEpisodes",
            source=document.column(after, "admission_date"),
            maximum_gap_days=ADMISSION_GAP_DAYS,
        ),
        "first_admission_with_it": document.node(
            "AggregateByPatient.Min", source=document.column(with_it, "admission_date")
        ),
    }


def values(document, index):
    """Episodes of one list of events, and of another the value nearest to the index date."""
    episodes = events_with(document, EPISODE_LIST)
    measured = events_with(document, VALUE_LIST)
    measured = document.where(measured, document.negation(document.is_null(document.column(measured, "numeric_value"))))
    date = document.column(measured, "date")
    days = document.node("Function.Absolute", source=document.call("DateDifferenceInDays", date, index))
    dated = document.where(measured, document.negation(document.is_null(date)))
    nearest = document.pick(
        dated, "first", days, document.column(dated, "date"), document.column(dated, "numeric_value")
    )
    return {
        "episodes": document.node(
            "AggregateByPatient.CountEpisodes",
            source=document.column(episodes, "date"),
            maximum_gap_days=EVENT_GAP_DAYS,
        ),
        "nearest_value": document.column(nearest, "numeric_value"),
        "nearest_date": document.column(nearest, "date"),
    }

"""The definitions that are measured. What each asks is written a second time, as SQL, in `peers/`."""

import json

from .document import Document, code_list, interval_tuple, months, table

CODE_LISTS = 30
WIDE_KINDS = ("last date", "count", "mean value")
DM017_NAME = "dm017"


def snomed(number, size=40):
    return code_list("SNOMEDCTCode", number, size)


def events_with(document, number, source=None):
    return document.with_codes(source or table("clinical_events"), "snomedct_code", snomed(number))


def wide(variables):
    """A dataset of so many variables over 30 code lists: last date, count, mean value."""
    document = Document()
    named = {}
    for index in range(variables):
        frame = events_with(document, index % CODE_LISTS)
        kind = WIDE_KINDS[index // CODE_LISTS % 3]
        if kind == "last date":
            series = document.column(document.last(frame), "date")
        elif kind == "count":
            series = document.node("AggregateByPatient.Count", source=frame)
        else:
            series = document.node("AggregateByPatient.Mean", source=document.column(frame, "numeric_value"))
        named[f"v{index}"] = series
    return document.dataset(document.exists(table("patients")), named)


def monthly(intervals):
    """A measure over so many months: a recent event among those who ever had another one, by sex."""
    document = Document()
    start, end = document.parameter("interval_start_date"), document.parameter("interval_end_date")
    events = table("clinical_events")
    until_end = document.where(events, document.call("LE", document.column(events, "date"), end))
    ever = document.exists(events_with(document, 0, until_end))
    last = document.column(document.last(events_with(document, 1, until_end)), "date")
    group_by = {"sex": document.column(table("patients"), "sex")}
    return document.measures("recent", document.call("GE", last, start), ever, group_by, months(intervals))


# The resolution of a diagnosis has one code, the diagnosis 81.
DM017_RESOLVED, DM017_DIAGNOSED = snomed(90, 1), snomed(91, 81)


def dm017(intervals):
    """As the register of diabetes of the Quality and Outcomes Framework counts: of the patients registered on the first
    day of the month, those of 17 and over whose last diagnosis is not resolved by then."""
    document = Document()
    start = document.parameter("interval_start_date")
    events, registrations, patients = (table(n) for n in ("clinical_events", "practice_registrations", "patients"))
    so_far = document.where(events, document.call("LE", document.column(events, "date"), start))
    date_of = lambda codes: document.column(document.last(document.with_codes(so_far, "snomedct_code", codes)), "date")
    resolved, diagnosed = date_of(DM017_RESOLVED), date_of(DM017_DIAGNOSED)
    never_resolved = document.every(document.negation(document.is_null(diagnosed)), document.is_null(resolved))
    on_register = document.call("Or", document.call("LT", resolved, diagnosed), never_resolved)
    birth = document.column(patients, "date_of_birth")
    child = document.call("LT", document.call("DateDifferenceInYears", start, birth), document.value(17))
    first, last = document.column(registrations, "start_date"), document.column(registrations, "end_date")
    open_then = document.call("Or", document.call("GT", last, start), document.is_null(last))
    current = document.where(registrations, document.every(document.call("LE", first, start), open_then))
    one = document.pick(current, "first", document.column(current, "start_date"), document.column(current, "end_date"))
    numerator = document.every(on_register, document.negation(child))
    group_by = {"sex": document.column(patients, "sex")}
    return document.measures(DM017_NAME, numerator, document.exists(one), group_by, dm017_months(intervals))


def dm017_months(intervals):
    return months(intervals, 2020, 3)


def with_intervals(path, intervals):
    """A measures definition with other intervals, and with nothing suppressed."""
    document = json.loads(path.read_text())
    details = document["value"]["ModuleDetails"]
    details["measures_disclosure_control_config"] = {"DisclosureControlConfig": {"enabled": False}}
    for entry in details["measures"]["MeasureCollection"]["measures"]:
        entry["Measure"]["intervals"] = interval_tuple(intervals)
    return document


RARE = snomed(95, 5)


def rare():
    """Those who have codes that one event of 100,000 has: first and last date, how many, greatest value."""
    document = Document()
    frame = document.with_codes(table("clinical_events"), "snomedct_code", RARE)
    aggregate = lambda kind, column: document.node(f"AggregateByPatient.{kind}", source=document.column(frame, column))
    variables = {
        "sex": document.column(table("patients"), "sex"),
        "first_date": aggregate("Min", "date"),
        "last_date": aggregate("Max", "date"),
        "events": document.node("AggregateByPatient.Count", source=frame),
        "greatest_value": aggregate("Max", "numeric_value"),
    }
    return document.dataset(document.exists(frame), variables)

"""The work that is measured: a definition, the columns that it reads, and what a peer is told of it."""

import dataclasses
import json

from . import cohort, definitions
from .document import plain


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    says: str
    command: str  # of peristyle
    definition: dict
    query: str  # of peers/queries.py
    parameters: dict  # of the query
    columns: dict  # of each table that is read, the patient's included
    keys: tuple  # what orders an answer's rows

    @property
    def measures(self):
        return self.command == "generate-measures"


def all_work(dm017_path):
    """Every piece of work, by name."""
    pieces = [dm017(12, dm017_path), dm017(60, dm017_path), wide(), linked(), rare()]
    return {piece.name: piece for piece in pieces}


def dm017(intervals, path):
    months = definitions.dm017_months(intervals)
    definition = definitions.with_intervals(path, months) if path else definitions.dm017(intervals)
    # The resolution has one code, the diagnosis many.
    resolved, diagnosed = sorted(code_lists(definition), key=len)
    return Work(
        f"a{intervals}",
        f"measures: dm017, {intervals} months, by sex",
        "generate-measures",
        definition,
        "dm017",
        {"intervals": months, "resolved": resolved, "diagnosed": diagnosed, "age": 17},
        {
            "clinical_events": ["patient_id", "date", "snomedct_code"],
            "practice_registrations": ["patient_id", "start_date", "end_date"],
            "patients": ["patient_id", "date_of_birth", "sex"],
        },
        ("interval_start", "sex"),
    )


def wide(variables=90):
    lists, kinds = definitions.CODE_LISTS, definitions.WIDE_KINDS
    return Work(
        "b",
        f"dataset: {variables} variables over {lists} code lists",
        "generate-dataset",
        definitions.wide(variables),
        "wide",
        {
            "lists": [plain(definitions.snomed(number)) for number in range(lists)],
            "variables": [(index % lists, kinds[index // lists % 3]) for index in range(variables)],
        },
        {"clinical_events": ["patient_id", "date", "snomedct_code", "numeric_value"], "patients": ["patient_id"]},
        ("patient_id",),
    )


def linked():
    events = {
        name: plain(definitions.snomed(number))
        for name, number in (
            ("index", cohort.INDEX_LIST),
            ("episode", cohort.EPISODE_LIST),
            ("value", cohort.VALUE_LIST),
        )
    }
    return Work(
        "c",
        "dataset: linked cohort around an index date",
        "generate-dataset",
        cohort.cohort(),
        "cohort",
        {
            **events,
            "since": cohort.SINCE,
            "medicines": plain(cohort.MEDICINES),
            "diagnoses": plain(cohort.DIAGNOSES),
            "event_gap": cohort.EVENT_GAP_DAYS,
            "admission_gap": cohort.ADMISSION_GAP_DAYS,
        },
        {
            "clinical_events": ["patient_id", "date", "snomedct_code", "numeric_value"],
            "medications": ["patient_id", "date", "dmd_code"],
            "apcs": ["patient_id", "admission_date", "primary_diagnosis"],
            "ons_deaths": ["patient_id", "date", "underlying_cause_of_death"],
            "practice_registrations": [
                "patient_id",
                "start_date",
                "end_date",
                "practice_pseudo_id",
                "practice_nuts1_region_name",
            ],
            "patients": ["patient_id", "date_of_birth", "sex"],
        },
        ("patient_id",),
    )


def rare():
    return Work(
        "d",
        "dataset: codes that 1 event of 100,000 has",
        "generate-dataset",
        definitions.rare(),
        "rare",
        {"codes": plain(definitions.RARE)},
        {
            "clinical_events": ["patient_id", "date", "snomedct_code", "numeric_value"],
            "patients": ["patient_id", "sex"],
        },
        ("patient_id",),
    )


def code_lists(document):
    """The distinct code lists of a document, each as strings."""
    found = {}

    def walk(value):
        if isinstance(value, dict):
            if "frozenset" in value:
                found[json.dumps(value["frozenset"])] = plain(value["frozenset"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    return list(found.values())

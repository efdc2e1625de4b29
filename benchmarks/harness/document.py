"""Definition documents, node by node, as `ehrql serialize-definition` would print them. All codes are made up."""

import datetime

# Where ehrQL says that the tables are at home: it knows them under no other name.
CORE = ("patients", "ons_deaths")


def table(name):
    module = "ehrql.tables.core" if name in CORE else "ehrql.tables.tpp"
    return {"external_ref": {"module": module, "name": name}}


def code_list(system, number, size=40):
    """A code list in the form of its system; `synth --definition` plants it. No two lists share a code."""
    if system == "ICD10Code":
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        return [{system: f"{letters[(number + code) % 26]}{number % 10}{code % 10}X"} for code in range(size)]
    start = {"SNOMEDCTCode": 100_000_000, "DMDCode": 300_000_000}[system]
    return [{system: str(start + 97 * number + 10_007 * code)} for code in range(size)]


def plain(codes):
    """The codes of a list as strings."""
    return [code for entry in codes for code in entry.values()]


def months(count, year=2019, month=1):
    """First and last days of so many months in a row."""
    numbers = range(year * 12 + month - 1, year * 12 + month + count)
    firsts = [datetime.date(number // 12, number % 12 + 1, 1) for number in numbers]
    return [
        (first.isoformat(), (then - datetime.timedelta(days=1)).isoformat()) for first, then in zip(firsts, firsts[1:])
    ]


def interval_tuple(intervals):
    return {"tuple": [{"tuple": [{"date": first}, {"date": last}]} for first, last in intervals]}


class Document:
    """A definition document. Its methods add a node and give the reference to it."""

    def __init__(self):
        self.arena = {}

    def node(self, kind, /, **fields):
        key = str(len(self.arena) + 1)
        self.arena[key] = {kind: fields}
        return {"ref": key}

    def value(self, value):
        return {"Value": value}

    def date(self, day):
        return self.value({"date": day})

    def parameter(self, name):
        return self.node("Parameter", name=name, type={"type": "date"})

    def column(self, source, name):
        return self.node("SelectColumn", source=source, name=name)

    def call(self, name, lhs, rhs):
        return self.node(f"Function.{name}", lhs=lhs, rhs=rhs)

    def every(self, first, *others):
        for other in others:
            first = self.call("And", first, other)
        return first

    def negation(self, source):
        return self.node("Function.Not", source=source)

    def is_null(self, source):
        return self.node("Function.IsNull", source=source)

    def exists(self, frame):
        return self.node("AggregateByPatient.Exists", source=frame)

    def where(self, source, condition):
        return self.node("Filter", source=source, condition=condition)

    def with_codes(self, source, column, codes):
        return self.where(source, self.is_in(self.column(source, column), codes))

    def is_in(self, series, codes):
        return self.call("In", series, self.value({"frozenset": codes}))

    def pick(self, frame, position, *order):
        """One row per patient; what orders first comes first."""
        for series in reversed(order):
            frame = self.node("Sort", source=frame, sort_by=series)
        return self.node("PickOneRowPerPatient", source=frame, position={"Position": position})

    def last(self, frame):
        return self.pick(frame, "last", self.column(frame, "date"))

    def dataset(self, population, variables):
        named = {"dict": [[name, series] for name, series in variables.items()]}
        dataset = {"population": population, "variables": named, "events": {"dict": []}, "measures": None}
        return {"value": {"Dataset": dataset}, **self.arena}

    def measures(self, name, numerator, denominator, group_by, intervals):
        """One measure, its small numbers not suppressed: a peer has no disclosure control."""
        measure = {
            "name": name,
            "numerator": numerator,
            "denominator": denominator,
            "group_by": {"dict": [[key, series] for key, series in group_by.items()]},
            "intervals": interval_tuple(intervals),
        }
        return self.module({"MeasureCollection": {"measures": [{"Measure": measure}]}})

    def module(self, measures):
        details = {
            "dataset": {"DefinitionError": {"message": "A population has not been defined", "exit_code": None}},
            "dataset_dummy_data_config": None,
            "test_data": None,
            "measures": measures,
            "measures_dummy_data_config": None,
            "measures_disclosure_control_config": {"DisclosureControlConfig": {"enabled": False}},
            "claimed_permissions": {"tuple": []},
        }
        return {"value": {"ModuleDetails": details}, **self.arena}

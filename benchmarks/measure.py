#!/usr/bin/env python3
"""Measures what issue 2 asks of the engine: that a scan is shared by variables and by intervals, and that memory does
not grow with the population. Standard library only.

    benchmarks/measure.py BINARY PATIENTS EVENTS_PER_PATIENT [--runs N] [--dm017 DEFINITION.json] [--keep DIR]

Makes its own definitions and its own population (`peristyle synth`). Times are medians over runs, wall clock, of the
whole process; memory is the largest resident set.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CODE_LISTS = 30


def table(name):
    return {"external_ref": {"module": "ehrql.tables.tpp", "name": name}}


def code_list(number):
    # Codes of the form that SNOMED CT has; `synth --definition` plants them.
    return [{"SNOMEDCTCode": str(100_000_000 + 97 * number + 10_007 * code)} for code in range(40)]


class Document:
    """A definition document, node by node."""

    def __init__(self):
        self.arena = {}

    def node(self, kind, /, **fields):
        key = str(len(self.arena) + 1)
        self.arena[key] = {kind: fields}
        return {"ref": key}

    def value(self, value):
        return {"Value": value}

    def column(self, source, name):
        return self.node("SelectColumn", source=source, name=name)

    def events_with(self, number, source=None):
        source = source or table("clinical_events")
        codes = self.value({"frozenset": code_list(number)})
        condition = self.node("Function.In", lhs=self.column(source, "snomedct_code"), rhs=codes)
        return self.node("Filter", source=source, condition=condition)

    def last(self, frame):
        ordered = self.node("Sort", source=frame, sort_by=self.column(frame, "date"))
        return self.node("PickOneRowPerPatient", source=ordered, position={"Position": "last"})


def wide(variables):
    """A dataset of so many variables over 30 code lists: existence, count, last date, mean value."""
    document = Document()
    population = document.node("AggregateByPatient.Exists", source=table("patients"))
    named = []
    for index in range(variables):
        frame = document.events_with(index % CODE_LISTS)
        kind = index // CODE_LISTS % 3
        if kind == 0:
            series = document.column(document.last(frame), "date")
        elif kind == 1:
            series = document.node("AggregateByPatient.Count", source=frame)
        else:
            series = document.node("AggregateByPatient.Mean", source=document.column(frame, "numeric_value"))
        named.append([f"v{index}", series])
    dataset = {"population": population, "variables": {"dict": named}, "events": {"dict": []}, "measures": None}
    return {"value": {"Dataset": dataset}, **document.arena}


def monthly(intervals):
    """A measure over so many months: a recent event among those who ever had another one, by sex."""
    document = Document()
    start = document.node("Parameter", name="interval_start_date", type={"type": "date"})
    end = document.node("Parameter", name="interval_end_date", type={"type": "date"})
    events = table("clinical_events")
    before_end = document.node("Function.LE", lhs=document.column(events, "date"), rhs=end)
    until_end = document.node("Filter", source=events, condition=before_end)
    ever = document.node("AggregateByPatient.Exists", source=document.events_with(0, until_end))
    last = document.column(document.last(document.events_with(1, until_end)), "date")
    recent = document.node("Function.GE", lhs=last, rhs=start)
    measure = {
        "name": "recent",
        "numerator": recent,
        "denominator": ever,
        "group_by": {"dict": [["sex", document.column(table("patients"), "sex")]]},
        "intervals": {"tuple": [{"tuple": [{"date": first}, {"date": last_day}]} for first, last_day in months(intervals)]},
    }
    return {"value": {"MeasureCollection": {"measures": [{"Measure": measure}]}}, **document.arena}


def months(count):
    import datetime

    firsts = [datetime.date(2019 + month // 12, month % 12 + 1, 1) for month in range(count + 1)]
    return [(first.isoformat(), (then - datetime.timedelta(days=1)).isoformat()) for first, then in zip(firsts, firsts[1:])]


def run(command):
    """Runs a command; seconds and the largest resident set in MiB. Ends the program if the command fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{errors.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("patients", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dm017", type=pathlib.Path, help="the qof-diabetes definition, to be cut to 1 and 12 intervals")
    parser.add_argument("--keep", type=pathlib.Path, help="make the population here and leave it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(arguments, arguments.keep or pathlib.Path(temporary))


def intervals_of(path, count):
    """A measures definition with so many months as its intervals."""
    document = json.loads(path.read_text())
    for entry in document["value"]["ModuleDetails"]["measures"]["MeasureCollection"]["measures"]:
        entry["Measure"]["intervals"]["tuple"] = [
            {"tuple": [{"date": first}, {"date": last}]} for first, last in months(count)
        ]
    return document


def measure(arguments, directory):
    directory.mkdir(parents=True, exist_ok=True)
    definitions = {"1 variable": wide(1), "90 variables": wide(90), "1 interval": monthly(1), "12 intervals": monthly(12),
                   "60 intervals": monthly(60)}
    if arguments.dm017:
        for count in (1, 12, 60):
            definitions[f"dm017, {count} intervals"] = intervals_of(arguments.dm017, count)
    paths = {}
    for name, definition in definitions.items():
        paths[name] = directory / f"{name.replace(' ', '-').replace(',', '')}.json"
        paths[name].write_text(json.dumps(definition))
    planted = [part for name in paths for part in ("--definition", str(paths[name]))]
    populations = {}
    for factor in (1, 10):
        tables = directory / f"population-{factor}"
        if not tables.exists():
            patients = max(1, arguments.patients * factor // 10)
            run([arguments.binary, "synth", "--patients", str(patients), "--events-per-patient", str(arguments.events),
                 "--out", str(tables), *planted])
        populations[factor] = tables

    def timed(name, tables):
        kind = "generate-measures" if "interval" in name else "generate-dataset"
        command = [arguments.binary, kind, str(paths[name]), "--dummy-tables", str(tables), "--output",
                   str(directory / "answer.arrow")]
        runs = [run(command) for _ in range(arguments.runs)]
        return statistics.median(r[0] for r in runs), max(r[1] for r in runs), statistics.median(r[2] for r in runs)

    print(f"{arguments.patients:,} patients, {arguments.events} events each; medians of {arguments.runs}\n")
    print(f"{'definition':<24}{'wall s':>10}{'cpu s':>10}{'peak MiB':>10}{'MiB at 1/10':>13}")
    seconds, ratios = {}, {}
    for name in definitions:
        seconds[name], peak, processor = timed(name, populations[10])
        small_peak = timed(name, populations[1])[1]
        ratios[name] = peak / small_peak
        print(f"{name:<24}{seconds[name]:>10.3f}{processor:>10.3f}{peak:>10.0f}{small_peak:>13.0f}")
    print()
    print(f"90 variables / 1 variable, wall: {seconds['90 variables'] / seconds['1 variable']:.2f}  (must: at most 3)")
    print(f"12 intervals / 1 interval, wall: {seconds['12 intervals'] / seconds['1 interval']:.2f}  (must: at most 2)")
    if arguments.dm017:
        of = lambda count: seconds[f"dm017, {count} intervals"]
        print(f"dm017, 12 intervals / 1, wall:   {of(12) / of(1):.2f}  (must: at most 2)")
    print(f"10 times the patients, peak:     {max(ratios.values()):.2f}  (must: at most 1.2)")


if __name__ == "__main__":
    main()

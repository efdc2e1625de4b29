#!/usr/bin/env python3
"""Measures what issue 2 asks of the engine: that a scan is shared by variables and by intervals, and that memory does
not grow with the population. Standard library only.

    benchmarks/measure.py BINARY PATIENTS EVENTS_PER_PATIENT [--runs N] [--dm017 DEFINITION.json] [--keep DIR]

Makes its own definitions and its own population (`peristyle synth`). Times are medians over runs, wall clock, of the
whole process; memory is the largest resident set.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

from harness.definitions import monthly, wide, with_intervals
from harness.document import months
from harness.process import Failed, run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("patients", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--dm017", type=pathlib.Path, help="the qof-diabetes definition, to be cut to 1 and 12 intervals"
    )
    parser.add_argument("--keep", type=pathlib.Path, help="make the population here and leave it")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            measure(arguments, arguments.keep or pathlib.Path(temporary))
        except Failed as error:
            sys.exit(f"failed: {error}")


def measure(arguments, directory):
    directory.mkdir(parents=True, exist_ok=True)
    definitions = {
        "1 variable": wide(1),
        "90 variables": wide(90),
        "1 interval": monthly(1),
        "12 intervals": monthly(12),
        "60 intervals": monthly(60),
    }
    if arguments.dm017:
        for count in (1, 12, 60):
            definitions[f"dm017, {count} intervals"] = with_intervals(arguments.dm017, months(count))
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
            run(
                [
                    arguments.binary,
                    "synth",
                    "--patients",
                    str(patients),
                    "--events-per-patient",
                    str(arguments.events),
                    "--out",
                    str(tables),
                    *planted,
                ]
            )
        populations[factor] = tables

    def timed(name, tables):
        kind = "generate-measures" if "interval" in name else "generate-dataset"
        command = [
            arguments.binary,
            kind,
            str(paths[name]),
            "--dummy-tables",
            str(tables),
            "--output",
            str(directory / "answer.arrow"),
        ]
        runs = [run(command) for _ in range(arguments.runs)]
        return (
            statistics.median(r.wall_s for r in runs),
            max(r.peak_mib for r in runs),
            statistics.median(r.cpu_s for r in runs),
        )

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

#!/usr/bin/env python3
"""The same work on the same files in one run, by Peristyle, by DuckDB, DataFusion and Polars with queries written by
hand, by ehrQL's SQL on DuckDB where an ehrQL is given, and the floor: the bare decoding of the columns that are read.

    benchmarks/bench.py [--only a12,b] [--patients N] [--events N] [--runs N] [--threads N] [--data DIR] [--ehrql DIR]

All answers are compared before any time is printed. Leaves `results.json`, `results.txt` and `chart.svg` in a folder.
What the items are: docs/src/performance.md. Standard library only; peers come from PyPI into a virtual environment."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from harness import chart, claims, ground, items, peers, report, rounds
from harness.contenders import Place


def arguments():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "peristyle"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ground.add_arguments(parser)
    parser.add_argument("--only", type=ground.keys, help="items, such as a12,b; all without it")
    parser.add_argument("--runs", type=int, default=5, help="rounds, after the one that fills caches")
    parser.add_argument("--out", type=pathlib.Path, help="where results go; default: `results`, beside the populations")
    parser.add_argument(
        "--venv", type=pathlib.Path, default=cache / "peers", help="of the peers; made if it is not there"
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="ours and the floor only; nothing is installed or compared"
    )
    parser.add_argument("--floor", type=pathlib.Path, help="the floor's program; default: cargo builds it")
    parser.add_argument(
        "--ehrql", type=pathlib.Path, help="a virtual environment that has ehrQL, or a checkout with .venv"
    )
    parser.add_argument("--slow", type=float, default=60, metavar="SECONDS", help="what takes longer is run once only")
    parser.add_argument(
        "--budget", type=float, default=float("inf"), metavar="SECONDS", help="no round that would end after it"
    )
    parser.add_argument("--check", action="store_true", help="compare the answers, measure nothing")
    given = ground.parsed(parser, "results")
    if given.no_peers and (given.ehrql or given.check):
        parser.error("--no-peers compares nothing: it goes with neither --ehrql nor --check")
    return given


def floor_program():
    """Has cargo build the floor, and tell where it is."""
    command = [
        "cargo",
        "bench",
        "--quiet",
        "-p",
        "peristyle-tests",
        "--bench",
        "floor",
        "--no-run",
        "--message-format=json",
    ]
    messages = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ground.ROOT).stdout.decode().splitlines()
    found = [
        message.get("executable")
        for message in map(json.loads, messages)
        if message.get("target", {}).get("name") == "floor"
    ]
    return pathlib.Path(next(filter(None, found)))


def main():
    given = arguments()
    chosen = items.chosen(given.only)
    made = ground.prepare(given, chosen)
    python = None if given.no_peers else peers.python(given.venv.resolve())
    wanted = {item.work: made.definitions[item.work] for item in chosen if item.who == "all"}
    statements = (
        peers.ehrql_statements(peers.ehrql_python(given.ehrql.absolute()), wanted, made.answers) if given.ehrql else {}
    )
    place = Place(
        given.binary,
        given.floor.resolve() if given.floor else floor_program(),
        python,
        statements,
        made.answers,
        given.threads,
    )
    fields = [(item, made.all_work[item.work], made.contenders(item, place)) for item in chosen]
    load_before, *_ = os.getloadavg()
    runs = rounds.all_rounds(fields, 0 if given.check else given.runs, given.slow, python, given.budget)
    rounds.say("")
    if given.check:
        print(f"{len(runs)} answers over {len(made.folders)} populations: those that must be the same are")
        return
    found = report.result(given, fields, runs, claims.all_claims(runs), peers.PACKAGES, load_before)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.json").write_text(report.as_json(found))
    (given.out / "results.txt").write_text(report.as_text(found) + "\n")
    (given.out / "chart.svg").write_text(chart.chart(found))
    print(report.as_text(found))
    print(f"\n{given.out}/results.json, results.txt, chart.svg", file=sys.stderr)


if __name__ == "__main__":
    main()

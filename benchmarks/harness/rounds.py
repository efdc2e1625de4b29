"""Runs the contenders: once for their answers, which must agree, then in rounds, so that a busy minute of the machine
hits all of them."""

import dataclasses
import json
import statistics
import sys
import time

from . import process
from .contenders import HERE

MEASURE_COLUMNS = "interval_start,sex,numerator,denominator"


@dataclasses.dataclass(frozen=True)
class Run:
    seconds: float
    cpu_s: float
    peak_mib: float


def run_once(contender):
    taken = process.run(contender.command)
    seconds = json.loads(taken.printed)["seconds"] if contender.prints_seconds else taken.wall_s
    return Run(seconds, taken.cpu_s, taken.peak_mib)


def all_rounds(fields, rounds, slow_s, python, budget_s):
    """`fields`: (item, work, contenders) of each item. Gives the runs by item and contender; of one that is slow, the
    first only. Ends the program where an answer differs."""
    runs = {}
    wrong = []
    until = time.monotonic() + budget_s
    for item, work, contenders in fields:
        for contender in contenders:
            say(f"{item.key}: {contender.name}: answer")
            try:
                runs[item.key, contender.name] = [run_once(contender)]
                expected = contenders[0].answer
                if contender.answer not in (None, expected):
                    check(python, work, expected, contender.answer)
            except (process.Failed, Differs) as error:
                wrong.append(f"{item.key}: {contender.name}: {error}")
    if wrong:
        sys.exit("no time is printed, as not all answers are the same:\n" + "\n".join(wrong))
    slow = {key for key, [first] in runs.items() if first.seconds > slow_s}
    for number in range(rounds):
        begun = time.monotonic()
        for item, _, contenders in fields:
            for contender in contenders:
                key = (item.key, contender.name)
                if key not in slow:
                    say(f"round {number + 1} of {rounds}: {item.key}: {contender.name}")
                    runs[key].append(run_once(contender))
        if 2 * time.monotonic() - begun > until:
            break
    # The first filled caches, and is no measurement where there are others.
    return {key: taken[1:] or taken for key, taken in runs.items()}


class Differs(Exception):
    """An answer that is not the expected one."""


def check(python, work, expected, found):
    if not python:
        return
    columns = MEASURE_COLUMNS if work.measures else ""
    compared = process.run([python, HERE / "peers/compare.py", expected, found, ",".join(work.keys), columns])
    if compared.printed.strip():
        raise Differs(compared.printed.strip())


def say(text):
    """Where it is: over and over on one line for people, line by line for a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def median(runs):
    return statistics.median(run.seconds for run in runs)

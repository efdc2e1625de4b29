"""The ratios that the engine is held to. Each is of two things that were run in the same rounds."""

import math
import statistics

from .contenders import EHRQL, FLOOR, OURS, PEERS
from .items import ONE_THREAD, RAW, USER_FACING
from .rounds import median

# What is said, over what, under what, and the bound: `≥` or `≤`.
RATIOS = (
    ("a12: ehrQL's SQL on DuckDB ÷ ours", ("a12", EHRQL), ("a12", OURS), "≥", 15),
    ("a60: ehrQL's SQL on DuckDB ÷ ours", ("a60", EHRQL), ("a60", OURS), "≥", 60),
    ("a60 ÷ a12, ours", ("a60", OURS), ("a12", OURS), "≤", 2),
    ("b: best peer by hand ÷ ours", ("b", None), ("b", OURS), "≥", 3),
    ("c: best peer by hand ÷ ours", ("c", None), ("c", OURS), "≥", 3),
    ("a12: ours ÷ floor", ("a12", OURS), ("a12", FLOOR), "≤", 1.5),
    ("a60: ours ÷ floor", ("a60", OURS), ("a60", FLOOR), "≤", 1.5),
    ("b: ours ÷ floor", ("b", OURS), ("b", FLOOR), "≤", 1.5),
    ("d: ours ÷ floor", ("d", OURS), ("d", FLOOR), "≤", 0.5),
    ("a12: rows not in order ÷ in order, ours", ("e-a12", OURS), ("a12", OURS), "≤", 4),
    ("b: rows not in order ÷ in order, ours", ("e-b", OURS), ("b", OURS), "≤", 4),
    ("a12: raw TPP tables ÷ user-facing tables, ours", ("f-a12", RAW), ("f-a12", USER_FACING), "≤", 1.5),
    ("b: raw TPP tables ÷ user-facing tables, ours", ("f-b", RAW), ("f-b", USER_FACING), "≤", 1.5),
    ("a12: under a policy ÷ without, ours", ("f-a12", USER_FACING), ("a12", OURS), "≤", 1.5),
    ("b: under a policy ÷ without, ours", ("f-b", USER_FACING), ("b", OURS), "≤", 1.5),
    ("a12: one thread ÷ all, ours", ("t-a12", ONE_THREAD), ("t-a12", OURS), "≥", 1.8),
    ("b: one thread ÷ all, ours", ("t-b", ONE_THREAD), ("t-b", OURS), "≥", 1.8),
)
EXPONENTS = (
    ("a12: exponent of time against patients, ours", ("s1-a12", OURS), ("s10-a12", OURS), 1.05),
    ("b: exponent of time against patients, ours", ("s1-b", OURS), ("s10-b", OURS), 1.05),
)


def all_claims(runs):
    """Those of which both sides were run."""
    claims = []
    for says, over, under, sign, bound in RATIOS:
        over = best(runs, over)
        if over in runs and under in runs:
            claims.append(claim(says, ratios(runs[over], runs[under]), sign, bound))
    for says, small, large, bound in EXPONENTS:
        if small in runs and large in runs:
            claims.append(claim(says, [math.log10(ratio) for ratio in ratios(runs[large], runs[small])], "≤", bound))
    return claims


def best(runs, key):
    """Of the peers with queries written by hand the fastest."""
    item, name = key
    if name is not None:
        return key
    there = [(item, peer) for peer in PEERS if (item, peer) in runs]
    return min(there, key=lambda one: median(runs[one]), default=key)


def ratios(over, under):
    """Round by round where both have the rounds; what was run once is held against all rounds of the other."""
    if len(over) == len(under):
        return [one.seconds / other.seconds for one, other in zip(over, under)]
    return [one.seconds / other.seconds for one in over for other in under]


def claim(says, found, sign, bound):
    ratio = statistics.median(found)
    held = ratio >= bound if sign == "≥" else ratio <= bound
    return {
        "says": says,
        "ratio": ratio,
        "least": min(found),
        "greatest": max(found),
        "must": f"{sign} {bound}",
        "held": held,
    }

"""What the bench measures: pieces of work over populations, each with its contenders."""

import dataclasses

from . import place_of_policy
from .contenders import EHRQL, OURS, PEERS

ONE_THREAD = "peristyle, one thread"
RAW, USER_FACING = "peristyle, raw TPP tables", "peristyle, user-facing tables"


@dataclasses.dataclass(frozen=True)
class Item:
    key: str
    work: str
    population: str
    says: str
    who: str = "all"  # all: with peers and floor; sizes; one-thread; guarded


ITEMS = (
    Item("a12", "a12", "ordered", "dm017, 12 months"),
    Item("a60", "a60", "ordered", "dm017, 60 months"),
    Item("b", "b", "ordered", "90 variables over 30 code lists"),
    Item("c", "c", "ordered", "linked cohort"),
    Item("d", "d", "rare", "rare disease"),
    Item("e-a12", "a12", "unordered", "dm017, 12 months, rows not in order"),
    Item("e-b", "b", "unordered", "90 variables, rows not in order"),
    Item("f-a12", "a12", "raw", "dm017, 12 months, raw TPP tables under a policy", "guarded"),
    Item("f-b", "b", "raw", "90 variables, raw TPP tables under a policy", "guarded"),
    Item("t-a12", "a12", "ordered", "dm017, 12 months, one thread", "one-thread"),
    Item("t-b", "b", "ordered", "90 variables, one thread", "one-thread"),
    Item("s1-a12", "a12", "small", "dm017, 12 months, a tenth of the events", "sizes"),
    Item("s10-a12", "a12", "large", "dm017, 12 months, ten times those patients", "sizes"),
    Item("s1-b", "b", "small", "90 variables, a tenth of the events", "sizes"),
    Item("s10-b", "b", "large", "90 variables, ten times those patients", "sizes"),
)


def chosen(only):
    """The items of `a12,b`; all without it."""
    known = {item.key: item for item in ITEMS}
    unknown = [key for key in only or [] if key not in known]
    if unknown:
        raise SystemExit(f"there is no {', '.join(unknown)} to measure; there are {', '.join(known)}")
    return [known[key] for key in only] if only else list(ITEMS)


def populations_of(items):
    names = [item.population for item in items]
    # The same patients as user-facing tables.
    return dict.fromkeys(names + (["ordered"] if "raw" in names else []))


def contenders(item, place, work, definition, folders):
    """Whom an item compares: ours first, whose answer the others must give."""
    tables = folders[item.population]
    if item.who == "guarded":
        sources = place_of_policy.make(place, item.key, folders["ordered"], folders["raw"])
        return [
            place.guarded(item.key, work, definition, source, name) for source, name in zip(sources, (USER_FACING, RAW))
        ]
    if item.who == "one-thread":
        one = place.ours(item.key, work, definition, tables, threads=1, name=ONE_THREAD)
        return [place.ours(item.key, work, definition, tables), one]
    ours = [place.ours(item.key, work, definition, tables)]
    if item.who == "sizes":
        # One peer, for the answer.
        return ours + ([place.peer(item.key, work, tables, "DuckDB")] if place.python else [])
    if place.python:
        ours += [place.peer(item.key, work, tables, name) for name in PEERS]
    if work.name in place.statements:
        ours.append(place.peer(item.key, work, tables, EHRQL))
    if place.floor:
        ours.append(place.bare_decode(work, tables))
    return ours


__all__ = ["ITEMS", "ONE_THREAD", "OURS", "RAW", "USER_FACING", "chosen", "contenders", "populations_of"]

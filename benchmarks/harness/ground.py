"""What every measurement of the bench's items stands on: how populations are asked for, and what is made of them."""

import dataclasses
import json
import os
import pathlib

from . import items, populations, work
from .contenders import HERE

ROOT = HERE.parent
STUDY = ROOT.parent / "shared/ehrql/studies/qof-diabetes.dataset_definition_dm017/definition.json"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


@dataclasses.dataclass(frozen=True)
class Ground:
    all_work: dict  # by name
    definitions: dict  # files of it, by name
    folders: dict  # of populations, by name
    answers: pathlib.Path  # where whoever answers writes

    def contenders(self, item, place):
        return items.contenders(item, place, self.all_work[item.work], self.definitions[item.work], self.folders)


def add_arguments(parser):
    """Those of populations, and of the binary. `parsed` sees to them."""
    parser.add_argument("--binary", type=pathlib.Path, default=TARGET / "release/peristyle")
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100, help="clinical events of a patient, on average")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", type=pathlib.Path, help="where populations are made, and used again; default: target")
    parser.add_argument(
        "--dm017",
        type=pathlib.Path,
        default=STUDY if STUDY.exists() else None,
        help="the study's definition; default: the shared one, or one of the same shape",
    )


def parsed(parser, results):
    """The arguments, with whole paths; `--out` is by default the folder `results` beside the populations."""
    given = parser.parse_args()
    given.data = (given.data or TARGET / f"bench/{given.patients}x{given.events}").resolve()
    given.out = (given.out or given.data / results).resolve()
    given.binary = given.binary.resolve()
    if not given.binary.exists():
        parser.error(f"there is no {given.binary}: build it (`just build`), or give --binary")
    return given


def keys(text):
    """Items, as in `a12,b`."""
    return text.split(",")


def prepare(given, chosen):
    """Writes the definitions, and makes the populations that are not there yet."""
    all_work = work.all_work(given.dm017)
    definitions = write_definitions(all_work, given.data / "definitions")
    known = populations.all_populations(given.patients, given.events)
    folders = {
        name: populations.make(known[name], given.binary, given.data, definitions)
        for name in items.populations_of(chosen)
    }
    answers = given.data / "answers"
    answers.mkdir(exist_ok=True)
    return Ground(all_work, definitions, folders, answers)


def write_definitions(all_work, folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, piece in all_work.items():
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(piece.definition))
    return paths

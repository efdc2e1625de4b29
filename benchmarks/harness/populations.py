"""Makes the populations that are measured, once each: what is there already is used again."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

GP = ("patients", "practice_registrations", "clinical_events")
LINKED = (*GP, "medications", "apcs", "ons_deaths")
# Of a hundred patients those that have the rare codes, eight times on average: one event of 100,000. But a handful at
# least, so that a small population has something to compare.
RARE_PERCENT = lambda patients, events: max(events / 100_000 / 8, 5 / patients) * 100


@dataclasses.dataclass(frozen=True)
class Population:
    name: str
    patients: int
    events: int
    tables: tuple  # none: all of the layout
    planted: tuple  # names of work
    flags: tuple = ()


def all_populations(patients, events):
    """Every population, by name. `small` and `large` differ in patients only, and have as many events as the others."""
    planted = ("a60", "b", "c")
    few = max(1, events // 10)
    populations = [
        Population("ordered", patients, events, LINKED, planted),
        Population("unordered", patients, events, GP, planted, ("--unordered",)),
        Population("rare", patients, events, GP, ("d",), ("--percent-coded", f"{RARE_PERCENT(patients, events):.9f}")),
        Population("small", patients, few, GP, planted),
        Population("large", 10 * patients, few, GP, planted),
        # The raw tables have registers; the user-facing tables of the same patients are held to the same ones.
        Population("raw", patients, events, RAW, planted, ("--layout", "tpp")),
    ]
    return {population.name: population for population in populations}


RAW = (
    "Patient",
    "RegistrationHistory",
    "Organisation",
    "DirectionsAcknowledged",
    "PatientsWithTypeOneDissent",
    "PatientsWithoutNDOO",
    "CodedEvent",
    "CodedEvent_SNOMED",
)


def make(population, binary, directory, definitions):
    """The folder of a population. It is made under another name first: one that is there is whole."""
    folder = directory / population.name
    settings = settings_of(population, definitions)
    stamp = folder / ".settings.json"
    if stamp.exists() and stamp.read_text() == settings:
        return folder
    if folder.exists():
        sys.exit(f"{folder} holds a population that was made with other settings: give another --data, or remove it")
    print(
        f"making population `{population.name}`: {population.patients:,} patients, " f"{population.events} events each",
        file=sys.stderr,
    )
    unfinished = directory / f".{population.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [
        binary,
        "synth",
        "--patients",
        str(population.patients),
        "--events-per-patient",
        str(population.events),
        "--out",
        str(unfinished),
        *population.flags,
    ]
    if population.tables:
        command += ["--tables", ",".join(population.tables)]
    for name in population.planted:
        command += ["--definition", str(definitions[name])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (unfinished / stamp.name).write_text(settings)
    unfinished.rename(folder)
    return folder


def settings_of(population, definitions):
    planted = [pathlib.Path(definitions[name]).read_text() for name in population.planted]
    return json.dumps([dataclasses.asdict(population), planted])

"""The peers: a virtual environment with pinned packages, and ehrQL's statements where there is an ehrQL."""

import json
import pathlib
import subprocess
import sys

from . import process
from .contenders import HERE

PACKAGES = ("duckdb==2.0.1", "polars==2.1.0", "datafusion==55.0.0", "pyarrow==26.0.1")


def python(directory):
    """The Python of the virtual environment, which is made where it is not there."""
    found = directory / "bin/python"
    stamp = directory / ".packages"
    if not stamp.exists() or stamp.read_text() != json.dumps(PACKAGES):
        print(f"installing {', '.join(PACKAGES)} in {directory}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        stamp.write_text(json.dumps(PACKAGES))
    return found


def ehrql_python(given):
    """The Python that has ehrQL: of a virtual environment, or of a checkout that has one in `.venv`."""
    for place in (given / "bin/python", given / ".venv/bin/python"):
        if place.exists():
            return place
    sys.exit(
        f"{given} has neither bin/python nor .venv/bin/python: give a virtual environment that has ehrQL installed, "
        "or a checkout of it that has one in .venv"
    )


def ehrql_statements(interpreter, definitions, scratch):
    """What ehrQL makes of each definition, in a file for each."""
    found = {}
    for name, definition in definitions.items():
        found[name] = scratch / f"{name}.ehrql.json"
        printed = process.run([interpreter, HERE / "peers/ehrql_sql.py", definition]).printed
        pathlib.Path(found[name]).write_text(printed)
    return found

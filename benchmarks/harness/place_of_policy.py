"""A policy for the synthetic population: TPP's example of one, over the registers that the raw tables have."""

import re
import shutil

from . import process
from .contenders import HERE

EXAMPLE = HERE.parent / "connectors/tpp/policy.example.toml"


def make(place, item, user_facing, raw):
    """Two source files under the same policy: of the user-facing tables, and of the raw ones."""
    folder = place.scratch / f"{item}-place"
    shutil.rmtree(folder, ignore_errors=True)
    sources = []
    for name, connector, tables in (("user-facing", "user-facing", user_facing), ("raw", "tpp", raw)):
        home = folder / name
        home.mkdir(parents=True)
        (home / "policy.toml").write_text(policy(None if name == "raw" else raw))
        source = home / "source.toml"
        source.write_text(
            f'peristyle_source = 1\nconnector = "{connector}"\nlocation = "{tables}"\n'
            'policy = "policy.toml"\nledger = "ledger.jsonl"\n'
        )
        process.run([place.binary, "policy", "begin", source, "--by", "the bench"])
        sources.append(source)
    return sources


def policy(registers):
    """The example with counts that a small population has; with registers from a folder where the source has none."""
    text = re.sub(r"least_count = \d+", "least_count = 0", EXAMPLE.read_text())
    text = re.sub(r"max_age_days = \d+", "max_age_days = 366", text)
    text = re.sub(r"(greatest_(?:fall|rise)_percent) = \d+", r"\1 = 100", text)
    if registers:
        text = re.sub(r'^table = "(\w+)"', rf'file = "{registers}/\1.parquet"', text, flags=re.MULTILINE)
    return text

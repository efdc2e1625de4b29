"""Who does a piece of work: a name, a command, and how its time is taken."""

import dataclasses
import json
import pathlib
import re

OURS, FLOOR, EHRQL = "peristyle", "floor", "ehrQL on DuckDB"
PEERS = {"DuckDB": "duckdb_peer", "DataFusion": "datafusion_peer", "Polars": "polars_peer"}
HERE = pathlib.Path(__file__).parent.parent


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    command: list
    answer: pathlib.Path = None  # the floor has none
    prints_seconds: bool = False  # otherwise it is the wall time of the whole process


class Place:
    """Where programs, tables and answers are."""

    def __init__(self, binary, floor, python, statements, scratch, threads):
        self.binary, self.floor, self.python, self.statements = binary, floor, python, statements
        self.scratch, self.threads = scratch, threads

    def answer(self, item, name):
        return self.scratch / f"{item}-{re.sub('[^a-zA-Z0-9]+', '-', name)}.parquet"

    def ours(self, item, work, definition, tables, threads=None, name=OURS):
        answer = self.answer(item, name)
        command = [
            self.binary,
            work.command,
            definition,
            "--dummy-tables",
            tables,
            "--output",
            answer,
            "--threads",
            threads or self.threads,
        ]
        return Contender(name, command, answer)

    def guarded(self, item, work, definition, source, name):
        answer = self.answer(item, name)
        # So that measures can be compared without what disclosure control takes away.
        permissions = ["--permissions", '["disable_disclosure_control"]'] if work.measures else []
        command = [
            self.binary,
            work.command,
            definition,
            "--source",
            source,
            "--project",
            "bench",
            *permissions,
            "--output",
            answer,
            "--threads",
            self.threads,
        ]
        return Contender(name, command, answer)

    def peer(self, item, work, tables, name):
        answer = self.answer(item, name)
        job = {
            "peer": PEERS.get(name, "duckdb_peer"),
            "query": work.query,
            "threads": self.threads,
            "answer": str(answer),
            "tables": {table: str(tables / f"{table}.parquet") for table in work.columns},
            **work.parameters,
        }
        if name == EHRQL:
            job["statements"] = str(self.statements[work.name])
        path = answer.with_suffix(".json")
        path.write_text(json.dumps(job))
        return Contender(name, [self.python, HERE / "peers/run.py", path], answer, prints_seconds=True)

    def bare_decode(self, work, tables):
        files = [f"{tables / table}.parquet:{','.join(columns)}" for table, columns in work.columns.items()]
        return Contender(FLOOR, [self.floor, self.threads, *files], prints_seconds=True)

"""Prints the statements that ehrQL makes of a definition, as JSON: one list of (statement, gives rows) for each query
of its engine, which for measures is one for each interval. To be run by the Python that has ehrQL installed.

ehrQL has no engine for DuckDB; the SQL of the one for Trino is what DuckDB understands as it is, but for a function."""

import json
import pathlib
import re
import sys

from ehrql.measures import calculate
from ehrql.query_engines.trino import TrinoQueryEngine
from ehrql.query_model.nodes import Dataset
from ehrql.serializer import deserialize
from ehrql.utils.sqlalchemy_query_utils import clause_as_str


class Recorder:
    """Stands where ehrQL's measures expect an engine, and keeps what they ask of it."""

    def __init__(self):
        self.datasets = []

    def get_results_tables(self, dataset):
        self.datasets.append(dataset)
        return ()


def datasets(root):
    if isinstance(root, Dataset):
        return [root]
    recorder = Recorder()
    for _ in calculate.get_measure_results(recorder, root.measures.measures):
        pass
    return recorder.datasets


def statements(dataset):
    engine = TrinoQueryEngine(None)
    dialect = engine.sqlalchemy_dialect()
    return [
        (for_duckdb(clause_as_str(query, dialect)), gives_rows) for gives_rows, query in engine.get_queries(dataset)
    ]


def for_duckdb(sql):
    if sql.startswith("INSERT INTO"):
        # ehrQL's engine inserts many rows at once; as text they are one statement each.
        head, *_ = sql.partition(" VALUES ")
        sql = f"{head} VALUES " + ", ".join(row.partition(" VALUES ")[2] for row in sql.split(";\n"))
    # Text in Trino's SQL, which its driver would send as dates.
    sql = re.sub(r"'(\d{4}-\d\d-\d\d)'", r"DATE '\1'", sql)
    # DuckDB's own function of this name takes other arguments; the bench defines this one.
    return re.sub(r"\bDATE_ADD\(", "trino_date_add(", sql)


def main():
    path = pathlib.Path(sys.argv[1])
    root = deserialize(path.read_bytes(), root_dir=path.parent)
    print(json.dumps([statements(dataset) for dataset in datasets(root)]))


main()

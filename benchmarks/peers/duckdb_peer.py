"""DuckDB, on a query written by hand, or on the statements that ehrQL makes."""

import json
import pathlib

import duckdb
import queries

# A function of Trino's, which ehrQL's statements call.
TRINO_DATE_ADD = """CREATE MACRO trino_date_add(unit, number, day) AS CAST(
    CASE unit WHEN 'day' THEN day + to_days(CAST(number AS INTEGER))
              WHEN 'month' THEN day + to_months(CAST(number AS INTEGER))
              WHEN 'year' THEN day + to_years(CAST(number AS INTEGER)) END AS DATE)"""


def connect(job):
    connection = duckdb.connect(config={"threads": job["threads"]})
    # Answers are compared whatever their order; without it the writer need not wait.
    connection.execute("SET preserve_insertion_order = false")
    for name, path in job["tables"].items():
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    return connection


def write(connection, query, path):
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")


def run(job):
    connection = connect(job)
    if "statements" in job:
        run_statements(connection, job)
    else:
        steps, question = queries.steps_of("duckdb", job)
        for name, sql in steps.items():
            connection.execute(f"CREATE TABLE {name} AS {sql}")
        write(connection, question, job["answer"])


def run_statements(connection, job):
    """What ehrQL's engine would send, and its results as one answer."""
    connection.execute(TRINO_DATE_ADD)
    batches = json.loads(pathlib.Path(job["statements"]).read_text())
    if "intervals" not in job:
        for sql, gives_rows in batches[0]:
            if gives_rows:
                write(connection, sql, job["answer"])
            else:
                connection.execute(sql)
        return
    rows = []
    for (first, _), batch in zip(job["intervals"], batches, strict=True):
        for sql, gives_rows in batch:
            connection.execute(sql)
            if gives_rows:
                # Denominator, numerator, the groups, and which set of groups it is.
                rows += [
                    (first, sex, numerator or 0, denominator)
                    for denominator, numerator, sex, _ in connection.fetchall()
                ]
    connection.execute("CREATE TABLE answer(interval_start DATE, sex VARCHAR, numerator BIGINT, denominator BIGINT)")
    connection.executemany("INSERT INTO answer VALUES (?, ?, ?, ?)", rows)
    write(connection, "FROM answer", job["answer"])

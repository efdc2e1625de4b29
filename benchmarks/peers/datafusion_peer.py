"""DataFusion's own SQL, on the queries written by hand."""

import datafusion
import queries


def run(job):
    config = datafusion.SessionConfig(
        {
            "datafusion.execution.target_partitions": str(job["threads"]),
            "datafusion.execution.parquet.pushdown_filters": "true",
            "datafusion.execution.parquet.reorder_filters": "true",
        }
    )
    context = datafusion.SessionContext(config)
    for name, path in job["tables"].items():
        context.register_parquet(name, path)
    steps, question = queries.steps_of("datafusion", job)
    for name, sql in steps.items():
        context.sql(f"CREATE TABLE {name} AS {sql}")
    context.sql(question).write_parquet(job["answer"], compression="zstd", compression_level=1)

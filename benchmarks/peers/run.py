"""`run.py JOB.json`: one peer does one piece of work and writes its answer as Parquet. Prints, as JSON, the seconds
without the start of Python and its imports."""

import importlib
import json
import os
import pathlib
import sys
import time


def main():
    job = json.loads(pathlib.Path(sys.argv[1]).read_text())
    # Polars reads it when it is imported.
    os.environ["POLARS_MAX_THREADS"] = str(job["threads"])
    peer = importlib.import_module(job["peer"])
    started = time.perf_counter()
    peer.run(job)
    print(json.dumps({"seconds": time.perf_counter() - started}))


main()

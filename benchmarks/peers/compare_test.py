"""Whether the comparison of answers notices what differs: `python compare_test.py`, with the Python of the peers."""

import datetime
import pathlib
import tempfile

import compare
import pyarrow as pa
import pyarrow.parquet as pq

DAY = datetime.date(2020, 1, 1)
RIGHT = {"patient_id": [1, 2, 3], "seen": [DAY, None, DAY], "mean": [0.1 + 0.2, None, 7.0], "sex": ["f", "m", None]}
# What is changed, and what is said of it.
CASES = (
    ({}, None),
    ({"patient_id": [3, 1, 2], "seen": [DAY, DAY, None], "mean": [7.0, 0.3, None], "sex": [None, "f", "m"]}, None),
    ({"sex": pa.array(["f", "m", None]).dictionary_encode()}, None),
    ({"patient_id": [1, 2, 4]}, "column patient_id: 1 values differ"),
    ({"mean": [0.3, None, 7.000001]}, "column mean: 1 values differ"),
    ({"mean": [0.3, 0.0, 7.0]}, "column mean: NULL in other rows"),
    ({"seen": [DAY, None, DAY + datetime.timedelta(1)]}, "column seen: 1 values differ"),
    ({"sex": ["f", "f", None]}, "column sex: 1 values differ"),
    ({"sex": [1, 2, None]}, "column sex: int64 instead of large_string"),
    ({"other": [1, 2, 3]}, "columns: ['other'] are not expected, [] lack"),
    ({"sex": None}, "columns: [] are not expected, ['sex'] lack"),
    ({name: values[:2] for name, values in RIGHT.items()}, "2 rows instead of 3"),
)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        right, other = (pathlib.Path(temporary) / name for name in ("right.parquet", "other.parquet"))
        pq.write_table(pa.table(RIGHT), right)
        for change, expected in CASES:
            changed = {name: values for name, values in {**RIGHT, **change}.items() if values is not None}
            pq.write_table(pa.table(changed), other)
            said = compare.difference(right, other, ["patient_id"])
            assert said == expected, f"{change}: {said!r} instead of {expected!r}"
        assert compare.difference(right, right, ["patient_id"], ["seen"]) is None
    print(f"{len(CASES) + 1} cases of comparing answers hold")


main()

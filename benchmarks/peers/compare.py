"""Whether two answers are the same: the same columns, the same keys, and the same values. Floats that were added up in
another order may differ in the last places."""

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TOLERANCE = 1e-9


def difference(expected_path, found_path, keys, columns=None):
    """What differs first, in words, or nothing. Of measures only some columns are compared: peers make no others."""
    expected_file, found_file = pq.ParquetFile(expected_path), pq.ParquetFile(found_path)
    names = columns or expected_file.schema_arrow.names
    missing = [name for name in found_file.schema_arrow.names if name not in expected_file.schema_arrow.names]
    lacking = [name for name in names if name not in found_file.schema_arrow.names]
    if missing or lacking:
        return f"columns: {missing} are not expected, {lacking} lack"
    if expected_file.metadata.num_rows != found_file.metadata.num_rows:
        return f"{found_file.metadata.num_rows} rows instead of {expected_file.metadata.num_rows}"
    orders = [order(file, keys) for file in (expected_file, found_file)]
    # A column at a time: wide answers of large populations do not fit otherwise.
    for name in names:
        expected, found = (column(file, name).take(order) for file, order in zip((expected_file, found_file), orders))
        if problem := column_difference(expected, found):
            return f"column {name}: {problem}"
    return None


def order(file, keys):
    table = pa.table({key: column(file, key) for key in keys})
    return pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys])


def column(file, name):
    """A column in the widest type of its kind."""
    values = file.read([name]).column(0).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    for is_of, wide in (
        (pa.types.is_integer, pa.int64()),
        (pa.types.is_floating, pa.float64()),
        (pa.types.is_decimal, pa.int64()),
        (is_string, pa.large_string()),
        (pa.types.is_date, pa.date32()),
    ):
        if is_of(kind):
            return values.cast(wide)
    return values


def is_string(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def column_difference(expected, found):
    if expected.type != found.type:
        return f"{found.type} instead of {expected.type}"
    if not pc.is_null(expected).equals(pc.is_null(found)):
        return "NULL in other rows"
    if pa.types.is_floating(expected.type):
        distance = pc.abs(pc.subtract(expected, found))
        bound = pc.multiply(pc.add(pc.abs(expected), 1.0), TOLERANCE)
        same = pc.less_equal(distance, bound)
    else:
        same = pc.equal(expected, found)
    wrong = pc.sum(pc.invert(same)).as_py() or 0
    return f"{wrong} values differ" if wrong else None


def main():
    expected, found, keys, columns = sys.argv[1:5]
    problem = difference(expected, found, keys.split(","), columns.split(",") if columns else None)
    if problem:
        print(problem)


if __name__ == "__main__":
    main()

"""A stranger's Parquet file, from standard input, as CSV on standard output: `python -m leaderboard.unpack`.

In a process of its own that may have little memory and time: a few kB of Parquet can say that they unpack to
terabytes, or be made to break the library that reads them. Nothing but the two streams is opened.
"""

import csv
import io
import sys

import pyarrow as pa
import pyarrow.parquet as pq

MOST_BYTES = 2 * 2**20
MOST_ROWS = 50_000
MOST_COLUMNS = 20
MOST_CELL = 4_000  # characters: the longest genome has about 300
ARCHITECTURES = ("arch_id", "genome")
VALUES = ("value", "score")

READ = (pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_large_string)

MEMORY = 768 * 2**20  # bytes of addresses, of which the libraries map a third
SECONDS = 10
BATCH = 1000  # rows held at once


def main() -> int:
    """Returns 0, or 1 with one sentence on standard error."""
    import resource  # not everywhere: where processes cannot be bounded, no Parquet file is read

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        told = as_csv(sys.stdin.buffer.read(MOST_BYTES + 1))
    except (MemoryError, pa.ArrowMemoryError):
        print("The file unpacks to more than can be read.", file=sys.stderr)
        return 1
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:150].rstrip(".")
        print(f"The file is no whole Parquet file: {reason}.", file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(told)
    return 0


def as_csv(content: bytes) -> str:
    """The columns that matter. Raises ValueError, ArrowException or MemoryError where they cannot be had."""
    file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise ValueError(
            f"The file has {rows:,} rows and {columns:,} columns; at most {MOST_ROWS:,} and {MOST_COLUMNS} "
            "are read."
        )
    wanted = [name for name in file.schema_arrow.names if name in (*ARCHITECTURES, *VALUES, "seed")]
    for name in wanted:
        kind = file.schema_arrow.field(name).type
        if not any(fits(kind) for fits in READ):
            raise ValueError(f"Column {name} is of type {kind}; give text or numbers.")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(wanted)
    for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            cells = ["" if cell is None else str(cell) for cell in row]
            if any(len(cell) > MOST_CELL for cell in cells):
                raise ValueError("The file has a cell that is too long.")
            writer.writerow(cells)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())

"""DuckDB over the part files of a benchmark: views of the tables, on a connection that sees nothing else."""

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from store.copies import copies, original
from store.errors import StoreError
from store.location import is_there
from store.parts import RESTLESS, TRIES, damaged_part
from store.schema import TABLES, Table

# Nothing may be looked for on the network, nor among the caller's Python variables, while a table is read.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
MISTAKES = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)

# What a file that is gone is to DuckDB: without access to others it does not say so.
GONE = (duckdb.IOException, duckdb.PermissionException)

# Without the column space, one architecture is found without a join: several times faster.
LAST_EPOCHS = """
CREATE VIEW last_epochs AS
SELECT * FROM accuracies
QUALIFY epoch = max(epoch) OVER (PARTITION BY arch_id, task, protocol, recipe, seed, split)
"""
# The last epoch is an aggregate here: a window is planned as a join with the table, at twice the time.
MEAN_ACCURACIES = """
CREATE VIEW mean_accuracies AS
SELECT arch_id, task, protocol, recipe, split, avg(accuracy ORDER BY seed) AS accuracy,
       stddev_samp(accuracy ORDER BY seed) AS accuracy_std, count(accuracy) AS seeds
FROM (
    SELECT arch_id, task, protocol, recipe, split, seed, arg_max_null(accuracy, epoch) AS accuracy
    FROM accuracies GROUP BY arch_id, task, protocol, recipe, split, seed
)
GROUP BY arch_id, task, protocol, recipe, split
"""
WITH_SPACE = """
CREATE VIEW {view} AS
SELECT space, {rows}.* FROM {rows} LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
"""


Find: TypeAlias = Callable[[], dict[str, list[Path]]]


class Connection:
    """The views of a benchmark's tables, for queries; rows are those of the parts given.

    parts:    the part files of each table
    scores:   rows of table scores that no part holds, or None
    find:     finds the parts that there are now, where some may be merged into others; None: these or none
    rankings: file of rankings that were computed before, which becomes the view `rankings`, or None

    No file but the parts, and no network, can be reached through it. Raises StoreError for a damaged part.
    """

    def __init__(
        self,
        parts: dict[str, list[Path]],
        scores: pa.Table | None = None,
        find: Find | None = None,
        rankings: Path | None = None,
    ) -> None:
        self._scores, self._find, self._rankings = scores, find, rankings
        self._connect(parts)

    def _connect(self, parts: dict[str, list[Path]]) -> None:
        """Define the views over these parts, or over those that there are instead of them by then."""
        for _ in range(TRIES):
            self.parts = {name: [path.absolute() for path in paths] for name, paths in parts.items()}
            try:
                self._define()
                return
            except (FileNotFoundError, *GONE) as error:
                parts = self._found_anew(error)
            except duckdb.Error as error:
                raise self._trouble(error) from None
        raise StoreError(RESTLESS)

    def _define(self) -> None:
        self._copies = {name: copies(paths) for name, paths in self.parts.items()}
        self._duckdb = duckdb.connect(":memory:", config=SETTINGS)
        self._duckdb.execute("SET GLOBAL TimeZone = 'UTC'")
        # Footers are read once, not for every question: of a large table they take longer than an answer.
        self._duckdb.execute("SET GLOBAL parquet_metadata_cache = true")
        further = copies([self._rankings.absolute()] if self._rankings else [])
        self._duckdb.execute(f"SET allowed_paths = [{_files(chain(further, *self._copies.values()))}]")
        self._duckdb.execute("SET enable_external_access = false")
        self._define_views(self._scores)
        if further:
            self._duckdb.execute(f"CREATE VIEW rankings AS FROM read_parquet([{_files(further)}])")
        self._duckdb.execute("SET lock_configuration = true")

    def _found_anew(self, error: Exception) -> dict[str, list[Path]]:
        """The parts that there are now. Raises StoreError where none was merged or taken out."""
        if self._find is None or all(is_there(path) for path in chain(*self.parts.values())):
            raise self._trouble(error) from None
        return self._find()

    def close(self) -> None:
        """Free DuckDB's memory. Queries asked afterwards fail."""
        self._duckdb.close()

    def query(
        self, query: str, parameters: dict[str, Any] | None = None, tables: dict[str, pa.Table] | None = None
    ) -> pa.Table:
        """The answer to one statement; `tables` are Arrow tables it may name. Raises StoreError."""
        for _ in range(TRIES):
            try:
                return self._answer(query, parameters, tables or {})
            except GONE as error:
                self._connect(self._found_anew(error))
            except duckdb.Error as error:
                raise self._trouble(error) from None
        raise StoreError(RESTLESS)

    def _answer(self, query: str, parameters: dict[str, Any] | None, tables: dict[str, pa.Table]) -> pa.Table:
        with self._duckdb.cursor() as cursor:
            for name, given in tables.items():
                cursor.register(name, given)
            answer = cursor.sql(query, params=parameters)
            if answer is None:
                raise StoreError("sql: this statement gives no table. Ask with SELECT.")
            return answer.to_arrow_table()

    def ask(self, query: str) -> pa.Table:
        """The answer to one statement of a user's. Raises StoreError for one that would write."""
        try:
            statements = duckdb.extract_statements(query)
        except duckdb.Error as error:
            raise self._trouble(error) from None
        if len(statements) != 1 or statements[0].type not in READING:
            raise StoreError("sql: this is not one statement that gives a table. Ask with SELECT.")
        return self.query(query)

    def _trouble(self, error: Exception) -> StoreError:
        """One line on a failed query: the damaged part if there is one, else DuckDB's own reason."""
        if not isinstance(error, MISTAKES):
            for paths in self.parts.values():
                damage = damaged_part(paths)
                if damage:
                    return StoreError(damage)
        reason = " ".join(str(error).split("\nLINE ")[0].split())
        return StoreError(f"sql: {reason}")

    def _define_views(self, scores: pa.Table | None) -> None:
        self._duckdb.execute("CREATE SCHEMA parts")
        for wanted in TABLES.values():
            self._add_parts(wanted, scores if wanted.name == "scores" else None)
        for wanted in reversed(TABLES.values()):  # runs first: the others ask it for the latest run
            self._duckdb.execute(_latest_view(wanted, len(self.parts[wanted.name])))
        self._duckdb.execute(LAST_EPOCHS)
        self._duckdb.execute(MEAN_ACCURACIES)
        self._duckdb.execute(WITH_SPACE.format(view="trainings", rows="last_epochs"))
        self._duckdb.execute(WITH_SPACE.format(view="final_accuracies", rows="mean_accuracies"))

    def _add_parts(self, wanted: Table, more: pa.Table | None) -> None:
        """Make `parts.<table>`: every row of every part, then `more`; empty where there is neither."""
        columns = ", ".join(wanted.schema.names)
        paths = self.parts[wanted.name]
        sources = []
        if paths:
            here = self._copies[wanted.name]
            sources.append(
                f"SELECT {columns}, {original(paths[0], here[0], 'filename')} AS part "
                f"FROM read_parquet([{_files(here)}], filename = true, hive_partitioning = false)"
            )
        if more is not None or not paths:
            self._duckdb.register("given", wanted.schema.empty_table() if more is None else more)
            self._duckdb.execute(
                f"CREATE TABLE parts.{wanted.name}_in_memory AS "
                f"SELECT {columns}, NULL::VARCHAR AS part FROM given"
            )
            self._duckdb.unregister("given")
            sources.append(f"FROM parts.{wanted.name}_in_memory")
        self._duckdb.execute(f"CREATE VIEW parts.{wanted.name} AS {' UNION ALL '.join(sources)}")


def _files(paths: Iterable[Path]) -> str:
    return ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)


def _latest_view(wanted: Table, parts: int) -> str:
    """SQL of the view that keeps, for a repeated key, the row of the latest run.

    The file name decides last, so that the answer is the same each time even if one run wrote a key twice.
    Within one part no key is repeated: the writer refuses that.
    """
    columns = ", ".join(f"written.{name}" for name in wanted.schema.names)
    plain = f"CREATE VIEW {wanted.name} AS SELECT {columns} FROM parts.{wanted.name} AS written"
    if parts <= 1:
        return plain
    key = ", ".join(f"written.{name}" for name in wanted.key)
    if wanted.name == "runs":
        source, order = "", "written.started DESC, written.ended DESC NULLS LAST"
    else:
        source = "LEFT JOIN (SELECT run_id, started FROM runs) AS latest ON latest.run_id = written.run_id"
        order = "latest.started DESC NULLS LAST, written.run_id DESC"
        if wanted.measured is not None:  # a failure that the same run mended may come back from a merged part
            order += ", written.status = 'ok' DESC"
    return f"""{plain} {source}
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}, written.part DESC) = 1"""

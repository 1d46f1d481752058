"""Reading a benchmark: a folder of Parquet tables, or a release of one, opened for questions."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from store import analysis, difference, information, trainings
from store import factors as sanity
from store import groups as grouping
from store import layers as depths
from store import neighbours as nearest
from store import noise as repeats
from store import overall as means
from store import rank as ranking
from store import scatter as plotted
from store import searches as progress
from store import seeds as spread
from store import top as best
from store.connection import Connection, Find
from store.errors import StoreError, unknown
from store.location import is_remote, is_there
from store.own_scores import score_rows
from store.parts import find_parts
from store.questions.depths import Depths
from store.questions.rankings import Rankings
from store.questions.relations import Relations
from store.questions.tables import Tables
from store.questions.trust import Trust
from store.release.locate import locate
from store.release.manifest import NAME, RANKINGS, Manifest, damage, misfit, strangers
from store.schema import TABLES

# What each question answers with: a method's name, and the columns of its table. One whose name a table has,
# too, is told from it by its brackets.
ANSWERS = {
    "accuracy": trainings.MEANS,
    "curves": trainings.CURVES,
    "layers()": depths.CURVE,
    "searches()": progress.PROGRESS,
    "rank": ranking.RANKING,
    "compare": ranking.COMPARISON,
    "overall": means.OVERALL,
    "rhos": ranking.RHOS,
    "by_seed": spread.SEEDS,
    "scatter": plotted.SCATTER,
    "groups": grouping.GROUPS,
    "top": best.TOP,
    "bias": analysis.BIAS,
    "bands": analysis.BANDS,
    "similarity": analysis.SIMILARITY,
    "information_gain": information.INFORMATION,
    "noise": repeats.NOISE,
    "agreement": repeats.AGREEMENT,
    "factors": sanity.FACTORS,
    "layer_intervals": depths.RHO_BY_INTERVAL,
    "neighbours": nearest.NEIGHBOURS,
    "diff": difference.DIFFERENCE,
    "moves": difference.MOVES,
}
# Views beside the tables, for `sql`.
VIEWS = {
    "trainings": trainings.TRAININGS,
    "final_accuracies": trainings.MEANS,
    "rankings": ranking.RANKING,
}


class Benchmark(Tables, Rankings, Relations, Trust, Depths):
    """A benchmark, opened for questions. Rows are those of the parts present when it was opened.

    Every table of `store.TABLES` is a SQL view of that name. Where two runs wrote one key, the row of the run
    that started last counts (then the larger run_id); rows of a run that table `runs` does not know are
    oldest. `parts.<table>` is the same table with every row ever written and the column `part`, the file it
    came from. `trainings` is the last row of every training, `final_accuracies` their means over seeds, which
    `accuracy()` selects from.

    Answers are Arrow tables: `.to_pandas()`, `.to_pylist()`, `polars.from_arrow(answer)`. One object may be
    used from several threads.

    path:    the folder it was opened in
    release: the manifest, of a release; None for what is not one
    """

    def __init__(
        self,
        path: Path,
        parts: dict[str, list[Path]],
        release: Manifest | None = None,
        own: pa.Table | None = None,
        find: Find | None = None,
    ) -> None:
        # With scores of your own every ranking is another one.
        rankings = path / RANKINGS if release and own is None else None
        ranked = release.rankings if rankings and release else None
        super().__init__(Connection(parts, own, find, rankings), ranked)
        self.path = path
        self.release = release
        self._parts = parts
        self._own = own
        self._find = find

    @classmethod
    def open(cls, source: str | Path | None = None, *, offline: bool = False) -> Self:
        """Open a benchmark.

        source:  None: the sample that ships with this package; "1.0.0": that release;
                 "hf://datasets/owner/name@revision": a release on the hub; a folder, or one of
                 an object store as "s3://bucket/folder": a release, or what jobs build: a subfolder a table,
                 where a missing table is an empty one
        offline: never use the network. It is used for the second and third, where they were not fetched
                 before or no commit of the hub is named, and for object stores

        Raises StoreError when there is no benchmark, or a part is damaged, of another schema version or
        without a column; of a release, also when a file is missing, has other bytes than its manifest says
        or is not its own. Of what is no release only footers are read: pages damaged behind a whole footer
        are told by the query that cannot read them, if it cannot.
        """
        root = locate(source, offline)
        release = None
        if is_there(root / NAME) or is_there(root / RANKINGS):
            release = Manifest.read(root)
            # An object store answers for the bytes that it keeps; to read them all would fetch them twice.
            look = misfit if is_remote(root) else damage
            for trouble in (*(look(root, file) for file in release.files), *strangers(root, release)):
                if trouble:
                    raise StoreError(trouble)
        return cls(root, find_parts(root), release, find=lambda: find_parts(root))

    def close(self) -> None:
        """Free DuckDB's memory. Questions about what was not read before fail afterwards."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sql(self, query: str) -> pa.Table:
        """The answer to one DuckDB query over the views, which sees no other file and no network.

        Raises StoreError with DuckDB's reason, and for a statement that would write.
        """
        return self.connection.ask(query)

    def describe(self, name: str | None = None) -> pa.Table:
        """Type, unit and meaning of every column.

        name: a table, a view, or a method that answers with one, such as "rank"; None: all of them

        Columns table, column, type, unit, meaning, nullable. Raises StoreError for an unknown name.
        """
        schemas = {table.name: table.schema for table in TABLES.values()} | VIEWS | ANSWERS
        wanted = schemas.keys() if name is None else schemas.keys() & {name, f"{name}()"}
        if not wanted:
            raise unknown("table", str(name), schemas)
        return pa.Table.from_pylist(
            [
                {
                    "table": table,
                    "column": field.name,
                    "type": str(field.type),
                    "unit": field.metadata[b"unit"].decode(),
                    "meaning": field.metadata[b"meaning"].decode(),
                    "nullable": field.nullable,
                }
                for table, schema in schemas.items()
                if table in wanted
                for field in schema
            ]
        )

    def with_scores(self, table: Any, proxy: str = "mine", task: str | None = None) -> Self:
        """This benchmark with your own scores in it, so that every question ranks them beside the others.

        table: a row a score: an Arrow table, a pandas or polars data frame, a dict of columns or a list of
               dicts. Columns: arch_id or genome; value, where higher is meant to be better; and, if you like,
               space, proxy (a name of its own), task, seed, seconds (price of one architecture)
        proxy: the name to rank it under, where no column says
        task:  the task the scores are for, where no column says; None: every task that has accuracies

        A value that is null, NaN or infinite is a failed score. The files are not changed. Raises StoreError
        that names the wrong rows, counted from 0: unknown architectures, values that are no numbers, repeated
        keys, names that the benchmark has already.
        """
        self._one("task", task)
        tasks = self._query("SELECT DISTINCT task FROM accuracies ORDER BY 1")["task"].to_pylist()
        known = {"task": self.tasks(), "proxy": self.proxies()}
        rows = score_rows(table, proxy, [task] if task else tasks, known, self.arch_id)
        own = rows if self._own is None else pa.concat_tables([self._own, rows])
        return type(self)(self.path, self._parts, self.release, own, self._find)

    def diff(self, old: "Benchmark") -> pa.Table:
        """What this benchmark says otherwise than an older one: rows added, removed, changed, the same.

        One row a table, task and proxy, or protocol and recipe, or strategy and ranker. Rows are met by key,
        the latest run's of each; times and run_ids do not count.
        """
        if not isinstance(old, Benchmark):
            raise StoreError(f"diff: {old!r} is no opened benchmark. Give Benchmark.open({old!r}).")
        return difference.difference(self._query, old.connection.query)

    def moves(self, old: "Benchmark") -> pa.Table:
        """The proxies whose rank, as `rank()` gives it, is another one than in an older benchmark."""
        return difference.moves(self.rank(draws=0), old.rank(draws=0))

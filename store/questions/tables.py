"""The facts themselves: architectures, accuracies, scores, learning curves, searches."""

import pyarrow as pa

from store import neighbours as nearest
from store import schema
from store import searches as progress
from store.errors import StoreError
from store.questions.names import Architecture, Known, Names, positive


class Tables(Known):
    """Rows as they are in the tables, of the latest run, by name."""

    def architectures(self, space: Names = None) -> pa.Table:
        """Architectures, by space and arch_id: the columns of table architectures.

        space: only this one, or these; None: all. Raises StoreError for an unknown space.
        """
        return self._rows("SELECT * FROM architectures", "space, arch_id", {"space": space})

    def accuracy(
        self,
        architecture: Architecture | None = None,
        task: Names = None,
        protocol: Names = None,
        recipe: Names = None,
        space: Names = None,
        split: str = "test",
    ) -> pa.Table:
        """Final accuracies: one row an architecture, task, protocol and recipe.

        architecture: only this one: arch_id, genome as dict or JSON text; None: all
        task, protocol, recipe, space: only this one, or these; None: all
        split: part of the data set it was measured on

        Columns space, arch_id, task, protocol, recipe, split; accuracy (fraction 0..1): the mean over
        training seeds, each at its largest epoch; accuracy_std: sample standard deviation over those seeds,
        null for one; seeds: how many succeeded, where 0 leaves accuracy null. A training whose last row
        failed gives nothing, even where earlier epochs succeeded. Raises StoreError for an unknown name.
        """
        chosen: dict[str, Names] = {"task": task, "protocol": protocol, "recipe": recipe, "split": split}
        order = "task, protocol, recipe, arch_id"
        return self._with_space("mean_accuracies", order, architecture, space, **chosen)

    def scores(
        self,
        architecture: Architecture | None = None,
        task: Names = None,
        proxy: Names = None,
        space: Names = None,
    ) -> pa.Table:
        """Scores: the column space, then the columns of table scores; failed ones included, with null value.

        architecture: only this one: arch_id, genome as dict or JSON text; None: all
        task, proxy, space: only this one, or these; None: all. Raises StoreError for an unknown name.
        """
        order = "task, proxy, seed, arch_id"
        return self._with_space("scores", order, architecture, space, task=task, proxy=proxy)

    def curves(
        self,
        task: Names = None,
        protocol: Names = None,
        recipe: Names = None,
        space: Names = None,
        split: str = "test",
    ) -> pa.Table:
        """Learning curves: accuracy and loss at every epoch that was measured, by training and epoch.

        task, protocol, recipe, space: only this one, or these; None: all
        split: part of the data set it was measured on

        Columns space, arch_id, task, protocol, recipe, split, seed, epoch, accuracy, loss. An epoch that
        failed has no row. Raises StoreError for an unknown name.
        """
        return self._rows(
            """FROM (
                SELECT space, arch_id, task, protocol, recipe, split, seed, epoch, accuracy, loss
                FROM accuracies LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
                WHERE accuracy IS NOT NULL
            )""",
            "space, task, protocol, recipe, arch_id, seed, epoch",
            {"task": task, "protocol": protocol, "recipe": recipe, "space": space, "split": split},
        )

    def searches(
        self,
        task: str | None = None,
        space: str | None = None,
        strategy: str | None = None,
        ranker: str | None = None,
    ) -> pa.Table:
        """Every evaluation of every search in its order, with the best architecture so far.

        task, space, strategy, ranker: only this one; None: all

        The best so far is the one with the highest value among those evaluated, the first of equals; `better`
        is the share of architectures with a known accuracy that beat its own. A combiner's values are those
        of the search's end. `describe("searches")` tells each column's meaning; table searches has one row
        a search. Raises StoreError for an unknown name.
        """
        wanted = self._wanted(task=task, space=space, strategy=strategy, ranker=ranker)
        return progress.progress(self._query, wanted)

    def neighbours(self, architecture: Architecture, count: int = 10) -> pa.Table:
        """The architectures of its space most like one, nearest first.

        architecture: arch_id, genome as dict or JSON text
        count:        at most so many, 1 or more

        How far two lie apart is the mean over the genome's fields: of a number its difference as a share of
        the field's range, of a list the mean over its positions, one that only one has counting 1, of
        anything else 0 or 1. `describe("neighbours")` tells each column's meaning. Raises StoreError for an
        unknown architecture.
        """
        return nearest.neighbours(self._query, self.arch_id(architecture), positive("count", count))

    def missing(self, table: str, keys: pa.Table) -> pa.Table:
        """Which of the given keys have no row yet, whatever run would write it.

        table: a name in TABLES
        keys:  Arrow table with the table's key columns; further columns come back with their rows

        Returns the rows of `keys`, in their order, that are not there. A failed row is there. Raises
        StoreError when a key column is missing.
        """
        wanted = schema.table(table)
        for name in wanted.key:
            if name not in keys.column_names:
                raise StoreError(
                    f"missing({wanted.name!r}): keys have no column {name!r}. Give {', '.join(wanted.key)}."
                )
        asked = keys.select(wanted.key).append_column("place", pa.array(range(len(keys)), pa.int64()))
        found = self._query(
            f"""SELECT place FROM asked ANTI JOIN parts.{wanted.name} USING ({", ".join(wanted.key)})
            ORDER BY place""",
            tables={"asked": asked},
        )
        return keys.take(found["place"])

    def _with_space(
        self, table: str, order: str, architecture: Architecture | None, space: Names, **wanted: Names
    ) -> pa.Table:
        """Rows with the column space before them; those of one architecture need no join to have it."""
        spaces = self._checked("space", space)
        if architecture is None:
            joined = f"{table} LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)"
            select = f"SELECT space, {table}.* FROM {joined}"
            return self._rows(select, f"space, {order}", {**wanted, "space": space})
        arch_id = self.arch_id(architecture, spaces[0] if spaces and len(spaces) == 1 else None)
        of = self._identities[arch_id]
        select = f"SELECT $of AS space, {table}.* FROM {table}"
        # So few rows Arrow sorts sooner than DuckDB plans to.
        found = self._rows(select, None, {**wanted, "arch_id": arch_id}, {"of": of})
        found = found.sort_by([(name, "ascending") for name in order.split(", ")])
        return found if spaces is None or of in spaces else found.slice(0, 0)

"""Reading a benchmark: DuckDB views over the Parquet parts of a folder, and the questions asked of them."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import duckdb
import pyarrow as pa

from store import analysis, combining, information, schema
from store import factors as sanity
from store import groups as grouping
from store import layers as depths
from store import noise as repeats
from store import rank as ranking
from store import searches as progress
from store import top as best
from store.errors import StoreError, unknown
from store.parts import damaged_part, find_parts
from store.schema import TABLES, Table

# Nothing may be looked for on the network, nor among the caller's Python variables, while a table is read.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
MISTAKES = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)

TRAININGS = """
CREATE VIEW trainings AS
SELECT space, accuracies.*
FROM accuracies LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
QUALIFY epoch = max(epoch) OVER (PARTITION BY arch_id, task, protocol, recipe, seed, split)
"""
FINAL_ACCURACIES = """
CREATE VIEW final_accuracies AS
SELECT space, arch_id, task, protocol, recipe, split, avg(accuracy ORDER BY seed) AS accuracy,
       stddev_samp(accuracy ORDER BY seed) AS accuracy_std, count(accuracy) AS seeds
FROM trainings
GROUP BY space, arch_id, task, protocol, recipe, split
"""


class Others(TypedDict, total=False):
    """Which accuracies and scores an analysis is on, beside the task: every one as in `Benchmark.rank`."""

    protocol: str | None
    recipe: str | None
    space: str | None
    split: str
    proxies: Iterable[str] | None
    scores_from: str | None
    params: tuple[int | None, int | None] | None
    shared: bool


class Benchmark:
    """A benchmark folder, opened for questions. Rows are those of the parts present when it was opened.

    Every table of `store.TABLES` is a SQL view of that name. Where two runs wrote one key, the row of the run
    that started last counts (then the larger run_id); rows of a run that table `runs` does not know are
    oldest. `parts.<table>` is the same table with every row ever written and the column `part`, the file it
    came from. `trainings` is the last row of every training, `final_accuracies` their means over seeds, which
    `accuracy()` selects from. One object may be used from several threads.
    """

    def __init__(self, path: Path, parts: dict[str, list[Path]]) -> None:
        self.path = path
        self._parts = parts
        self._connection = duckdb.connect(":memory:", config=SETTINGS)
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        try:
            self._define_views()
        except duckdb.Error as error:
            raise self._trouble(error) from None

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the benchmark in a folder.

        path: folder with a subfolder per table; a missing table is an empty one

        Raises StoreError when there is no benchmark, or a part is damaged, of another schema version or
        without a column. Only footers are read; pages damaged behind a whole footer are told by the query
        that meets them.
        """
        root = Path(path)
        return cls(root, find_parts(root))

    def close(self) -> None:
        """Free DuckDB's memory. Questions asked afterwards fail."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def spaces(self) -> list[str]:
        """Names of the spaces that have architectures, sorted."""
        return self._names("SELECT space FROM parts.architectures")

    def tasks(self) -> list[str]:
        """Names of the tasks that have accuracies, scores, layers or searches, sorted."""
        tables = ("accuracies", "scores", "layers", "searches")
        return self._names(" UNION ".join(f"SELECT task FROM parts.{name}" for name in tables))

    def protocols(self) -> list[str]:
        """Names of the protocols that have accuracies, sorted."""
        return self._names("SELECT protocol FROM parts.accuracies")

    def recipes(self) -> list[str]:
        """Names of the recipes that have accuracies, sorted."""
        return self._names("SELECT recipe FROM parts.accuracies")

    def splits(self) -> list[str]:
        """Names of the splits that have accuracies, sorted."""
        return self._names("SELECT split FROM parts.accuracies")

    def proxies(self) -> list[str]:
        """Names of the proxies that have scores, sorted."""
        return self._names("SELECT proxy FROM parts.scores")

    def architectures(self, space: str | None = None) -> pa.Table:
        """Architectures, by space and arch_id: the columns of table architectures.

        space: only this one; None: all. Raises StoreError for an unknown space.
        """
        self._check(space=space)
        return self._query(
            "SELECT * FROM architectures WHERE $space IS NULL OR space = $space ORDER BY space, arch_id",
            {"space": space},
        )

    def accuracy(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
    ) -> pa.Table:
        """Final accuracies: one row an architecture, task, protocol and recipe.

        task, protocol, recipe, space: only this one; None: all
        split: part of the data set it was measured on

        Columns space, arch_id, task, protocol, recipe, split; accuracy (fraction 0..1): the mean over
        training seeds, each at its largest epoch; accuracy_std: sample standard deviation over those seeds,
        null for one; seeds: how many succeeded, where 0 leaves accuracy null. A training whose last row
        failed gives nothing, even where earlier epochs succeeded. Raises StoreError for an unknown name.
        """
        return self._query(
            """SELECT * FROM final_accuracies
            WHERE split = $split AND ($task IS NULL OR task = $task)
              AND ($protocol IS NULL OR protocol = $protocol)
              AND ($recipe IS NULL OR recipe = $recipe) AND ($space IS NULL OR space = $space)
            ORDER BY space, task, protocol, recipe, arch_id""",
            self._accuracies(task, protocol, recipe, space, split),
        )

    def scores(self, task: str | None = None, proxy: str | None = None, space: str | None = None) -> pa.Table:
        """Scores: the column space, then the columns of table scores; failed ones included, with null value.

        task, proxy, space: only this one; None: all. Raises StoreError for an unknown name.
        """
        self._check(task=task, proxy=proxy, space=space)
        return self._query(
            """SELECT space, scores.*
            FROM scores LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
            WHERE ($task IS NULL OR task = $task) AND ($proxy IS NULL OR proxy = $proxy)
              AND ($space IS NULL OR space = $space)
            ORDER BY space, task, proxy, seed, arch_id""",
            {"task": task, "proxy": proxy, "space": space},
        )

    def rank(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        proxies: Iterable[str] | None = None,
        scores_from: str | None = None,
        params: tuple[int | None, int | None] | None = None,
        shared: bool = False,
        draws: int = 1000,
        seed: int = 0,
    ) -> pa.Table:
        """How well each proxy orders the architectures, apart for every space, task, protocol and recipe.

        task, protocol, recipe, space: only this one; None: each of them, never mixed
        split:       part of the data set the accuracies were measured on
        proxies:     these, with a row of nulls where one has no scores; None: all that have scores there
        scores_from: task whose images the scores were computed on; None: the ranked task itself
        params:      (smallest, largest) parameter count, both included; None leaves a side open
        shared:      only architectures that every ranked proxy scored in every seed, so that all are judged
                     on the same ones; False: each on those it has
        draws:       resamples for the interval, 0 or more; 0 leaves it null
        seed:        seed of the resamples; the same rows and seed give the same interval

        The accuracy of an architecture is as in `accuracy()`. rho is the mean over proxy seeds of Spearman's
        rho between that seed's scores and the accuracies. An architecture on which the proxy failed is left
        out of that seed; n is the fewest architectures of any seed, `failed` counts the nulls of all seeds,
        `unscored` the architectures without any row. rho is null where a seed has fewer than 3 architectures
        or a constant. Architectures are resampled, the same ones for all proxies of a group, and low..high
        is the 95 % percentile interval. rho_given_params is null for params itself and for what orders as
        params does. A sign is never flipped. `store.rank.RANKING` tells each column's meaning. Raises
        StoreError for an unknown name.
        """
        selection = self._selection(
            task, protocol, recipe, space, split, proxies, scores_from, params, shared
        )
        return ranking.rank(self._query, selection, _checked(draws), seed)

    def compare(
        self,
        a: str | tuple[str, int],
        b: str | tuple[str, int],
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        scores_from: str | None = None,
        params: tuple[int | None, int | None] | None = None,
        draws: int = 1000,
        seed: int = 0,
    ) -> pa.Table:
        """Whether proxy a orders better than proxy b, on the architectures both scored in every seed.

        a, b: a proxy, its rho the mean over all its seeds, however many; or (proxy, seed): of that seed alone
        others: as in `rank()`

        One row a space, task, protocol and recipe: rho_a, rho_b, their difference, the 95 % interval of the
        difference when architectures are resampled for both at once, p, n, and `separable`: the interval
        excludes 0. Nulls where fewer than 3 architectures are shared or one is constant.
        `store.rank.COMPARISON` tells each column's meaning. Raises StoreError for an unknown name.
        """
        of_a, of_b = ((one, None) if isinstance(one, str) else one for one in (a, b))
        names = (of_a[0], of_b[0])
        selection = self._selection(task, protocol, recipe, space, split, names, scores_from, params)
        return ranking.compare(self._query, selection, of_a, of_b, _checked(draws), seed)

    def bias(self, task: str | None = None, **others: Unpack[Others]) -> pa.Table:
        """How far proxies, and the accuracies themselves, order by size: params, macs, depth, width.

        task, others: as in `rank()`

        One row a space, task, protocol, recipe and proxy, and one named accuracy before them. The bias is
        Spearman's rho between scores and size, Pearson's between their ranks: the mean over proxy seeds, each
        on the architectures it scored. depth and width are the genome's; a bias that is null has its reason
        in `reason`. LIBRA's third proxy is the one whose `beyond_accuracy` is nearest to 0.
        `store.analysis.BIAS` tells each column's meaning.
        Source: Casarin, Escalera and Lanz, CVPR 2025 (LIBRA). Raises StoreError for an unknown name.
        """
        return analysis.bias(self._query, self._selection(task, **others))

    def bands(
        self,
        task: str | None = None,
        bands: int = 4,
        draws: int = 1000,
        seed: int = 0,
        **others: Unpack[Others],
    ) -> pa.Table:
        """How well each proxy orders architectures of about the same parameter count.

        task, others: as in `rank()`
        bands:        how many, 1 or more, of equally many architectures with an accuracy; architectures of
                      equal params stay together, so that there may be fewer
        draws, seed:  as in `rank()`

        One row a space, task, protocol, recipe, proxy and band, by proxy and band: params of the band, rho
        with its 95 % interval as in `rank()`, n. `store.analysis.BANDS` tells each column's meaning. Raises
        StoreError for an unknown name.
        """
        selection = self._selection(task, **others)
        return analysis.bands(self._query, selection, _positive("bands", bands), _checked(draws), seed)

    def similarity(self, task: str | None = None, **others: Unpack[Others]) -> pa.Table:
        """Whether two proxies order the architectures alike, for every two: a matrix in long form.

        task, others: as in `rank()`

        One row a space, task, protocol, recipe and ordered pair of proxies: Spearman's rho between their
        scores on the architectures both scored and that have an accuracy, the mean over every seed of one
        with every seed of the other. A proxy with itself is its own seeds, two by two: how well it repeats;
        null for one seed. `store.analysis.SIMILARITY` tells each column's meaning. Raises StoreError for an
        unknown name.
        """
        return analysis.similarity(self._query, self._selection(task, **others))

    def information_gain(
        self,
        task: str | None = None,
        binning: str = "equal_width",
        bins: int | None = None,
        **others: Unpack[Others],
    ) -> pa.Table:
        """What a second proxy tells about the accuracy that the first does not, for every two of them.

        task, others: as in `rank()`
        binning:      "equal_width": as NAS-Bench-Suite-Zero's code, the range cut into round(1 + 3.322 ln n)
                      bins, plug-in entropies. These are biased: with so many cells the gain says above all
                      how finely the second proxy cuts, and a score far off the others hides them in one bin.
                      "equal_count": bins of equally many, the most of 2..8 that leave 5 architectures for a
                      cell of three binnings, with Miller and Madow's correction; growing functions of a score
                      change nothing
        bins:         so many, 2 or more, instead

        One row a space, task, protocol, recipe and ordered pair of different proxies:
        gain = H(accuracy | first) - H(accuracy | first, second) in bits, on the architectures both scored;
        the mean over every seed of one with every seed of the other. `store.information.INFORMATION` tells
        each column's meaning.
        Source: Krishnakumar et al., NeurIPS 2022 (NAS-Bench-Suite-Zero). Raises StoreError for an unknown
        name.
        """
        if binning not in information.BINNINGS:
            raise unknown("binning", binning, information.BINNINGS)
        if bins is not None and bins < 2:
            raise StoreError(f"bins is {bins}. Give 2 or more, or None for as many as the binning takes.")
        return information.information_gain(self._query, self._selection(task, **others), binning, bins)

    def top(
        self, task: str | None = None, k: int | Iterable[int] = (1, 5, 10, 50), **others: Unpack[Others]
    ) -> pa.Table:
        """What a search finds that trains the k architectures which a proxy puts on top.

        task, others: as in `rank()`
        k:            one or several numbers, 1 or more; one above the number of architectures has no row

        One row a space, task, protocol, recipe, proxy and k. The best accuracy and the best k are those of
        all architectures that have one: an architecture that a proxy failed on is one it cannot find; with
        shared=True all proxies choose among the same. Where equal scores straddle the k-th place, the
        expectation over their orders. Beside regret and nDCG stands what a random order gives, in
        expectation. Nulls where a proxy seed has fewer than k scores. `store.top.TOP` tells each column's
        meaning. Source: Jarvelin and Kekalainen 2002 (nDCG); Tybl and Neumann, CVPR 2025, for proxies.
        Raises StoreError for an unknown name.
        """
        wanted = tuple(dict.fromkeys(_positive("k", one) for one in ([k] if isinstance(k, int) else k)))
        return best.top(self._query, self._selection(task, **others), wanted)

    def groups(
        self, task: str | None = None, draws: int = 1000, seed: int = 0, **others: Unpack[Others]
    ) -> pa.Table:
        """Which proxies cannot be told apart, when all of them are compared with all.

        task, others: as in `rank()`
        draws:        resamples of the architectures for each comparison, 2 or more
        seed:         of the resamples

        One row a space, task, protocol, recipe and proxy, best rho first. Every two proxies are compared as
        in `compare()`, on the architectures both scored. They are told apart where p, corrected by Holm for
        all pairs of the ranking, is below 0.05. Two proxies share a letter of `groups` exactly when they are
        not; each group is as large as it can be. A proxy without rho has nulls. The same rows, draws and
        seed give the same groups. `store.groups.GROUPS` tells each column's meaning.
        Source: Holm 1979; Piepho 2004 (letters). Raises StoreError for an unknown name.
        """
        if draws < 2:
            raise StoreError(f"draws is {draws}. Give 2 or more; 1000 is usual.")
        return grouping.groups(self._query, self._selection(task, **others), draws, seed)

    def for_combiners(self, task: str | None = None, **others: Unpack[Others]) -> combining.Columns:
        """What `proxies.combiners.Table` is made of: `Table(**benchmark.for_combiners(task="digits"))`.

        task, others: as in `rank()`; together they select one space, task, protocol and recipe

        Returns `accuracies` and `params`, (architectures,) float64 each, and `scores`, the same of each proxy
        by name: the mean over its seeds, NaN where one of them failed or is missing. Rows are the
        architectures with an accuracy, by arch_id. Raises StoreError for an unknown name, where several
        rankings are selected, or none.
        """
        return combining.for_combiners(self._query, self._selection(task, **others))

    def noise(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str | None = None,
        params: tuple[int | None, int | None] | None = None,
        draws: int = 1000,
        seed: int = 0,
    ) -> pa.Table:
        """How well the accuracies repeat, and the rho that this leaves for a perfect proxy.

        task, protocol, recipe, space, split: only this one; None: each of them, never mixed
        params: (smallest, largest) parameter count, both included; None leaves a side open
        draws:  resamples of the architectures for the interval, 0 or more; 0 leaves it null
        seed:   seed of the resamples, and of the groups where there are too many to take all

        One row a space, task, protocol, recipe and split, of the last epoch of each training; failed
        trainings are left out and counted. The seeds are cut into two disjoint groups of equal size (of an
        odd number one seed rests), and rho is Spearman's between the mean accuracies of the groups, averaged
        over every such cut, or over 100 drawn ones where there are more. With m seeds in a group and k
        behind the ranked accuracy (harmonic mean over architectures), reliability = f rho / (1 + (f - 1) rho)
        for f = k / m, and ceiling = sqrt(reliability); a negative rho counts as 0. Only architectures
        trained with every compared seed take part: the seeds that at least half of the repeated ones have.
        With one seed, or too few such architectures, rho, reliability and ceiling are null and `reason` says
        why. `store.noise.NOISE` tells each column's meaning.
        Source: Spearman 1904 (attenuation), Spearman 1910 and Brown 1910 (correction of the halves).
        Raises StoreError for an unknown name.
        """
        wanted = self._accuracies(task, protocol, recipe, space, split)
        least, most = _window(params)
        return repeats.noise(self._query, wanted | {"least": least, "most": most}, _checked(draws), seed)

    def agreement(
        self,
        task: str | None = None,
        first: str | tuple[str, str | None] | None = None,
        second: str | tuple[str, str | None] | None = None,
        space: str | None = None,
        split: str = "test",
        draws: int = 1000,
        seed: int = 0,
    ) -> pa.Table:
        """Whether two protocols order the architectures alike, on those that have accuracies by both.

        task, space:   only this one; None: each of them, never mixed
        first, second: protocol, or (protocol, recipe); None: every one. Recipes are never mixed
        split:         part of the data set the accuracies were measured on
        draws, seed:   as in `rank()`

        One row a space, task and pair of (protocol, recipe) that share an architecture: Spearman's rho with
        its 95 % bootstrap interval, Kendall's tau-b, n. Nulls below 3 architectures or where one is constant.
        Raises StoreError for an unknown name.
        """
        a, b = _pair(first), _pair(second)
        for protocol, recipe in (a, b):
            self._check(protocol=protocol, recipe=recipe)
        self._check(task=task, space=space, split=split)
        wanted = {"task": task, "space": space, "split": split}
        return repeats.agreement(self._query, wanted, a, b, _checked(draws), seed)

    def factors(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        seed: int | None = None,
    ) -> pa.Table:
        """Mean accuracy by each field of the genome and by params, and whether a level is out of line.

        task, protocol, recipe, space: only this one; None: each of them, never mixed
        split: part of the data set the accuracies were measured on
        seed:  of the training; None: the mean over seeds

        One row a level. A number is its own level; a list counts by its mean; more than 8 different numbers,
        and params, are cut into 5 bands of equally many architectures; params lie by their logarithm. A
        level is judged where it and two others have 3 architectures or more: its mean accuracy against the
        straight lines between the means of the others (beyond the last, against the last), give or take 3
        times their steepest slope over the distance to the nearest. It is out of line where what remains
        exceeds 5 standard deviations within the other levels and 8 standard errors of the difference.
        `store.factors.FACTORS` tells each column's meaning. Raises StoreError for an unknown name.
        """
        wanted = self._accuracies(task, protocol, recipe, space, split)
        return sanity.factors(self._query, wanted | {"seed": seed})

    def curves(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
    ) -> pa.Table:
        """Learning curves: accuracy and loss at every epoch that was measured, by training and epoch.

        task, protocol, recipe, space: only this one; None: all
        split: part of the data set it was measured on

        Columns space, arch_id, task, protocol, recipe, split, seed, epoch, accuracy, loss. An epoch that
        failed has no row. Raises StoreError for an unknown name.
        """
        return self._query(
            """SELECT space, arch_id, task, protocol, recipe, split, seed, epoch, accuracy, loss
            FROM accuracies LEFT JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
            WHERE accuracy IS NOT NULL AND split = $split AND ($task IS NULL OR task = $task)
              AND ($protocol IS NULL OR protocol = $protocol)
              AND ($recipe IS NULL OR recipe = $recipe) AND ($space IS NULL OR space = $space)
            ORDER BY space, task, protocol, recipe, arch_id, seed, epoch""",
            self._accuracies(task, protocol, recipe, space, split),
        )

    def layers(self, task: str | None = None, space: str | None = None) -> pa.Table:
        """Log sigma of the gradients by tenth of the depth, and where its spikes lie, by space and task.

        task, space: only this one; None: each of them

        log_sigma is the mean over architectures of the mean over a tenth's layers and seeds, spread its
        standard deviation over architectures; failed layers are left out. `spike` marks the interval that
        `store.layers.spikes` chooses from this curve alone. `store.layers.CURVE` tells each column's
        meaning. Raises StoreError for an unknown name.
        """
        self._check(task=task, space=space)
        return depths.curves(self._query, {"task": task, "space": space})

    def layer_intervals(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        draws: int = 1000,
        seed: int = 0,
    ) -> pa.Table:
        """How well Lambda of L-SWAG orders the architectures over each of the 55 intervals of the depth.

        task, protocol, recipe, space: only this one; None: each of them, never mixed
        split:       part of the data set the accuracies were measured on
        draws, seed: resamples of the architectures for the interval, and their seed and the halves'

        Architectures with an accuracy and every layer measured are cut into two random halves. `fitted` marks
        the interval with the highest rho on the first half: it has looked at accuracies, so only its rho on
        the other half says anything. `spike` is chosen as in `layers()`. `store.layers.RHO_BY_INTERVAL` tells
        each column's meaning. Raises StoreError for an unknown name.
        """
        wanted = self._accuracies(task, protocol, recipe, space, split)
        return depths.by_interval(self._query, wanted, _checked(draws), seed)

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
        of the search's end. `store.searches.PROGRESS` tells each column's meaning; table searches has one row
        a search. Raises StoreError for an unknown task or space.
        """
        self._check(task=task, space=space)
        wanted = {"task": task, "space": space, "strategy": strategy, "ranker": ranker}
        return progress.progress(self._query, wanted)

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

    def sql(self, query: str) -> pa.Table:
        """The answer to any DuckDB query over the views. Raises StoreError with DuckDB's reason."""
        return self._query(query)

    def _selection(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        proxies: Iterable[str] | None = None,
        scores_from: str | None = None,
        params: tuple[int | None, int | None] | None = None,
        shared: bool = False,
    ) -> ranking.Selection:
        self._check(task=task, protocol=protocol, recipe=recipe, space=space, split=split)
        self._check(task=scores_from)
        names = None if proxies is None else tuple(dict.fromkeys(proxies))
        known = self.proxies() if names else []
        for proxy in names or ():
            if proxy not in known:
                raise unknown("proxy", proxy, known)
        window = _window(params)
        return ranking.Selection(task, protocol, recipe, space, split, names, scores_from, window, shared)

    def _accuracies(
        self, task: str | None, protocol: str | None, recipe: str | None, space: str | None, split: str | None
    ) -> dict[str, Any]:
        """Which accuracies are asked for, as parameters of a query; every name is checked."""
        wanted = {"task": task, "protocol": protocol, "recipe": recipe, "space": space, "split": split}
        self._check(**wanted)
        return wanted

    def _check(self, **wanted: str | None) -> None:
        """Raise StoreError for a name this benchmark does not have."""
        known = {
            "task": self.tasks,
            "protocol": self.protocols,
            "recipe": self.recipes,
            "space": self.spaces,
            "split": self.splits,
            "proxy": self.proxies,
        }
        for noun, name in wanted.items():
            # Without accuracies no split is known, not even the default; the answer is then an empty table.
            if name is None or (noun == "split" and not self._parts["accuracies"]):
                continue
            names = known[noun]()
            if name not in names:
                raise unknown(noun, name, names)

    def _names(self, query: str) -> list[str]:
        return self._query(f"SELECT DISTINCT * FROM ({query}) ORDER BY 1").column(0).to_pylist()

    def _query(
        self, query: str, parameters: dict[str, Any] | None = None, tables: dict[str, pa.Table] | None = None
    ) -> pa.Table:
        """The answer to one statement; `tables` are Arrow tables it may name."""
        with self._connection.cursor() as cursor:
            for name, given in (tables or {}).items():
                cursor.register(name, given)
            try:
                answer = cursor.sql(query, params=parameters)
                if answer is None:
                    raise StoreError("sql: this statement gives no table. Ask with SELECT.")
                return answer.to_arrow_table()
            except duckdb.Error as error:
                raise self._trouble(error) from None

    def _trouble(self, error: duckdb.Error) -> StoreError:
        """One line on a failed query: the damaged part if there is one, else DuckDB's own reason."""
        if not isinstance(error, MISTAKES):
            for paths in self._parts.values():
                damage = damaged_part(paths)
                if damage:
                    return StoreError(damage)
        reason = " ".join(str(error).split("\nLINE ")[0].split())
        return StoreError(f"sql: {reason}")

    def _define_views(self) -> None:
        self._connection.execute("CREATE SCHEMA parts")
        for wanted in TABLES.values():
            self._add_parts(wanted)
        for wanted in reversed(TABLES.values()):  # runs first: the others ask it for the latest run
            self._connection.execute(_latest_view(wanted))
        self._connection.execute(TRAININGS)
        self._connection.execute(FINAL_ACCURACIES)

    def _add_parts(self, wanted: Table) -> None:
        """Make `parts.<table>`: every row of every part, or an empty table where there is none."""
        paths = self._parts[wanted.name]
        if paths:
            files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
            columns = ", ".join(wanted.schema.names)
            self._connection.execute(
                f"CREATE VIEW parts.{wanted.name} AS SELECT {columns}, filename AS part "
                f"FROM read_parquet([{files}], filename = true, hive_partitioning = false)"
            )
            return
        empty = wanted.schema.append(pa.field("part", pa.string())).empty_table()
        self._connection.register("empty", empty)
        self._connection.execute(f"CREATE TABLE parts.{wanted.name} AS SELECT * FROM empty")
        self._connection.unregister("empty")


def _pair(asked: str | tuple[str, str | None] | None) -> tuple[str | None, str | None]:
    """Protocol and recipe, None where any is meant."""
    return asked if isinstance(asked, tuple) else (asked, None)


def _window(params: tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    least, most = params or (None, None)
    if least is not None and most is not None and least > most:
        raise StoreError(f"params: the window ({least}, {most}) is empty. Give (smallest, largest).")
    return least, most


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise StoreError(f"{name} is {number}. Give 1 or more.")
    return number


def _checked(draws: int) -> int:
    if draws < 0:
        raise StoreError(f"draws is {draws}. Give 0 or more; 1000 is usual.")
    return draws


def _latest_view(wanted: Table) -> str:
    """SQL of the view that keeps, for a repeated key, the row of the latest run.

    The file name decides last, so that the answer is the same each time even if one run wrote a key twice.
    """
    columns = ", ".join(f"written.{name}" for name in wanted.schema.names)
    key = ", ".join(f"written.{name}" for name in wanted.key)
    if wanted.name == "runs":
        source, order = "", "written.started DESC, written.ended DESC NULLS LAST"
    else:
        source = "LEFT JOIN (SELECT run_id, started FROM runs) AS latest ON latest.run_id = written.run_id"
        order = "latest.started DESC NULLS LAST, written.run_id DESC"
    return f"""CREATE VIEW {wanted.name} AS SELECT {columns} FROM parts.{wanted.name} AS written {source}
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}, written.part DESC) = 1"""

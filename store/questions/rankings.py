"""How well proxies order architectures: ranked, compared, told apart, by what a search would find."""

from collections.abc import Iterable
from typing import Unpack

import pyarrow as pa

from store import groups as grouping
from store import overall as means
from store import rank as ranking
from store import scatter as plotted
from store import seeds as spread
from store import top as best
from store.cells import Selection
from store.errors import StoreError, unknown
from store.questions.names import Band, Known, Names, Others, checked_draws, positive


class Rankings(Known):
    """Proxies against accuracies."""

    def rank(
        self,
        task: Names = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        proxies: Iterable[str] | None = None,
        scores_from: str | None = None,
        params: Band = None,
        shared: bool = False,
        draws: int = 1000,
        seed: int = 0,
        band: Band = None,
        given: str | None = None,
        seeds: Iterable[int] | None = None,
    ) -> pa.Table:
        """How well each proxy orders the architectures, apart for every space, task, protocol and recipe.

        task:        only this one, or these; None: each of them, never mixed
        protocol, recipe, space: only this one; None: each of them, never mixed
        split:       part of the data set the accuracies were measured on
        proxies:     these, with a row of nulls where one has no scores; None: all that have scores there
        scores_from: task whose images the scores were computed on; None: the ranked task itself
        band:        (smallest, largest) parameter count, both included; None leaves a side open; `params` is
                     the same
        shared:      only architectures that every ranked proxy scored in every seed, so that all are judged
                     on the same ones; False: each on those it has
        draws:       resamples for the interval, 0 or more; 0 leaves it null
        seed:        seed of the resamples; the same rows and seed give the same interval
        given:       "params": ranked by rho_given_params, whose interval is then computed too; None: by rho
        seeds:       only the scores of these proxy seeds; None: the mean over all

        The accuracy of an architecture is as in `accuracy()`. rho is the mean over proxy seeds of Spearman's
        rho between that seed's scores and the accuracies. An architecture on which the proxy failed is left
        out of that seed; n is the fewest architectures of any seed, `failed` counts the nulls of all seeds,
        `unscored` the architectures without any row. rho is null where a seed has fewer than 3 architectures
        or a constant. Architectures are resampled, the same ones for all proxies of a group, and low..high
        is the 95 % percentile interval. rho_given_params is null for params itself and for what orders as
        params does. A sign is never flipped. `describe("rank")` tells each column's meaning. Raises
        StoreError for an unknown name.
        """
        if given not in (None, "params"):
            raise unknown("given", str(given), ["params"])
        selection = self._selection(
            task, protocol, recipe, space, split, proxies, scores_from, params, shared, band, seeds
        )
        if self._ranked == {"draws": draws, "seed": seed} and given is None:
            usual = Selection(selection.tasks, protocol, recipe, space)
            if selection == usual:
                return self._ranked_before(task, protocol, recipe, space)
        return ranking.rank(self._observations, selection, *checked_draws(draws, seed), given)

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
        params: Band = None,
        draws: int = 1000,
        seed: int = 0,
        band: Band = None,
    ) -> pa.Table:
        """Whether proxy a orders better than proxy b, on the architectures both scored in every seed.

        a, b: a proxy, its rho the mean over all its seeds, however many; or (proxy, seed): of that seed alone
        others: as in `rank()`

        One row a space, task, protocol and recipe: rho_a, rho_b, their difference, the 95 % interval of the
        difference when architectures are resampled for both at once, p, n, and `separable`: the interval
        excludes 0. Nulls where fewer than 3 architectures are shared or one is constant.
        `describe("compare")` tells each column's meaning. Raises StoreError for an unknown name.
        """
        of_a, of_b = self._series(a), self._series(b)
        names = (of_a[0], of_b[0])
        selection = self._selection(
            task, protocol, recipe, space, split, names, scores_from, params, band=band
        )
        return ranking.compare(self._observations, selection, of_a, of_b, *checked_draws(draws, seed))

    def overall(
        self,
        task: Names = None,
        draws: int = 1000,
        seed: int = 0,
        given: str | None = None,
        **others: Unpack[Others],
    ) -> pa.Table:
        """How well each proxy orders the architectures over several tasks: the mean of rho.

        task, given, others: as in `rank()`; one task is a mean too
        draws:               resamples for intervals and places, 0 or more; 0 leaves them null
        seed:                of the resamples

        One row a space, protocol and proxy. A proxy without rho on one of the tasks has no mean and no rank.
        Architectures are resampled, the same ones for all proxies of a task and, where tasks have the same
        architectures, for all tasks. Two proxies are told apart where p of the difference of their means,
        corrected by Holm for all pairs, is below 0.05; the places a proxy may hold follow from that, and
        proxies whose places overlap are tied. `describe("overall")` tells each column's meaning. Raises
        StoreError for an unknown name, and where a task has several recipes: these are never mixed.
        """
        if given not in (None, "params"):
            raise unknown("given", str(given), ["params"])
        selection = self._selection(task, **others)
        return means.overall(self._observations, selection, *checked_draws(draws, seed), given, self._points)

    def rhos(self, task: Names = None, **others: Unpack[Others]) -> pa.Table:
        """How well each proxy orders the architectures, without what takes long: intervals and tau.

        task, others: as in `rank()`

        The rows of `rank()`, without its columns tau_b, low, high and those of the interval given params.
        Raises StoreError for an unknown name.
        """
        return ranking.rhos(self._observations, self._selection(task, **others), self._points)

    def by_seed(
        self, task: Names = None, draws: int = 1000, seed: int = 0, **others: Unpack[Others]
    ) -> pa.Table:
        """How well each proxy orders the architectures by the scores of each of its seeds alone.

        task, others: as in `rank()`
        draws, seed:  as in `rank()`

        One row a space, task, protocol, recipe, proxy and proxy seed. `describe("by_seed")` tells each
        column's meaning. Raises StoreError for an unknown name.
        """
        selection = self._selection(task, **others)
        return spread.by_seed(self._observations, selection, *checked_draws(draws, seed))

    def scatter(self, proxy: str, task: Names = None, **others: Unpack[Others]) -> pa.Table:
        """The scores of a proxy beside the accuracies: what its rho is of.

        proxy:        its scores are given; with shared=True it is one of `proxies`, if those are
        task, others: as in `rank()`

        One row an architecture and proxy seed that has both, by space, task, protocol, recipe, seed and
        arch_id. `describe("scatter")` tells each column's meaning. Raises StoreError for an unknown name.
        """
        self._checked("proxy", proxy)
        if not others.get("shared"):
            others["proxies"] = (proxy,)
        return plotted.scatter(self._observations, self._selection(task, **others), proxy)

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
        seed give the same groups. `describe("groups")` tells each column's meaning.
        Source: Holm 1979; Piepho 2004 (letters). Raises StoreError for an unknown name.
        """
        selection = self._selection(task, **others)
        return grouping.groups(self._observations, selection, *checked_draws(draws, seed, least=2))

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
        expectation. Nulls where a proxy seed has fewer than k scores. `describe("top")` tells each column's
        meaning. Source: Jarvelin and Kekalainen 2002 (nDCG); Tybl and Neumann, CVPR 2025, for proxies.
        Raises StoreError for an unknown name.
        """
        wanted = tuple(dict.fromkeys(positive("k", one) for one in ([k] if isinstance(k, int) else k)))
        return best.top(self._observations, self._selection(task, **others), wanted)

    def _series(self, asked: str | tuple[str, int]) -> tuple[str, int | None]:
        """A proxy, and which of its seeds alone. Raises StoreError for what names none."""
        if isinstance(asked, str):
            return asked, None
        if not isinstance(asked, tuple) or len(asked) != 2:
            raise StoreError(f"compare: {asked!r} names no scores. Give a proxy, or (proxy, seed).")
        return asked[0], self._seeds([asked[1]])[0]

    def _ranked_before(
        self, task: Names, protocol: str | None, recipe: str | None, space: str | None
    ) -> pa.Table:
        """What `rank` would compute, from the view `rankings`."""
        order = "space, task, protocol, recipe, rank NULLS LAST, proxy"
        chosen: dict[str, Names] = {"task": task, "protocol": protocol, "recipe": recipe, "space": space}
        return self._rows("FROM rankings", order, chosen).cast(ranking.RANKING)

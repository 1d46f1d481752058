"""How far accuracies can be trusted: their noise, protocols compared, factors of the genome."""

import pyarrow as pa

from store import factors as sanity
from store import noise as repeats
from store.errors import StoreError
from store.questions.names import Band, Known, checked_band, checked_draws


class Trust(Known):
    """Accuracies against accuracies."""

    def noise(
        self,
        task: str | None = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str | None = None,
        params: Band = None,
        draws: int = 1000,
        seed: int = 0,
        band: Band = None,
    ) -> pa.Table:
        """How well the accuracies repeat, and the rho that this leaves for a perfect proxy.

        task, protocol, recipe, space, split: only this one; None: each of them, never mixed
        band:   (smallest, largest) parameter count, both included; None leaves a side open; `params` is the
                same
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
        why. `describe("noise")` tells each column's meaning.
        Source: Spearman 1904 (attenuation), Spearman 1910 and Brown 1910 (correction of the halves).
        Raises StoreError for an unknown name.
        """
        wanted = self._wanted(task=task, protocol=protocol, recipe=recipe, space=space, split=split)
        least, most = checked_band(band, params)
        wanted |= {"least": least, "most": most}
        return repeats.noise(self._query, wanted, *checked_draws(draws, seed))

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
            self._wanted(protocol=protocol, recipe=recipe)
        wanted = self._wanted(task=task, space=space, split=split)
        return repeats.agreement(self._query, wanted, a, b, *checked_draws(draws, seed))

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
        `describe("factors")` tells each column's meaning. Raises StoreError for an unknown name.
        """
        wanted = self._wanted(task=task, protocol=protocol, recipe=recipe, space=space, split=split)
        return sanity.factors(self._query, wanted | {"seed": seed})


def _pair(asked: str | tuple[str, str | None] | None) -> tuple[str | None, str | None]:
    """Protocol and recipe, None where any is meant. Raises StoreError for what is neither."""
    if not isinstance(asked, tuple):
        return asked, None
    if len(asked) != 2:
        raise StoreError(f"agreement: {asked!r} names no accuracies. Give a protocol, or (protocol, recipe).")
    return asked

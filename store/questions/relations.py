"""What proxies have to do with size, with each other, and with accuracies beyond each other."""

from typing import Unpack

import pyarrow as pa

from store import analysis, combining, information
from store.errors import StoreError, unknown
from store.questions.names import Known, Others, checked_draws, positive


class Relations(Known):
    """Proxies against sizes, and against proxies."""

    def bias(self, task: str | None = None, **others: Unpack[Others]) -> pa.Table:
        """How far proxies, and the accuracies themselves, order by size: params, macs, depth, width.

        task, others: as in `rank()`

        One row a space, task, protocol, recipe and proxy, and one named accuracy before them. The bias is
        Spearman's rho between scores and size, Pearson's between their ranks: the mean over proxy seeds, each
        on the architectures it scored. depth and width are the genome's; a bias that is null has its reason
        in `reason`. LIBRA's third proxy is the one whose `beyond_accuracy` is nearest to 0.
        `describe("bias")` tells each column's meaning.
        Source: Casarin, Escalera and Lanz, CVPR 2025 (LIBRA). Raises StoreError for an unknown name.
        """
        return analysis.bias(self._observations, self._selection(task, **others))

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
        with its 95 % interval as in `rank()`, n. `describe("bands")` tells each column's meaning. Raises
        StoreError for an unknown name.
        """
        selection = self._selection(task, **others)
        return analysis.bands(
            self._observations, selection, positive("bands", bands), *checked_draws(draws, seed)
        )

    def similarity(self, task: str | None = None, **others: Unpack[Others]) -> pa.Table:
        """Whether two proxies order the architectures alike, for every two: a matrix in long form.

        task, others: as in `rank()`

        One row a space, task, protocol, recipe and ordered pair of proxies: Spearman's rho between their
        scores on the architectures both scored and that have an accuracy, the mean over every seed of one
        with every seed of the other. A proxy with itself is its own seeds, two by two: how well it repeats;
        null for one seed. `describe("similarity")` tells each column's meaning. Raises StoreError for an
        unknown name.
        """
        return analysis.similarity(self._observations, self._selection(task, **others))

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
        the mean over every seed of one with every seed of the other. `describe("information_gain")` tells
        each column's meaning.
        Source: Krishnakumar et al., NeurIPS 2022 (NAS-Bench-Suite-Zero). Raises StoreError for an unknown
        name.
        """
        if binning not in information.BINNINGS:
            raise unknown("binning", binning, information.BINNINGS)
        if bins is not None and bins < 2:
            raise StoreError(f"bins is {bins}. Give 2 or more, or None for as many as the binning takes.")
        return information.information_gain(
            self._observations, self._selection(task, **others), binning, bins
        )

    def for_combiners(self, task: str | None = None, **others: Unpack[Others]) -> combining.Columns:
        """What `proxies.combiners.Table` is made of: `Table(**benchmark.for_combiners(task="digits"))`.

        task, others: as in `rank()`; together they select one space, task, protocol and recipe

        Returns `accuracies` and `params`, (architectures,) float64 each, and `scores`, the same of each proxy
        by name: the mean over its seeds, NaN where one of them failed or is missing. Rows are the
        architectures with an accuracy, by arch_id. Raises StoreError for an unknown name, where several
        rankings are selected, or none.
        """
        return combining.for_combiners(self._observations, self._selection(task, **others))

"""What the layers say: gradients by depth, and the intervals L-SWAG may sum over."""

import pyarrow as pa

from store import layers as depths
from store.questions.names import Known, checked_draws


class Depths(Known):
    """Gradient statistics by layer."""

    def layers(self, task: str | None = None, space: str | None = None) -> pa.Table:
        """Log sigma of the gradients by tenth of the depth, and where its spikes lie, by space and task.

        task, space: only this one; None: each of them

        log_sigma is the mean over architectures of the mean over a tenth's layers and seeds, spread its
        standard deviation over architectures; failed layers are left out. `spike` marks the interval that
        `store.layers.spikes` chooses from this curve alone. `describe("layers")` tells each column's
        meaning. Raises StoreError for an unknown name.
        """
        return depths.curves(self._query, self._wanted(task=task, space=space))

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
        the other half says anything. `spike` is chosen as in `layers()`. `describe("layer_intervals")` tells
        each column's meaning. Raises StoreError for an unknown name.
        """
        wanted = self._wanted(task=task, protocol=protocol, recipe=recipe, space=space, split=split)
        return depths.by_interval(self._query, wanted, *checked_draws(draws, seed))

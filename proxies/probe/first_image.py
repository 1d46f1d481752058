"""What every module of the network returns for the first image of the batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe.walk import Collector


class FirstImage(Collector):
    """The outputs of every call of every module, containers too, for the first image.

    What a module returns is taken to have the images on its first axis. A container that returns what its
    last module has just returned adds one to that output's number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, int]] = []
        self.last: tuple[Tensor, int] | None = None

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook every module, for the part that holds the first image."""

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim == 0 or not len(output):
                return
            if self.last and self.last[0] is output and self.last[1] == output._version:
                self.found[-1] = (self.found[-1][0], self.found[-1][1] + 1)
            else:
                self.found.append((output[0].detach().clone(), 1))  # what follows may work in place
            self.last = (output, output._version)

        if part.start == 0:
            for module in network.modules():
                yield module.register_forward_hook(keep)

    def release(self) -> None:
        """Let the graph go."""
        self.last = None

    def result(self) -> list[tuple[Tensor, int]]:
        """Return each output with the number of modules that return it, in the order in which they came."""
        if not self.found:
            raise NothingCollected("No module returned a tensor.")
        return self.found

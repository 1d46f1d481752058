"""Our scores beside those that the proxies' own authors' code gave on the same weights and batch."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from safetensors.torch import load_file

import proxies
import spaces
from proxies.gradient_based.l_swag import psi_statistic
from tests.shared import ORACLE
from tests.spaces.reference import architecture_of, vit_small_configs, vit_small_supernet

# Proxy -> key of the peer's record, and the sizes of the batches that the 16 images were cut into.
PEERS = {
    "grad_norm": ("naslib/grad_norm/as_released", 16),
    "snip": ("naslib/snip/as_released", 16),
    "synflow": ("naslib/synflow/as_released", 16),
    "nwot": ("autoprox/nwot/given(no_reinit)", 16),
    "psi": ("swap/swap/ADAPTED(GELU modules, 3-D inputs)", 16),
    "zico 2x8": ("zico/zico/2x8", 8),
    "zico 4x4": ("zico/zico/4x4", 4),
    "zico 16x1": ("zico/zico/16x1", 1),
}
# Two batches: the sum hangs on the few smallest differences of gradients, which float32 does not resolve.
FLOAT64_ONLY = ("zico 2x8",)
COUNTED = ("official", "smallest", "largest")


@dataclass(frozen=True)
class Comparison:
    """One score of ours and of the peer's, on one architecture."""

    proxy: str
    architecture: str
    dtype: torch.dtype
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        return abs(self.ours - self.theirs) / abs(self.theirs)


def scored(dtype: torch.dtype) -> Iterator[Comparison]:
    """Compare every proxy on the four sub-configurations of the small supernet."""
    records = json.loads((ORACLE / "vit_small" / "proxy_values.json").read_text())["records"]
    data = load_file(ORACLE / "vit_small" / "batch.safetensors")
    supernet = vit_small_supernet()
    for config, architecture in vit_small_configs().items():
        network = supernet.extract(architecture).to(dtype)
        column = f"{config}@float64" if dtype == torch.float64 else config
        for name, (key, size) in PEERS.items():
            if dtype == torch.float64 or name not in FLOAT64_ONLY:
                cuts = zip(data["images"].to(dtype).split(size), data["labels"].split(size), strict=True)
                ours = _score(name.split()[0], network, list(cuts))
                yield Comparison(name, config, dtype, ours, records[key]["values"][column])


def counted() -> Iterator[Comparison]:
    """Compare params and macs on nine of the official spaces' architectures, whose weights are not made."""
    for record in json.loads((ORACLE / "archs_params_flops.json").read_text())["archs"]:
        if record["tag"] in COUNTED:
            space = spaces.get(f"autoformer-{record['space']}")
            probe = proxies.Probe(space.skeleton(architecture_of(space, record["config"])))
            for name, theirs in (("params", record["params"]), ("macs", record["macs_measured"])):
                ours = proxies.get(name).function(probe)
                yield Comparison(name, f"{record['space']} {record['tag']}", probe.dtype, ours, theirs)


def _score(name: str, network: torch.nn.Module, batches: list) -> float:
    if name == "psi":  # a factor of l_swag; no peer has the product
        return psi_statistic(proxies.Probe(network, batches).activations())
    score = proxies.compute([name], network, batches)[name]
    return math.nan if score.value is None else score.value

"""Our scores beside those that the proxies' own authors' code gave on the same weights and batch."""

import functools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import proxies
import spaces
from proxies import ProxyError
from proxies.probe.layers import weighted_layers
from spaces import Supernet
from tests.proxies.cell_network import cell_networks
from tests.proxies.peers import Peer, Setting, entry
from tests.shared import ORACLE
from tests.spaces.reference import VIT_SMALL, architecture_of, vit_small_configs

# The sets of networks, with the architectures that are scored.
NETWORKS = {
    "vit_small": ("a_largest", "b_smallest", "c_mixed", "e_deep_narrow"),
    "cnn_nb201": ("a_conv3_heavy", "c_with_none", "e_identity", "f_all_none"),
    "vit_tiny224": ("official", "smallest"),
}
TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4}
COUNTED = ("official", "smallest", "largest")
# The order of the images in the batch with some of them more than once.
DUPLICATES = [0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 5, 5, 5, 6, 7, 7]


@dataclass(frozen=True)
class Comparison:
    """One score of ours and of the peer's, on one architecture; a score that is not finite is NaN.

    record: network set, peer, proxy and variant, as in `peers`.
    proxy:  ours, options included.
    status: of our score.
    """

    record: str
    proxy: str
    architecture: str
    dtype: torch.dtype
    ours: float
    theirs: float
    status: str
    tolerance: float

    @property
    def difference(self) -> float:
        """Relative to theirs; 0 where neither has a finite value, infinity where one has."""
        if math.isnan(self.ours) or math.isnan(self.theirs):
            return 0.0 if math.isnan(self.ours) and math.isnan(self.theirs) else math.inf
        if self.ours == self.theirs:
            return 0.0
        return abs(self.ours - self.theirs) / abs(self.theirs) if self.theirs else math.inf

    @property
    def agrees(self) -> bool:
        return self.status not in ("error", "oom") and self.difference <= self.tolerance


@functools.cache
def records(networks: str) -> dict[str, dict]:
    """The values of each record of a set of networks by architecture, in its order."""
    found = json.loads((ORACLE / networks / "proxy_values.json").read_text())["records"]
    return {f"{networks}/{key}": record["values"] for key, record in found.items()}


def reasons() -> dict[str, str]:
    """Why a record is compared with nothing, for each that is not."""
    keys = [key for networks in NETWORKS for key in records(networks)]
    return {key: reason for key in keys if isinstance(reason := entry(key), str)}


def missing() -> list[str]:
    """Names in the table of peers that no proxy has."""
    named = {peer.proxy for networks in NETWORKS for _, peer in compared(networks)}
    return sorted(name for name in named if not exists(name))


def exists(name: str) -> bool:
    try:
        proxies.get(name)
    except ProxyError:
        return False
    return True


def compared(networks: str) -> Iterator[tuple[str, Peer]]:
    """The records of a set of networks that are compared, each with our proxies."""
    for key in records(networks):
        row = entry(key)
        if not isinstance(row, str):
            yield from ((key, peer) for peer in (row if isinstance(row, tuple) else (row,)))


def scored(networks: str, dtype: torch.dtype, architectures: Iterable[str] = ()) -> Iterator[Comparison]:
    """Compare every proxy on the architectures of a set, all of them when none is named."""
    pairs = [(key, peer) for key, peer in compared(networks) if exists(peer.proxy)]
    for architecture in architectures or NETWORKS[networks]:
        scores = {
            setting: _scores(networks, architecture, dtype, setting, pairs)
            for setting in {peer.setting for _, peer in pairs}
        }
        for key, peer in pairs:
            theirs = _theirs(records(networks)[key], peer, architecture, dtype)
            if theirs is not None:
                score = scores[peer.setting][proxies.get(peer.proxy).name]
                ours = math.nan if score.value is None else peer.sign * score.value
                tolerance = _tolerance(records(networks)[key], peer, architecture, dtype)
                yield Comparison(key, peer.proxy, architecture, dtype, ours, theirs, score.status, tolerance)


def _theirs(values: dict, peer: Peer, architecture: str, dtype: torch.dtype) -> float | None:
    """The peer's value, NaN when it is not finite; None where there is none to compare with."""
    value = values.get(f"{architecture}@float64" if dtype == torch.float64 else architecture)
    if peer.item is not None and value is not None:
        value = value[peer.item]
    chosen = architecture not in peer.without and (not peer.only or architecture in peer.only)
    if not chosen or not isinstance(value, float | int):
        return None
    return float(value) if math.isfinite(value) else math.nan


def _tolerance(values: dict, peer: Peer, architecture: str, dtype: torch.dtype) -> float:
    """In float32, at least three times what it costs the peer itself."""
    if dtype == torch.float32 and peer.single is not None:
        return peer.single
    single = _theirs(values, peer, architecture, torch.float32)
    double = _theirs(values, peer, architecture, torch.float64)
    if dtype == torch.float64 or not single or not double or math.isnan(single - double):
        return TOLERANCES[dtype]
    return max(TOLERANCES[dtype], 3 * abs(single / double - 1))


def _scores(
    networks: str, architecture: str, dtype: torch.dtype, setting: Setting, pairs: list[tuple[str, Peer]]
) -> dict[str, proxies.Score]:
    data = batch_of(networks)
    images = data[setting.images].to(dtype)
    labels = data[setting.labels] if setting.labels else None
    size = setting.size or len(images)
    cut = [None] * (len(images) // size) if labels is None else labels.split(size)
    network = network_of(networks, architecture, setting.classes).to(dtype).train(setting.train)
    names = dict.fromkeys(peer.proxy for _, peer in pairs if peer.setting == setting)
    with given(draws_of(networks, architecture, setting.draws)):
        return proxies.compute(names, network, list(zip(images.split(size), cut, strict=True)))


def network_of(networks: str, architecture: str, classes: int | None = None) -> nn.Module:
    """One network of a set with its weights, float32, in training mode."""
    if networks == "cnn_nb201":
        return cell_networks()[architecture]
    if networks == "vit_small":
        return vit_small_supernet(classes or 10).extract(vit_small_configs()[architecture])
    config = json.loads((ORACLE / networks / "logits.json").read_text())["results"][architecture]["config"]
    return vit_tiny_supernet().extract(architecture_of(spaces.get("autoformer-tiny"), config))


@functools.cache
def vit_small_supernet(classes: int) -> Supernet:
    supernet = VIT_SMALL.supernet(classes=classes)
    state = load_file(ORACLE / "vit_small" / "supernet_small.safetensors")
    head = load_file(ORACLE / "vit_small" / "head1000.safetensors") if classes == 1000 else {}
    supernet.load_state_dict(state | head, strict=True)
    return supernet


@functools.cache
def vit_tiny_supernet() -> Supernet:
    """AutoFormer-Tiny's supernet with the weights that `logits.json` says how to draw."""
    supernet = spaces.get("autoformer-tiny").supernet()
    draws = torch.Generator().manual_seed(0)
    state = {
        key: torch.ones(tensor.shape)
        if key.endswith("norm.weight")
        else torch.randn(tensor.shape, generator=draws) * 0.02
        for key, tensor in sorted(supernet.state_dict().items())
    }
    supernet.load_state_dict(state)
    return supernet


@functools.cache
def batch_of(networks: str) -> dict[str, Tensor]:
    """The images, noise and labels of a set of networks."""
    if networks == "vit_tiny224":
        draws = torch.Generator().manual_seed(2)
        shape = (4, 3, 224, 224)
        return {
            "images": torch.randn(shape, generator=draws),
            "labels": torch.randint(0, 1000, shape[:1], generator=draws),
            "noise": torch.randn(shape, generator=draws),
        }
    data = load_file(ORACLE / networks / "batch.safetensors")
    data["duplicates"] = data["images"][DUPLICATES]
    if networks == "cnn_nb201":
        data |= load_file(ORACLE / networks / "lr_tiny_inputs.safetensors")
    return data


def draws_of(networks: str, architecture: str, draws: str | None) -> list[Tensor]:
    """The random draws of the peer, in its order.

    draws: "signs", AZ-NAS's, from the last feature back; "images, noise", Zen-NAS's where it keeps the
           weights; "seed 0", Zen-NAS's weights, images and noise, after torch.manual_seed(0).
    """
    if draws is None:
        return []
    data = batch_of(networks)
    if draws == "images, noise":
        return [data["images"], data["noise"]]
    if draws == "signs":
        return _signs(networks, architecture)
    generator = torch.Generator().manual_seed(int(draws.removeprefix("seed ")))
    weights = [layer.weight for layer in weighted_layers(network_of(networks, architecture)).values()]
    return [
        torch.randn(like.shape, generator=generator) for like in (*weights, data["images"], data["noise"])
    ]


def _signs(networks: str, architecture: str) -> list[Tensor]:
    """1 for +, 0 for -."""
    if networks == "vit_tiny224":  # not stored; the same draws after torch.manual_seed(42) are
        network = network_of(networks, architecture)
        shape = (len(batch_of(networks)["images"]), *network.pos_embed.shape[1:])
        generator = torch.Generator().manual_seed(42)
        half = torch.full(shape, 0.5)
        return [torch.bernoulli(half, generator=generator) for _ in range(2 * len(network.blocks) - 1)]
    packed = load_file(ORACLE / networks / "aznas_signs.safetensors")
    shapes = json.loads((ORACLE / networks / "aznas_signs_shapes.json").read_text())[architecture]
    return [
        torch.from_numpy(np.unpackbits(packed[f"{architecture}/{index}"].numpy())).float().reshape(shape)
        for index, shape in enumerate(shapes)
    ]


class given(TorchFunctionMode):
    """Within it, each random draw that is made from a generator takes the next of the stored values."""

    def __init__(self, draws: Iterable[Tensor]) -> None:
        super().__init__()
        self.draws = iter(draws)

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        drawn = function(*arguments, **keywords)
        stored = next(self.draws, None) if keywords.get("generator") is not None else None
        if stored is None:
            return drawn
        assert drawn.shape == stored.shape, f"{function} drew {drawn.shape}, stored are {stored.shape}"
        return drawn.copy_(stored)


def counted() -> Iterator[Comparison]:
    """Compare params and macs on nine of the official spaces' architectures, whose weights are not made."""
    for record in json.loads((ORACLE / "archs_params_flops.json").read_text())["archs"]:
        if record["tag"] in COUNTED:
            space = spaces.get(f"autoformer-{record['space']}")
            probe = proxies.Probe(space.skeleton(architecture_of(space, record["config"])))
            for name, theirs in (("params", record["params"]), ("macs", record["macs_measured"])):
                ours = proxies.get(name).function(probe)
                key = f"official spaces/AutoFormer/{name}/counted"
                where = f"{record['space']} {record['tag']}"
                yield Comparison(key, name, where, probe.dtype, ours, theirs, "ok", 0.0)

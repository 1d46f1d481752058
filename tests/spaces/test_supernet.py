"""Inherited weights: the official keys and logits, and checkpoints that are something else."""

import argparse
import json

import pytest
import torch
from safetensors.torch import load_file

import spaces
from spaces import SpaceError
from tests.shared import ORACLE
from tests.spaces.reference import VIT_SMALL, architecture_of, vit_small_configs, vit_small_supernet
from tests.spaces.test_spaces import TRANSFORMERS

MICRO = spaces.get("autoformer-micro")


def images(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_keys_and_shapes_are_the_official_ones(size):
    official = json.loads((ORACLE / "state_dict_shapes" / f"supernet-{size}.json").read_text())["shapes"]
    ours = spaces.get(f"autoformer-{size}").supernet().state_dict()
    assert {key: list(tensor.shape) for key, tensor in ours.items()} == official


@pytest.mark.parametrize("name", ["a_largest", "b_smallest", "c_mixed", "e_deep_narrow"])
def test_extracted_logits_equal_the_official_ones(name):
    batch = load_file(ORACLE / "vit_small" / "batch.safetensors")["images"]
    expected = load_file(ORACLE / "vit_small" / "logits.safetensors")
    supernet, architecture = vit_small_supernet(), vit_small_configs()[name]
    network = supernet.extract(architecture)
    with torch.no_grad():
        assert (network(batch) - expected[name]).abs().max() < 1e-5
        assert (network.double()(batch.double()) - expected[f"{name}/float64"]).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["official", "smallest", "largest"])
def test_tiny_at_224_pixels_has_the_official_logits(name):
    space = spaces.get("autoformer-tiny")
    supernet = space.supernet().eval()
    draws = torch.Generator().manual_seed(0)
    state = {
        key: torch.ones(tensor.shape)
        if key.endswith("norm.weight")
        else torch.randn(tensor.shape, generator=draws) * 0.02
        for key, tensor in sorted(supernet.state_dict().items())
    }
    supernet.load_state_dict(state)
    results = json.loads((ORACLE / "vit_tiny224" / "logits.json").read_text())["results"]
    network = supernet.extract(architecture_of(space, results[name]["config"]))
    expected = load_file(ORACLE / "vit_tiny224" / "logits.safetensors")[name]
    with torch.no_grad():
        assert (network(images((2, 3, 224, 224), seed=1)) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_slices_and_stand_alone_network_are_bit_equal_in_double(name):
    space = spaces.get(name)
    shape = {"image_size": 12, "patch_size": 4, "channels": 1, "classes": 3}
    supernet = space.supernet(seed=1, **shape).double()
    batch = images((2, 1, 12, 12)).double()
    for architecture in space.sample(2, seed=0):
        network = supernet.extract(architecture)
        assert torch.equal(network(batch), supernet(batch, architecture))
        assert sum(p.numel() for p in network.parameters()) == space.params(architecture, **shape)


def test_gradients_reach_exactly_the_slices_used():
    supernet = MICRO.supernet()
    architecture = MICRO.architecture({"depth": 2, "embed_dim": 32, "mlp_ratio": [1, 2], "num_heads": [1, 2]})
    supernet(images((4, 1, 8, 8)), architecture).square().sum().backward()
    qkv = supernet.blocks[1].attn.qkv.weight.grad  # (3 x 64, 64), interleaved rows
    assert qkv[: 3 * 32, :32].abs().sum() > 0
    assert qkv[3 * 32 :].abs().sum() == 0 and qkv[:, 32:].abs().sum() == 0
    assert supernet.blocks[2].fc1.weight.grad is None


def test_extract_copies_and_leaves_the_supernet_alone():
    supernet = MICRO.supernet()
    before = {key: tensor.clone() for key, tensor in supernet.state_dict().items()}
    network = supernet.extract(MICRO.sample(1, seed=0)[0])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert all(torch.equal(before[key], tensor) for key, tensor in supernet.state_dict().items())


def test_load_takes_an_official_checkpoint_with_its_arguments(tmp_path):
    trained = MICRO.supernet(seed=7)
    content = {"model": trained.state_dict(), "epoch": 3, "args": argparse.Namespace(lr=5e-4)}
    torch.save(content, tmp_path / "supernet.pth")
    loaded = MICRO.supernet(seed=0).load(tmp_path / "supernet.pth")
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), loaded.parameters(), strict=True))


class Unpicklable:
    """Something a weights-only load must not create."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda: spaces.get("autoformer-tiny").supernet().state_dict(),
            "is not one of autoformer-micro for 8 pixel",
        ),
        (lambda: MICRO.supernet(classes=7).state_dict(), r"head.weight is \(7, 64\), expected \(10, 64\)"),
        (
            lambda: {k: v for k, v in MICRO.supernet().state_dict().items() if k != "head.bias"},
            "head.bias is missing",
        ),
        (lambda: {"model": {}}, "holds no state dict"),
        (lambda: {"model": Unpicklable()}, "cannot be read as weights"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "supernet.pth"
    torch.save(content(), path)
    with pytest.raises(SpaceError, match=message) as error:
        MICRO.supernet().load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_no_checkpoint_and_no_torch_file_are_refused_in_one_line(tmp_path):
    with pytest.raises(SpaceError, match="does not exist"):
        MICRO.supernet().load(tmp_path / "none.pth")
    (tmp_path / "page.pth").write_text("<html>Too many requests</html>")
    with pytest.raises(SpaceError, match="cannot be read as weights") as error:
        MICRO.supernet().load(tmp_path / "page.pth")
    assert "\n" not in str(error.value)


def test_an_architecture_too_large_for_the_supernet_is_refused():
    values = {"depth": 6, "embed_dim": 64, "mlp_ratio": [1.0] * 6, "num_heads": [1] * 6}
    with pytest.raises(SpaceError, match="depth 6, expected above 0 to 5"):
        MICRO.supernet().extract(MICRO.architecture(values))


def test_the_oracle_supernet_has_the_reference_parameter_counts():
    checks = json.loads((ORACLE / "vit_small" / "logits.json").read_text())["checks"]
    for name, architecture in vit_small_configs().items():
        assert VIT_SMALL.params(architecture) == checks[name]["params"]
        assert VIT_SMALL.autoformer_complexity(architecture) == checks[name]["get_complexity"]

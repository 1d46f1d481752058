"""The laws every space of the registry keeps, the official numbers, and what a user's mistakes say."""

import json
import random
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import Architecture, SpaceError
from tests.shared import ORACLE, TABLES, needs_tables
from tests.spaces.reference import architecture_of

SMALL_SHAPE = {"image_size": 16, "patch_size": 4, "channels": 2, "classes": 5}
TRANSFORMERS = ["autoformer-base", "autoformer-micro", "autoformer-small", "autoformer-tiny", "hytas"]
CONVOLUTIONAL = [
    "nasbench101",
    "nasbench201",
    "nasbench301",
    "nasbench301-20",
    "transnas-macro",
    "transnas-micro",
]


def small_shape(space):
    """The shape of a small network: TransNAS-Bench-101's halve the side up to six times."""
    return SMALL_SHAPE | ({"image_size": 64} if space.name.startswith("transnas") else {})


def test_names_are_found_by_being_there():
    assert spaces.names() == [*TRANSFORMERS, *CONVOLUTIONAL]


def test_unknown_space_suggests_the_closest():
    with pytest.raises(SpaceError, match="Unknown space 'autoformer-smal'. Did you mean 'autoformer-small'?"):
        spaces.get("autoformer-smal")


@pytest.fixture(params=spaces.names())
def space(request):
    return spaces.get(request.param)


@pytest.fixture(params=TRANSFORMERS)
def transformers(request):
    return spaces.get(request.param)


def test_sample_is_valid_without_repeats_and_a_prefix_of_a_longer_one(space):
    sample = space.sample(200, seed=3)
    assert len({a.arch_id for a in sample}) == 200
    assert sample[:50] == space.sample(50, seed=3)
    assert sample != space.sample(200, seed=4)
    for architecture in sample:
        space.validate(architecture)


def test_sample_keeps_to_a_parameter_window(space):
    counts = sorted(space.params(a) for a in space.sample(100, seed=0))
    low, high = counts[25], counts[75]
    assert all(low <= space.params(a) <= high for a in space.sample(40, seed=1, params=(low, high)))


def test_sample_of_an_empty_window_says_so():
    space = spaces.get("autoformer-micro")
    with pytest.raises(SpaceError, match=r"Found 0 of 1 architectures .* Widen the window or lower n"):
        space.sample(1, seed=0, params=(1, 2))


def test_sample_of_more_than_there_are_says_so():
    micro = spaces.get("autoformer-micro")
    with pytest.raises(SpaceError, match="it has"):
        micro.sample(micro.size + 1, seed=0)


def test_global_generators_are_untouched(space):
    random.seed(1)
    state, torch_state = random.getstate(), torch.get_rng_state()
    architecture = space.sample(1, seed=0)[0]
    space.build(architecture, **small_shape(space))
    if space.name in TRANSFORMERS:
        space.supernet(**SMALL_SHAPE)
    assert random.getstate() == state
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_mutation_and_crossover_stay_inside_and_reach_out(space):
    generator = random.Random(0)
    parents = space.sample(20, seed=0)
    mutants = [space.mutate(parent, generator) for parent in parents]
    children = [space.crossover(a, b, generator) for a, b in zip(parents, mutants[::-1], strict=True)]
    for architecture in mutants + children:
        space.validate(architecture)
    assert len(set(mutants) - set(parents)) > 10
    assert len(set(children) - set(parents)) > 10


def test_crossover_takes_every_gene_from_a_parent(transformers):
    first, second = transformers.sample(2, seed=5)
    child = transformers.crossover(first, second, random.Random(0)).values
    parents = (first.values, second.values)
    assert child["embed_dim"] in {p["embed_dim"] for p in parents}
    for field in ("mlp_ratio", "num_heads"):
        for block, gene in enumerate(child[field]):
            assert gene in {p[field][block] for p in parents if block < p["depth"]}


def test_encoding_has_one_length_and_tells_architectures_apart(space):
    sample = space.sample(100, seed=0)
    codes = {space.encode(a) for a in sample}
    assert len(codes) == 100
    assert len({len(code) for code in codes}) == 1


@pytest.mark.parametrize("index", range(3))
def test_closed_forms_equal_what_is_counted(space, index):
    architecture = space.sample(3, seed=9)[index]
    shape = small_shape(space)
    convolutional = space.name in CONVOLUTIONAL  # megabytes of weights that nothing reads
    network = space.skeleton(architecture, **shape) if convolutional else space.build(architecture, **shape)
    network = network.eval().to("meta")
    assert sum(p.numel() for p in network.parameters()) == space.params(architecture, **shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *network.input_shape, device="meta"))
    assert counter.get_total_flops() == 2 * space.macs(architecture, **shape)


def test_build_depends_on_the_seed_alone(space):
    architecture = space.sample(1, seed=0)[0]
    shape = small_shape(space)
    first, same, other = (space.build(architecture, seed=seed, **shape) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), same.parameters(), strict=True))
    head = next(
        name
        for name, role in first.roles.items()
        if role == "head" and "weight" in dir(first.get_submodule(name))
    )
    assert not torch.equal(first.get_submodule(head).weight, other.get_submodule(head).weight)


def test_every_leaf_has_a_role(transformers):
    network = transformers.build(transformers.sample(1, seed=0)[0], **SMALL_SHAPE)
    roles = network.roles
    modules = dict(network.named_modules())
    leaves = {n for n, m in modules.items() if not list(m.children()) and not isinstance(m, nn.Identity)}
    assert set(roles) == leaves
    assert set(roles.values()) == {"embed", "attention", "mlp", "norm", "head"}
    assert roles["patch_embed.proj"] == "embed" and roles["blocks.0.attn.qkv"] == "attention"
    assert roles["blocks.0.fc1"] == "mlp" and roles["head"] == "head" and roles["norm"] == "norm"


def test_stages_are_the_residual_stream_and_the_feature_map_is_pooled(transformers):
    network = transformers.build(transformers.sample(1, seed=0)[0], **SMALL_SHAPE)
    stream, pooled = {}, []
    for name in network.stages:
        network.get_submodule(name).register_forward_hook(lambda m, i, out, n=name: stream.update({n: out}))
    network.get_submodule(network.feature_map).register_forward_hook(lambda m, i, out: pooled.append(out))
    network.norm.register_forward_pre_hook(lambda m, inputs: pooled.append(inputs[0]))
    logits = network(torch.zeros(2, *network.input_shape))
    assert list(stream) == network.stages and len(stream) == 2 * len(network.blocks)
    before, after = pooled
    assert torch.equal(before, stream[network.stages[-1]])
    assert torch.equal(network.head(after[:, 1:].mean(dim=1)), logits)


def test_bad_shape_is_refused(space):
    with pytest.raises(SpaceError, match="does not divide"):
        space.build(space.sample(1, seed=0)[0], image_size=30, patch_size=4)


def test_arch_id_is_what_the_design_says():
    # Computed apart from our code, with coreutils: printf 'space\ngenome' | b2sum.
    space = spaces.get("autoformer-micro")
    architecture = space.architecture({"depth": 1, "embed_dim": 16, "mlp_ratio": [2], "num_heads": [1]})
    assert architecture.genome == '{"depth": 1, "embed_dim": 16, "mlp_ratio": [2.0], "num_heads": [1]}'
    text = f"autoformer-micro\n{architecture.genome}"
    digest = subprocess.run(["b2sum"], input=text.encode(), capture_output=True, check=True).stdout.decode()
    assert architecture.arch_id == digest[:16]


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_genome_survives_every_way_of_writing_it(seed):
    space = spaces.get("autoformer-small")
    architecture = space.sample(1, seed=seed)[0]
    values = json.loads(architecture.genome)
    shuffled = dict(sorted(values.items(), reverse=True))
    shuffled["mlp_ratio"] = [int(r) if r == int(r) else r for r in values["mlp_ratio"]]
    shuffled["embed_dim"] = float(values["embed_dim"])
    assert space.architecture(shuffled) == architecture


def test_a_genome_in_another_writing_is_refused():
    with pytest.raises(SpaceError, match="not canonical"):
        Architecture("autoformer-micro", '{"embed_dim":16}')
    with pytest.raises(SpaceError, match="not JSON"):
        Architecture("autoformer-micro", "depth=3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": 400}, "Genome outside autoformer-small: embed_dim 400 is not one of 320, 384, 448"),
        ({"num_heads": [5] * 11 + [8]}, "num_heads 8 is not one of 5, 6, 7"),
        ({"mlp_ratio": [3.0] * 11}, "mlp_ratio has 11 entries for a depth of 12"),
        ({"depth": 12.5}, "12.5 is not a whole number"),
        ({"heads": 3}, "has the fields depth, embed_dim, mlp_ratio, num_heads"),
    ],
)
def test_a_genome_outside_its_space_names_field_and_value(change, message):
    space = spaces.get("autoformer-small")
    values = {"depth": 12, "embed_dim": 320, "mlp_ratio": [3.0] * 12, "num_heads": [5] * 12}
    with pytest.raises(SpaceError, match=message):
        space.validate(space.architecture({**values, **change}))


def test_two_processes_sample_the_same_2000_and_every_level_occurs():
    command = "import spaces; s = spaces.get('autoformer-small').sample(2000, seed=0); "
    command += "print(*[a.arch_id for a in s])"
    runs = [
        subprocess.run(
            [sys.executable, "-c", command],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2000
    space = spaces.get("autoformer-small")
    sample = [a.values for a in space.sample(2000, seed=0)]
    assert {v["depth"] for v in sample} == set(space.depth)
    assert {v["embed_dim"] for v in sample} == set(space.embed_dim)
    for block in range(max(space.depth)):
        alive = [v for v in sample if block < v["depth"]]
        assert {v["num_heads"][block] for v in alive} == set(space.num_heads)
        assert {v["mlp_ratio"][block] for v in alive} == set(space.mlp_ratio)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_official_spaces(size):
    official = json.loads((ORACLE / "spaces.json").read_text())["spaces"][size]
    space = spaces.get(f"autoformer-{size}")
    assert space.size == official["n_architectures"]
    assert {
        "MLP_RATIO": space.mlp_ratio,
        "NUM_HEADS": space.num_heads,
        "DEPTH": space.depth,
        "EMBED_DIM": space.embed_dim,
    } == {field: tuple(choices) for field, choices in official["search_space"].items()}


def test_params_and_macs_of_the_official_code():
    for entry in json.loads((ORACLE / "archs_params_flops.json").read_text())["archs"]:
        space = spaces.get(f"autoformer-{entry['space']}")
        architecture = architecture_of(space, entry["config"])
        assert space.params(architecture) == entry["params"]
        assert space.macs(architecture) == entry["macs_measured"]
        assert space.autoformer_complexity(architecture) == entry["flops"]


@needs_tables
def test_both_published_columns_of_3003_networks():
    table = pq.read_table(TABLES / "ood_vit_nas_autoformer.parquet").to_pylist()
    assert len(table) == 3003
    for row in table:
        space = spaces.get(f"autoformer-{row['autoformer_space']}")
        fields = ("depth", "embed_dim", "mlp_ratio", "num_heads")
        architecture = space.architecture({field: row[field] for field in fields})
        space.validate(architecture)
        assert space.params(architecture) / 1e6 == pytest.approx(row["params_M"], rel=1e-12)
        assert space.autoformer_complexity(architecture) / 1e6 == pytest.approx(row["flops_M"], rel=1e-12)


# Of HyTAS's images: spectral bands, which are its tokens; bands that a token sees; classes.
HYTAS_SHAPES = {
    "indian": (200, 3, 16),
    "pavia": (103, 7, 9),
    "salinas": (204, 3, 16),
    "houston": (144, 3, 15),
    "ksc": (176, 3, 13),
}


@needs_tables
def test_hytas_parameters_are_the_published_but_for_the_length_of_the_position_table():
    space = spaces.get("hytas")
    table = pq.read_table(TABLES / "hytas_hsi_transformers.parquet").to_pylist()
    assert len(table) == 9965
    for row in table:
        genome = {field: row[field] for field in ("embed_dim", "mlp_ratio", "num_heads")}
        architecture = space.architecture({"depth": row["layer_num"], **genome})
        space.validate(architecture)
        tokens, seen, classes = HYTAS_SHAPES[row["dataset"]]
        ours = space.params(architecture, channels=seen, classes=classes)
        assert ours + (tokens - 14 * 14) * row["embed_dim"] == row["num_params_subnet"]


def test_a_hytas_supernet_holds_its_architectures():
    space = spaces.get("hytas")
    supernet = space.supernet(seed=1, **SMALL_SHAPE).eval()
    images = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    for architecture in space.sample(5, seed=2):
        with torch.no_grad():
            alone = supernet.extract(architecture)(images)
            assert torch.allclose(alone, supernet(images, architecture), atol=1e-6)

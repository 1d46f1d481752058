"""The convolutional spaces: the published counts, what a network says of itself, the forms of genomes."""

import itertools
import math
import random

import pytest
import torch
from torch import nn

import spaces
from spaces import SpaceError
from spaces.cell_graph import Graph
from spaces.nasbench101 import OPERATIONS, NASBench101
from spaces.transnas import skeletons
from spaces.transnas_heads import DECODER
from tests.shared import needs_tables
from tests.spaces.published import TRANSNAS_SHAPES, genotype, suite_zero, table, vertex_cell
from tests.spaces.test_spaces import CONVOLUTIONAL, small_shape


def drawn(rows, count=1000):
    """So many of the rows, or all where there are fewer."""
    return random.Random(0).sample(rows, min(count, len(rows)))


@pytest.fixture(params=CONVOLUTIONAL)
def space(request):
    return spaces.get(request.param)


# Published counts


@needs_tables
def test_nasbench201_has_the_published_parameters_on_three_data_sets():
    space = spaces.get("nasbench201")
    shapes = {
        "cifar10_params_M": (1e6, {"classes": 10}),
        "cifar100_params_M": (1e6, {"classes": 100}),
        "imagenet16_120_params_M": (1, {"classes": 120, "image_size": 16}),  # not in millions
    }
    rows = table("nasbench201")
    assert space.size == len(rows) == 15625
    for row in drawn(rows):
        architecture = space.architecture({"cell": row["arch_str"]})
        for column, (unit, shape) in shapes.items():
            assert space.params(architecture, **shape) == round(row[column] * unit)


@needs_tables
def test_nasbench101_has_the_published_parameters():
    space = spaces.get("nasbench101")
    rows = table("nasbench101")
    assert space.size == len(rows)
    found = [vertex_cell(row) for row in drawn(rows)]
    assert len(set(found)) == 1000
    for architecture, row in zip(found, drawn(rows), strict=True):
        space.validate(architecture)
        assert space.params(architecture) == row["trainable_params"]


@needs_tables
def test_nasbench301_has_the_published_parameters():
    space = spaces.get("nasbench301")
    rows = drawn(suite_zero("nasbench301", "early_json", "first_json"))
    assert len(rows) == 1000
    for row in rows:
        architecture = genotype(space, row["arch"])
        space.validate(architecture)
        assert space.params(architecture) == round(row["params"] * 1e6)


@needs_tables
@pytest.mark.parametrize("size", ["micro", "macro"])
def test_transnas_has_the_published_parameters_with_the_heads_of_seven_tasks(size):
    space = spaces.get(f"transnas-{size}")
    rows = drawn(suite_zero(f"transbench101_{size}", "early_json"))
    assert {row["task"] for row in rows} == set(TRANSNAS_SHAPES)
    for row in rows:
        architecture = space.architecture({"network": row["arch_str"]})
        space.validate(architecture)
        assert space.params(architecture, **TRANSNAS_SHAPES[row["task"]]) == round(row["params"] * 1e6)


@needs_tables
def test_transnas_skeletons_are_numbered_as_the_benchmark_numbers_them():
    rows = sorted(table("transnas101_macro"), key=lambda row: row["transnas_index"])
    assert [row["arch_str"] for row in rows] == [f"64-{code}-basic" for code in skeletons()]


def elementwise(network):
    """What NASLib's count of operations has beside multiply-accumulates."""
    counts = []

    def count(module, inputs, output):
        if isinstance(module, nn.ReLU):
            counts.append(output.numel())
        elif isinstance(module, nn.BatchNorm2d):
            counts.append(2 * output.numel())
        elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            counts.append(output.numel() * module.kernel_size**2)
        elif isinstance(module, nn.AdaptiveAvgPool2d):  # one pixel a side too many
            counts.append(inputs[0].shape[1] * (inputs[0].shape[2] + 1) ** 2)

    for module in network.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, *network.input_shape, device="meta"))
    return sum(counts)


@needs_tables
@pytest.mark.parametrize(
    ("name", "published", "field", "task"),
    [
        ("nasbench201", "nasbench201", "cell", "cifar10"),
        ("transnas-micro", "transbench101_micro", "network", "class_object"),
        ("transnas-macro", "transbench101_macro", "network", "class_object"),
    ],
)
def test_macs_are_the_published_operations_less_those_on_single_numbers(name, published, field, task):
    space = spaces.get(name)
    shape = TRANSNAS_SHAPES.get(task, {})
    rows = [row for row in suite_zero(published, "early_json") if row["task"] == task]
    for row in drawn(rows, 4):
        architecture = space.architecture({field: row["arch_str"]})
        network = space.skeleton(architecture, **shape).eval()
        macs = space.macs(architecture, **shape)
        assert macs + elementwise(network) == round(row["flops"] * 1e6)


# Networks


def test_a_network_says_what_its_modules_are_for(space):
    network = space.build(space.sample(1, seed=0)[0], **small_shape(space))
    modules = dict(network.named_modules())
    leaves = {n for n, m in modules.items() if not list(m.children()) and not isinstance(m, nn.Identity)}
    assert set(network.roles) == leaves
    assert set(network.roles.values()) == {"embed", "convolution", "norm", "head"}
    called = []
    for name in (*network.stages, network.feature_map):
        modules[name].register_forward_hook(lambda m, i, o, name=name: called.append(name))
    logits = network(torch.randn(2, *network.input_shape, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 5) and logits.isfinite().all()
    stages = dict.fromkeys(called)  # the feature map may be the last of them
    assert list(stages) == list(dict.fromkeys((*network.stages, network.feature_map)))


def test_weights_have_the_spread_of_their_constructors(space):
    network = space.build(space.sample(1, seed=1)[0], **small_shape(space))
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > 2000]
    assert layers
    for layer in layers:
        fan_in, fan_out = layer.weight[0].numel(), layer.out_channels * math.prod(layer.kernel_size)
        expected = math.sqrt(2 / fan_out) if isinstance(space, NASBench101) else math.sqrt(1 / (3 * fan_in))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        assert norm.running_var.eq(1).all() and norm.running_mean.eq(0).all()


@pytest.mark.parametrize("size", ["micro", "macro"])
@pytest.mark.parametrize("target", DECODER)
def test_each_target_has_its_head(size, target):
    space = spaces.get(f"transnas-{size}")
    architecture = space.sample(3, seed=2)[-1]
    shape = {"image_size": 64, "classes": 5, "target": target}
    network = space.skeleton(architecture, **shape).eval()
    images = torch.zeros(2, *network.input_shape, device="meta")
    dense = target in ("segments", "image")
    assert images.shape[1] == (27 if target == "permutation" else 3)
    assert network(images).shape == ((2, 5, 64, 64) if dense else (2, 5))
    assert sum(p.numel() for p in network.parameters()) == space.params(architecture, **shape)


def test_the_pieces_of_a_puzzle_are_encoded_one_by_one():
    space = spaces.get("transnas-micro")
    shape = {"image_size": 64, "classes": 5, "target": "permutation"}
    network = space.build(space.sample(1, seed=2)[0], **shape).eval()
    images = torch.randn(2, 27, 64, 64, generator=torch.Generator().manual_seed(0))
    changed = images.clone()
    changed[:, 3:6] = 0
    with torch.no_grad():
        both = [network.encoder.layer0(network.encoder.stem(x[:, 6:9])) for x in (images, changed)]
        assert torch.equal(*both)
        assert not torch.equal(network(images), network(changed))


def test_a_target_that_a_space_has_no_head_for_says_so():
    space = spaces.get("nasbench201")
    with pytest.raises(SpaceError, match="nasbench201 makes classes, not 'segments'"):
        space.build(space.sample(1, seed=0)[0], target="segments")
    micro = spaces.get("transnas-micro")
    with pytest.raises(SpaceError, match="Unknown target 'segment'. Did you mean 'segments'?"):
        micro.build(micro.sample(1, seed=0)[0], target="segment")


def test_there_is_no_supernet(space):
    with pytest.raises(SpaceError, match="has no supernet. Take protocol=scratch."):
        space.supernet()


# Genomes


def test_isomorphic_cells_are_one_architecture():
    space = spaces.get("nasbench101")
    for architecture in space.sample(30, seed=4):
        graph = space.graph(architecture)
        inner = range(1, graph.vertices - 1)
        ids = set()
        for order in itertools.permutations(inner):
            place = {0: 0, graph.vertices - 1: graph.vertices - 1} | {v: i for i, v in enumerate(order, 1)}
            if all(place[a] < place[b] for a, b in graph.edges):
                shuffled = graph.reordered([0, *order, graph.vertices - 1])
                values = {"adjacency": shuffled.adjacency(), "operations": list(shuffled.operations)}
                ids.add(space.architecture(values).arch_id)
        assert ids == {architecture.arch_id}


def test_vertices_on_no_path_are_pruned():
    space = spaces.get("nasbench101")
    conv, pool = OPERATIONS[0], OPERATIONS[2]
    edges = {(0, 1), (1, 4), (0, 2), (3, 4)}  # 2 leads nowhere, nothing leads to 3
    loose = Graph(frozenset(edges), (conv, pool, pool))
    values = {"adjacency": loose.adjacency(), "operations": list(loose.operations)}
    plain = space.architecture({"adjacency": "101", "operations": [conv]})
    assert space.architecture(values) == plain


def test_a_genotype_may_name_the_edges_into_a_node_in_either_order():
    space = spaces.get("nasbench301")
    architecture = space.sample(1, seed=0)[0]
    values = architecture.values
    swapped = {
        name: [edge for pair in zip(cell[1::2], cell[::2], strict=True) for edge in pair]
        for name, cell in values.items()
    }
    assert swapped != values and space.architecture(swapped) == architecture


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("nasbench201", {"cell": "|none~0|"}, r"cell is '\|none~0\|', expected"),
        ("nasbench201", {"arch": "x"}, "has one field, cell, a text"),
        ("nasbench201", {"cell": "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|"}, "conv at place 0"),
        ("nasbench101", {"adjacency": "11", "operations": [OPERATIONS[0]]}, "adjacency is '11'"),
        ("nasbench101", {"adjacency": "000", "operations": [OPERATIONS[0]]}, "no path leads from the input"),
        ("nasbench101", {"adjacency": "101", "operations": ["conv5x5"]}, "operation conv5x5 is not one of"),
        ("nasbench101", {"adjacency": "1" * 21, "operations": [OPERATIONS[0]] * 5}, "21 edges, at most 9"),
        ("nasbench301", {"normal": []}, "has the fields normal, reduce; got normal"),
        ("nasbench301", {"normal": [["skip_connect", 0]] * 8, "reduce": []}, "read two different things"),
        ("transnas-micro", {"network": "64-41414-basic"}, "expected '64-41414-a_bc_def'"),
        ("transnas-micro", {"network": "64-41414-9_00_000"}, "9 at place 0"),
        ("transnas-macro", {"network": "64-1111-basic"}, "0 stages that halve the side, expected 1 to 4"),
        ("transnas-macro", {"network": "64-4111111-basic"}, "7 stages, expected 4 to 6"),
    ],
)
def test_a_genome_that_is_none_says_what_is_wrong(name, values, message):
    space = spaces.get(name)
    with pytest.raises(SpaceError, match=message):
        space.validate(space.architecture(values))

"""The rebuilt NAS-Bench-201 network is the authors' own."""

import pytest
import torch
from safetensors.torch import load_file

from proxies.probe.layers import call
from tests.proxies.cell_network import cell_images, cell_networks
from tests.shared import ORACLE


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", ["a_conv3_heavy", "c_with_none", "e_identity", "f_all_none"])
def test_logits_are_those_of_the_authors_network(name, mode):
    expected = load_file(ORACLE / "cnn_nb201" / "logits.safetensors")
    network, images = cell_networks()[name].train(mode == "train"), cell_images()
    with torch.no_grad():
        single = call(network, images)
        double = call(network.double(), images.double())
    assert (single - expected[f"{name}/{mode}"]).abs().max() < 1e-5
    assert (double - expected[f"{name}/{mode}@float64"]).abs().max() < 1e-12


@pytest.mark.parametrize("network", cell_networks().values(), ids=cell_networks())
def test_stages_and_feature_map_are_modules_in_forward_order(network):
    called = []
    for name in (*network.stages, network.feature_map):
        network.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: called.append(name))
    with torch.no_grad():
        call(network, cell_images())
    assert called == ["stem", "cells.0", "cells.1", "cells.2", "cells.3", "cells.4", "lastact"]

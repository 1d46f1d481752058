"""The same scores on a GPU, where there is one."""

import copy

import pytest
import torch

import proxies
from bench.gpu_check import TOLERANCE, TOLERANCES, difference
from bench.measure import network_and_batches

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", proxies.names())
def test_cpu_and_gpu_agree(name):
    network, batches = network_and_batches("autoformer-micro", 1, 16, torch.device("cpu"), batches=4)
    moved = [(images.cuda(), labels.cuda()) for images, labels in batches]
    here = proxies.compute([name], network, batches)[name]
    there = proxies.compute([name], copy.deepcopy(network).cuda(), moved)[name]
    assert here.status == there.status == "ok"
    assert difference(here.value, there.value) <= TOLERANCES.get(name, TOLERANCE)

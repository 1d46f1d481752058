"""Activation patterns, packed and counted, and the proxies that read them."""

import pytest
import torch

import proxies
from proxies import Probe
from proxies.probe import passes
from proxies.probe.activations import ActivationPatterns, agreement, distinct, pack
from tests.proxies.networks import TinyViT, batches
from tests.proxies.test_laws import value


def patterns(active, cut=None):
    halves = active.split(cut or active.shape[1], dim=1)
    rows = -(-len(active) // 8)
    return [
        ActivationPatterns(
            str(i), i, len(active), pack(half, torch.zeros(rows, half.shape[1], dtype=torch.uint8))
        )
        for i, half in enumerate(halves)
    ]


@pytest.mark.parametrize("samples", [1, 5, 8, 9, 16, 17, 63, 64, 65, 130])
def test_packed_patterns_count_and_agree_as_unpacked_ones(samples):
    generator = torch.Generator().manual_seed(samples)
    active = torch.randn(samples, 300, generator=generator) > 0
    active = torch.cat((active, active[:, :40]), dim=1)  # some patterns twice
    found = patterns(active, cut=100)
    assert distinct(found) == active.unique(dim=1).shape[1]
    assert distinct(found[:2]) == active[:, :200].unique(dim=1).shape[1]
    on = active.double()
    assert torch.equal(agreement(found), on @ on.T + (1 - on) @ (1 - on).T)


@pytest.mark.parametrize("first", [1, 3, 8, 11])
def test_patterns_are_the_same_whatever_the_parts(first):
    active = torch.randn(19, 30, generator=torch.Generator().manual_seed(first)) > 0
    packed = torch.zeros(3, 30, dtype=torch.uint8)
    for start, part in ((0, active[:first]), (first, active[first:])):
        pack(part, packed, start)
    assert torch.equal(packed, patterns(active)[0].packed)


def test_psi_is_bounded_and_grows_with_the_interval():
    data = batches(size=3)
    assert [pattern.layers for pattern in Probe(TinyViT(), data).activations()] == [4, 8]
    # Layers 0 to 9, one in each tenth: the activations stand behind the fourth and the eighth.
    counts = [value(f"l_swag_psi[interval=0-{last}]", TinyViT(), data) for last in (3, 6, 7, 9)]
    assert counts[0] == counts[1] <= counts[2] == counts[3] == value("swap", TinyViT(), data) <= 2**3
    score = proxies.compute(["l_swag_psi[interval=0-2]"], TinyViT(), data)["l_swag_psi[interval=0-2]"]
    assert (score.status, score.message) == ("empty", "No activation stands in tenths 0 to 2 of the depth.")


@pytest.mark.parametrize("samples", [2, 3])
def test_so_few_images_have_no_more_patterns_than_there_are(samples):
    assert 1 < value("swap", TinyViT(), batches(size=samples)) <= 2**samples


def test_nwot_keeps_under_a_permuted_batch():
    images, labels = batches(size=8)[0]
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    first = value("nwot", TinyViT(), [(images, labels)])
    assert value("nwot", TinyViT(), [(images[order], labels)]) == pytest.approx(first, rel=1e-12)


def test_the_kernel_of_agreement_is_formed_once(monkeypatch):
    formed = []
    monkeypatch.setattr(
        passes, "agreement", lambda patterns: formed.append(agreement(patterns)) or formed[-1]
    )
    scores = proxies.compute(["nwot", "linear_regions"], TinyViT(), batches())
    assert {score.status for score in scores.values()} == {"ok"}
    assert len(formed) == 1


def test_nwot_is_the_log_determinant():
    kernel = agreement(Probe(TinyViT(), batches(size=8)).activations())
    assert value("nwot", TinyViT(), batches(size=8)) == pytest.approx(torch.linalg.slogdet(kernel)[1].item())
    assert kernel.diagonal().tolist() == [2 * 5 * 32] * 8

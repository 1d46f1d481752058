"""Statistics of per-sample gradients, held against single backward passes."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from proxies import Probe, ProxyError
from proxies.probe import per_sample
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import SampleGradients, layers_within
from proxies.probe.walk import Walk
from tests.proxies.networks import NETWORKS, TinyViT, batches, convolutional, draw, rectifier
from tests.proxies.test_laws import DOUBLE, looped_gradients


def collected(network, images, labels, at_once=None):
    everything = frozenset({"sum", "signs", "magnitudes", "moments"})
    collector = SampleGradients(layers_within(network, (0, 9)), len(images), everything)
    taken = Walk(network, images, labels, {"all": collector}, at_once)
    taken.run()
    assert taken.failures == {}
    return {statistic: collector.of(statistic) for statistic in everything}


@pytest.mark.parametrize("build", [*NETWORKS.values(), rectifier], ids=[*NETWORKS, "rectifier"])
@pytest.mark.parametrize("held", [40, 1 << 19], ids=["rows", "whole"])
@pytest.mark.parametrize("at_once", [None, 4, 1])
def test_statistics_of_per_sample_gradients_are_those_of_single_backward_passes(
    build, held, at_once, monkeypatch
):
    monkeypatch.setitem(per_sample._HELD, "cpu", held)
    network = build().double().eval()
    images, labels = DOUBLE[0]
    found = collected(network, images, labels, at_once)
    for index, each in enumerate(looped_gradients(network, images, labels)):
        magnitudes, moments = found["magnitudes"][index][1], found["moments"][index][1]
        for ours, theirs in (
            (found["sum"][index][1], each.mean(dim=0)),
            (found["signs"][index][1], each.sign().sum(dim=0)),
            (magnitudes.mean, each.abs().mean(dim=0)),
            (magnitudes.variance, each.abs().var(dim=0, correction=0)),
            (moments.mean, each.mean(dim=0)),
            (moments.variance, each.var(dim=0, correction=0)),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-18)
        assert found["sum"][index][0].name == list(weighted_layers(network))[index]


def test_per_sample_variances_do_not_depend_on_the_batch_around():
    """Each sample's loss is its own: doubling every image keeps the variance."""
    images, labels = DOUBLE[0]
    once = collected(TinyViT().double(), images, labels)["magnitudes"]
    twice = collected(TinyViT().double(), images.repeat(2, 1, 1, 1), labels.repeat(2))["magnitudes"]
    for (_, first), (_, second) in zip(once, twice, strict=True):
        torch.testing.assert_close(first.variance, second.variance, rtol=1e-9, atol=1e-20)


def test_with_batch_norm_in_training_mode_a_sample_is_a_batch_of_its_own():
    network, (images, labels) = convolutional().double().train(), DOUBLE[0]
    for (_, moments), each in zip(
        Probe(network, DOUBLE).gradient_moments(),
        looped_gradients(convolutional().double().train(), images, labels),
        strict=True,
    ):
        torch.testing.assert_close(moments.variance, each.var(dim=0, correction=0), rtol=1e-9, atol=1e-20)


def test_gradients_are_those_of_the_batch_also_with_batch_norm_in_training_mode():
    network, (images, labels) = convolutional().double().train(), DOUBLE[0]
    weights = [module.weight for module in weighted_layers(network).values()]
    expected = torch.autograd.grad(cross_entropy(network(images), labels), weights)
    found = Probe(convolutional().double().train(), DOUBLE).gradients()
    for (_, ours), theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)


def test_per_sample_variance_of_nearly_equal_gradients_keeps_its_digits():
    images = torch.ones(4, 3, 8, 8, dtype=torch.float64)
    images += 1e-9 * torch.arange(4.0, dtype=torch.float64)[:, None, None, None]
    labels = torch.zeros(4, dtype=torch.int64)
    network = rectifier().double()
    found = collected(network, images, labels)["magnitudes"]
    for (_, moments), each in zip(found, looped_gradients(network, images, labels), strict=True):
        assert (moments.variance >= 0).all()
        by_loop = each.abs().var(dim=0, correction=0)
        torch.testing.assert_close(moments.variance, by_loop, rtol=1e-4, atol=1e-30)


def test_gradients_of_shared_padded_and_windowed_layers():
    layer = nn.Linear(192, 192)
    shared = nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer)
    padded = nn.Sequential(nn.Conv2d(3, 4, 4, padding="same"), nn.Flatten(), nn.Linear(256, 4))
    circular = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=2, padding_mode="circular"), nn.Flatten(), nn.Linear(400, 4)
    )
    images, labels = DOUBLE[0]
    for network in (shared, padded, circular):
        network = draw(network, 0).double()
        found = collected(network, images, labels)["moments"]
        for (_, moments), each in zip(found, looped_gradients(network, images, labels), strict=True):
            torch.testing.assert_close(moments.mean, each.mean(dim=0), rtol=1e-9, atol=1e-15)
            torch.testing.assert_close(moments.variance, each.var(dim=0, correction=0), rtol=1e-9, atol=1e-15)


def test_layers_that_do_not_see_the_batch_have_a_sum_and_no_spread():
    windows = nn.Sequential(
        nn.Flatten(2), nn.Flatten(0, 1), nn.Linear(64, 8), nn.Unflatten(0, (-1, 3)), nn.Flatten()
    )
    network, (images, labels) = draw(windows, 0).double(), DOUBLE[0]
    (expected,) = torch.autograd.grad(cross_entropy(network(images), labels), [network[2].weight])
    ((_, found),) = Probe(network, DOUBLE).gradients()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)
    with pytest.raises(ProxyError, match="Layer '2' was given 18 rows for 6 images"):
        Probe(network, DOUBLE).gradient_moments()


def test_an_input_overwritten_in_place_is_noticed():
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(192, 8), nn.Linear(8, 4)

        def forward(self, images):
            hidden = self.first(images.flatten(1)).detach().requires_grad_() * 1 + images.mean()
            logits = self.second(hidden)
            hidden.detach().mul_(2)
            return logits

    with pytest.raises(ProxyError, match="'second' was overwritten in place"):
        Probe(Overwriting(), batches()).gradients()

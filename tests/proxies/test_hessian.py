"""The Hessian-gradient product against double backward passes and finite differences, in float64."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import proxies
from proxies.probe.hessian import collect_hessian_gradient
from proxies.probe.layers import weighted_layers
from tests.proxies.networks import NETWORKS, TinyViT, batches, convolutional, draw, rectifier

(IMAGES, LABELS), *_ = batches(size=5, dtype=torch.float64)


def shared():
    layer = nn.Linear(192, 192)
    return draw(nn.Sequential(nn.Flatten(), layer, nn.Tanh(), layer, nn.Linear(192, 4)), 0)


def overwriting():
    return draw(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 4)), 0)


BUILDS = {**NETWORKS, "rectifier": rectifier, "shared": shared, "overwriting": overwriting}


def double_backward(network):
    """sum w (H g) by differentiating the gradient, with one loss for the whole batch."""
    weights = [module.weight for module in weighted_layers(network).values()]
    loss = cross_entropy(network(IMAGES), LABELS)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    product = sum((gradient * gradient.detach()).sum() for gradient in gradients)
    found = torch.autograd.grad(product, weights)
    return sum((weight * value).sum().item() for weight, value in zip(weights, found, strict=True))


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_grasp_is_a_double_backward_pass(build):
    expected = double_backward(build().double())
    score = proxies.compute(["grasp"], build().double(), [(IMAGES, LABELS)])["grasp"]
    assert score.status == "ok", score
    assert score.value == pytest.approx(-expected, rel=1e-9)


def test_the_product_is_a_difference_of_gradients():
    network = TinyViT().double()
    names = [f"{name}.weight" for name in weighted_layers(network)]
    weights = {name: network.get_parameter(name).detach() for name in names}
    directions = proxies.Probe(network, [(IMAGES, LABELS)]).gradients()

    def slopes(step):
        """The gradient at the weights plus a step along the gradient."""
        moved = {
            name: (weights[name] + step * gradient).requires_grad_()
            for name, (_, gradient) in zip(names, directions, strict=True)
        }
        loss = cross_entropy(functional_call(network, moved, (IMAGES,)), LABELS)
        return torch.autograd.grad(loss, list(moved.values()))

    step = 1e-5
    difference = sum(
        (weight * (after - before)).sum().item() / (2 * step)
        for weight, after, before in zip(weights.values(), slopes(step), slopes(-step), strict=True)
    )
    found = collect_hessian_gradient(network, IMAGES, LABELS, directions)
    assert found.item() == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_parts_of_the_batch_add_up(at_once):
    network = TinyViT().double()
    directions = proxies.Probe(network, [(IMAGES, LABELS)]).gradients()
    whole = collect_hessian_gradient(network, IMAGES, LABELS, directions)
    parts = collect_hessian_gradient(network, IMAGES, LABELS, directions, at_once)
    assert parts.item() == pytest.approx(whole.item(), rel=1e-10)


def test_with_batch_norm_in_training_mode_statistics_are_differentiated_too():
    trained, evaluated = convolutional().double().train(), convolutional().double().eval()
    values = [
        proxies.compute(["grasp"], network, [(IMAGES, LABELS)])["grasp"].value
        for network in (trained, evaluated)
    ]
    assert values == pytest.approx([-double_backward(trained), -double_backward(evaluated)], rel=1e-9)
    assert values[0] != values[1]

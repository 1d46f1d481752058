"""Training: augmentation, the schedule, and a resume that ends in the same weights to the bit."""

import dataclasses
import os
import signal
from itertools import pairwise

import pytest
import torch

import spaces
from builder import tasks
from builder.errors import BuilderError, TrainingFailed
from builder.settings.protocol import Recipe
from builder.training import evaluate
from builder.training.augment import Augmentation, augment
from builder.training.evaluate import Evaluation
from builder.training.images import SplitImages
from builder.training.train import Training, learning_rate
from tests.builder.test_tasks import task

RECIPE = Recipe(
    name="test",
    epochs=4,
    batch_size=256,
    learning_rate=2e-3,
    weight_decay=0.05,
    warmup_epochs=1,
    label_smoothing=0.1,
    clip_norm=1.0,
    ema=0.9,
    hold=1,
    precision="float32",
    augmentation=Augmentation(shift=1, operations=1, mixup=0.8, cutmix=1.0, erasing=0.2),
)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_shift_moves_every_image_by_its_own_offset():
    pixels = torch.zeros(64, 1, 8, 8, dtype=torch.uint8)
    pixels[:, :, 4, 4] = 255
    moved = augment(pixels, Augmentation(shift=2), False, draws())
    places = [tuple((image[0] == 255).nonzero()[0].tolist()) for image in moved]
    assert (moved == 255).sum() == 64
    assert {row for row, _ in places} == {column for _, column in places} == {2, 3, 4, 5, 6}


def test_flip_mirrors_about_half_and_no_shift_keeps():
    pixels = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).repeat(200, 1, 1, 1)
    flipped = augment(pixels, Augmentation(), True, draws())
    mirrored = (flipped == pixels.flip(3)).flatten(1).all(1)
    assert ((flipped == pixels).flatten(1).all(1) ^ mirrored).all()
    assert 60 < mirrored.sum() < 140
    assert torch.equal(augment(pixels, Augmentation(), False, draws()), pixels)


def test_learning_rate_warms_up_then_falls_to_zero():
    rates = [learning_rate(RECIPE, epoch / 10) for epoch in range(41)]
    assert rates[0] < rates[5] < rates[10] == pytest.approx(2e-3)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def trained(path, seconds=0.0, stop_after=None, **changes):
    """Train a supernet for four epochs; with stop_after, it is killed in the step after so many."""
    space = spaces.get("autoformer-micro")
    digits = task("task=digits")
    supernet = space.supernet(seed=1, **digits.shape)
    steps = 0

    def forward(images, choices):
        nonlocal steps
        steps += 1
        if stop_after is not None and steps > stop_after:
            raise KeyboardInterrupt
        return supernet(images, space.draw(choices))

    images = SplitImages.of(digits, "train", torch.device("cpu"))
    recipe = dataclasses.replace(RECIPE, **changes)
    Training(supernet, forward, digits, images, recipe, 3, "test").run(path, seconds)
    return supernet, steps


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "whole.pt"
    return trained(path, seconds=1e9)[0], path


# Before the first checkpoint, in the middle of an epoch, after an epoch's last step.
@pytest.mark.parametrize("stop_after", [0, 7, 10])
def test_an_interrupted_training_ends_in_the_same_weights(left_alone, tmp_path, stop_after):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut.pt", stop_after=stop_after)
    resumed, steps = trained(tmp_path / "cut.pt", seconds=1e9)
    assert steps == 5 * RECIPE.epochs - stop_after
    assert same(left_alone[0], resumed)


def test_a_signal_at_the_end_of_an_epoch_saves_too(tmp_path):
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        return {"test": (0.5, 1.0)}

    with pytest.raises(KeyboardInterrupt):
        begun().run(tmp_path / "cut.pt", 1e9, 1, interrupted)
    state = torch.load(tmp_path / "cut.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 0) and list(state["curve"]) == [1]


def test_images_read_ahead_end_in_the_same_weights_when_interrupted(tmp_path, monkeypatch):
    held, _ = trained(tmp_path / "held.pt", seconds=1e9, epochs=2)
    monkeypatch.setattr(tasks, "_KEPT_SIDE", 4)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "read.pt", stop_after=3, epochs=2)
    read, steps = trained(tmp_path / "read.pt", seconds=1e9, epochs=2)
    assert steps == 7 and same(held, read)


def test_a_finished_training_is_not_repeated(left_alone):
    again, steps = trained(left_alone[1])
    assert steps == 0 and same(left_alone[0], again)


def test_a_checkpoint_holds_the_weights_that_are_evaluated(left_alone):
    supernet, path = left_alone
    state = torch.load(path, weights_only=True)
    kept = spaces.get("autoformer-micro").supernet(**vars(supernet.shape)).load(path)
    assert same(supernet, kept)
    assert not torch.equal(state["trained"]["head.weight"], state["model"]["head.weight"])


def begun(forward=None, **changes):
    """A training of a supernet that has taken no step, and its images."""
    space, digits = spaces.get("autoformer-micro"), task("task=digits")
    supernet = space.supernet(seed=1, **digits.shape)
    images = SplitImages.of(digits, "train", torch.device("cpu"))

    def draw(batch, choices):
        return supernet(batch, space.draw(choices))

    recipe = dataclasses.replace(RECIPE, **changes)
    return Training(supernet, forward or draw, digits, images, recipe, 3, "")


def test_steps_on_a_batch_lower_its_loss():
    (architecture,) = spaces.get("autoformer-micro").sample(1, seed=0)
    training = begun(
        lambda batch, choices: training.network(batch, architecture),
        augmentation=Augmentation(),
        warmup_epochs=0,
        ema=0.0,
    )
    (pixels, labels), *_ = training.images.batches(torch.arange(200), 200)

    def loss():
        with torch.no_grad():
            logits = training.network(training.task.normalise(pixels), architecture)
        return torch.nn.functional.cross_entropy(logits, labels).item()

    before = loss()
    for _ in range(20):
        training.take_step(pixels, labels)
    assert loss() < before - 0.1


def test_the_average_follows_the_weights():
    training = begun()
    weight = training.network.head.weight
    average = weight.detach().clone()
    batches = training.images.batches(torch.arange(len(training.images)), RECIPE.batch_size)
    for position, (pixels, labels) in enumerate(batches):
        training.take_step(pixels, labels)
        keep = min(RECIPE.ema, (1 + position) / (10 + position))
        average = keep * average + (1 - keep) * weight.detach()
    (place,) = [i for i, parameter in enumerate(training.parameters) if parameter is weight]
    assert torch.allclose(average, training.average[place], atol=1e-6)
    assert not torch.allclose(average, weight, atol=1e-6)


@pytest.mark.parametrize(("hold", "different"), [(1, 10), (5, 2)])
def test_a_drawn_architecture_is_held(hold, different):
    drawn = []
    space = spaces.get("autoformer-micro")

    def forward(batch, choices):
        drawn.append(space.draw(choices))
        return training.network(batch, drawn[-1])

    training = begun(forward, hold=hold)
    batches = training.images.batches(torch.arange(1000), 100)
    for pixels, labels in batches:
        training.take_step(pixels, labels)
    assert len(drawn) == 10 and len(set(drawn)) == different
    assert all(len(set(drawn[start : start + hold])) == 1 for start in range(0, 10, hold))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_evaluation_from_memory_is_the_same_to_the_bit(precision, monkeypatch):
    digits, space = task("task=digits"), spaces.get("autoformer-micro")
    images = SplitImages.of(digits, "validation", torch.device("cpu"))
    networks = [space.build(architecture, seed=2) for architecture in space.sample(3, seed=0)]
    kept = Evaluation(digits, images, 50, precision)
    first = [kept.measure(network) for network in networks]
    monkeypatch.setattr(evaluate, "_KEPT_BYTES", 0)
    anew = Evaluation(digits, images, 50, precision)
    assert [anew.measure(network) for network in networks] == first
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        logits = networks[1](digits.normalise(digits.pixels("validation"))).float()
    labels = digits.labels("validation")
    assert first[1][0] == pytest.approx((logits.argmax(1) == labels).float().mean().item(), abs=0.01)
    assert first[1][1] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-3)


def test_bfloat16_is_another_recipe_that_trains_too(tmp_path):
    exact, _ = trained(tmp_path / "exact.pt", seconds=1e9, epochs=1)
    short, _ = trained(tmp_path / "short.pt", seconds=1e9, epochs=1, precision="bfloat16")
    assert short.head.weight.dtype == torch.float32
    assert not torch.equal(exact.head.weight, short.head.weight)
    assert torch.allclose(exact.head.weight, short.head.weight, atol=0.02)


def test_a_damaged_checkpoint_and_one_of_another_network_say_what_to_do(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(BuilderError, match="cannot be read .* Delete it to train anew"):
        trained(tmp_path / "checkpoint.pt")
    torch.save({"model": {}, "optimizer": {}, "epoch": 1, "seconds": 0.0}, tmp_path / "other.pt")
    with pytest.raises(BuilderError, match="is not of this network. Delete it to train anew"):
        trained(tmp_path / "other.pt")


def test_a_loss_that_is_no_longer_a_number_stops_the_training(tmp_path):
    with pytest.raises(TrainingFailed, match="the loss became nan in epoch .* lower the learning rate"):
        trained(tmp_path / "checkpoint.pt", seconds=1e9, learning_rate=1e30, clip_norm=1e30, warmup_epochs=0)
    assert not (tmp_path / "checkpoint.pt").exists()

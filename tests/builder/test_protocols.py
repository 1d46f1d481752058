"""Scratch and finetune side by side, learning curves, what a run cost, and how long a plan would take."""

import dataclasses
import json

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from PIL import Image
from sklearn.datasets import load_digits

import spaces
from builder import plan
from builder.command import checked
from builder.errors import BuilderError
from builder.protocols import alone, finetune, scratch
from builder.protocols.estimate import clock, estimate
from builder.protocols.rows import Ledger, recipe_id
from builder.provenance import Run
from builder.settings import Settings
from builder.tasks import Task
from spaces.supernet import checkpoint_shape
from store import Benchmark
from tests.builder.conftest import encoded, write_images
from tests.builder.test_jobs import parts, rows

MICRO = spaces.get("autoformer-micro")


def settings(*overrides):
    ConfigStore.instance().store("settings", Settings)
    with initialize_config_module("conf", version_base="1.3"):
        return checked(compose("build", overrides=["job=accuracy", *map(str, overrides)]))


def query(root, sql):
    with Benchmark.open(root) as benchmark:
        return benchmark.sql(sql).to_pylist()


@pytest.fixture
def sampled(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=3", "sample.params_high=20000")
    return tmp_path


SHORT = (
    "job=accuracy",
    "threads=1",
    "protocol.recipe.batch_size=256",
    "protocol.recipe.warmup_epochs=0",
    "protocol.recipe.learning_rate=3e-3",
    "protocol.recipe.augmentation.shift=1",
)
SCRATCH = (*SHORT, "protocol=scratch", "protocol.recipe.epochs=5")


def test_a_learning_curve_is_rows_by_epoch_and_the_ranking_reads_the_last(vitzero, sampled):
    plain, curved = sampled / "plain", sampled / "curved"
    for root, every in ((plain, "null"), (curved, 2)):
        vitzero(f"root={root}", "job=sample", "sample.n=2", "sample.params_high=20000")
        code, _, _ = vitzero(f"root={root}", *SCRATCH, f"accuracy.curve_epochs={every}")
        assert code == 0
    points = query(curved, "SELECT DISTINCT epoch FROM accuracies WHERE status = 'ok' ORDER BY epoch")
    assert [point["epoch"] for point in points] == [2, 4, 5]
    assert len(rows(curved, "accuracies")) == 2 * 2 * 3  # architectures, splits, epochs
    growing = "SELECT seconds FROM accuracies WHERE split = 'test' ORDER BY arch_id, epoch"
    seconds = [row["seconds"] for row in query(curved, growing)]
    assert all(seconds[i] < seconds[i + 1] < seconds[i + 2] for i in (0, 3))
    with Benchmark.open(plain) as one, Benchmark.open(curved) as other:
        assert one.accuracy().equals(other.accuracy())
    before = parts(curved)
    assert "seed 0: nothing to do" in vitzero(f"root={curved}", *SCRATCH, "accuracy.curve_epochs=1")[1]
    assert parts(curved) == before


def test_two_workers_write_the_rows_of_one(vitzero, sampled):
    code, out, _ = vitzero(f"root={sampled}", *SCRATCH, "accuracy.workers=2")
    assert code == 0 and "3 trained, 0 failed" in out
    assert not list((sampled / "checkpoints").glob("*.pt"))
    shared = rows(sampled, "accuracies")
    (run,) = query(sampled, "SELECT images, seconds FROM runs WHERE job = 'accuracy'")

    alone = sampled / "alone"
    vitzero(f"root={alone}", "job=sample", "sample.n=3", "sample.params_high=20000")
    vitzero(f"root={alone}", *SCRATCH)
    facts = [
        [{k: v for k, v in row.items() if k != "run_id"} for row in found]
        for found in (shared, rows(alone, "accuracies"))
    ]
    assert facts[0] == facts[1]
    (lone,) = query(alone, "SELECT images FROM runs WHERE job = 'accuracy'")
    assert run["images"] == lone["images"] and run["seconds"] > 0


def test_memory_that_runs_out_is_a_failed_row_or_another_try_alone(vitzero, sampled, monkeypatch):
    first = plan.architectures(sampled, MICRO.name)[0]
    real = alone.training_of

    def greedy(network, task, images, told, draw, label):
        if sum(p.numel() for p in network.parameters()) == MICRO.params(first, **task.shape):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return real(network, task, images, told, draw, label)

    monkeypatch.setattr(alone, "training_of", greedy)
    told = settings(f"root={sampled}", *SCRATCH[1:])
    crowded, reported = [], []
    with Run("accuracy", told, torch.device("cpu")) as run:
        everything = plan.architectures(sampled, MICRO.name)
        report = lambda *done: reported.append(done)  # noqa: E731
        alone.train_all(told, run, scratch.beginning, 0, everything, report, crowded.append)
    assert crowded == [first] and len(reported) == 2
    assert first.arch_id not in {row["arch_id"] for row in rows(sampled, "accuracies")}
    code, out, _ = vitzero(f"root={sampled}", *SCRATCH)
    assert code == 0 and "1 trained, 1 failed" in out
    (message,) = {r["message"] for r in query(sampled, f"FROM accuracies WHERE arch_id = '{first.arch_id}'")}
    assert message.startswith("CUDA out of memory")


def test_a_mistake_of_workers_is_one_line(vitzero, sampled):
    missing = sampled / "images" / "train.parquet"
    code, _, err = vitzero(f"root={sampled}", *SCRATCH, "accuracy.workers=2", f"task.path={missing}")
    assert code == 2 and f"vitzero: task.path={missing} does not exist" in err


@pytest.mark.parametrize("protocol", ["scratch", "supernet"])
def test_rows_of_a_local_copy_say_so_without_the_way_to_it(protocol):
    """Their key is that of rows of the hub's images."""
    found = {
        path: Ledger(settings("task=cifar10", f"protocol={protocol}", f"task.path={path}"), None, 0)
        for path in ("null", "'/home/me/data/cifar10_*.parquet'", "data/mine")
    }
    assert len({ledger.recipe for ledger in found.values()}) == 1
    assert [ledger.source for ledger in found.values()] == [
        "trained here",
        "trained here on a local copy: cifar10_*.parquet",
        "trained here on a local copy: mine",
    ]


@pytest.fixture(scope="module")
def odd_or_even(tmp_path_factory):
    """The digits with two classes, as a task of one's own."""
    path = tmp_path_factory.mktemp("images") / "train.parquet"
    digits = load_digits()
    images = [encoded(Image.fromarray((image * 15.9).astype("uint8"), "L")) for image in digits.images]
    write_images(path, images, digits.target % 2)
    return (
        f"task.path={path}",
        "task.name=odd-or-even",
        "task.classes=2",
        "task.columns.image=img",
        "task.splits.train=train",
    )


ONE_SHOT = (*SHORT, "protocol.recipe.epochs=4", "accuracy.seeds=[3]")


@pytest.fixture
def one_shot(vitzero, tmp_path):
    """Where two architectures have inherited their accuracies from a supernet that was trained there."""
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=2", "sample.params_low=100000")
    code, _, _ = vitzero(f"root={tmp_path}", *ONE_SHOT)
    assert code == 0
    return tmp_path


def test_what_a_run_cost_is_told(vitzero, one_shot):
    digits = Task(settings().task)
    count = {split: len(digits.labels(split)) for split in ("train", "validation", "test")}
    (run,) = query(one_shot, "SELECT * FROM runs WHERE job = 'accuracy'")
    assert run["images"] == 4 * count["train"] + 2 * (count["validation"] + count["test"])
    assert run["images_per_second"] == pytest.approx(run["images"] / run["seconds"])
    assert run["peak_bytes"] is None and run["device"].startswith("cpu")
    vitzero(f"root={one_shot}", *ONE_SHOT)
    (again,) = query(one_shot, "SELECT * FROM runs WHERE job = 'accuracy'")
    assert (again["images"], again["seconds"]) == (run["images"], run["seconds"])


def test_what_is_inherited_is_tuned(vitzero, one_shot, odd_or_even):
    (checkpoint,) = (one_shot / "checkpoints").glob("*.pt")
    tune = (*SHORT, "protocol=finetune", f"protocol.checkpoint={checkpoint}", "protocol.recipe.epochs=1")
    code, out, _ = vitzero(f"root={one_shot}", *tune, *odd_or_even)
    assert code == 0 and "2 trained, 0 failed" in out
    found = query(one_shot, "SELECT * FROM accuracies WHERE protocol = 'finetune'")
    assert {row["source"] for row in found} == {
        f"tuned from {checkpoint.name} on a local copy: train.parquet"
    }

    # By steps of no length an architecture stays as it was inherited, by longer ones it does not.
    for recipe, rate in (("still", 0.0), ("moved", 3e-3)):
        named = (f"protocol.recipe.name={recipe}", f"protocol.recipe.learning_rate={rate}")
        assert vitzero(f"root={one_shot}", *tune, *named)[0] == 0
    inherited, still, moved = (measured(one_shot, recipe) for recipe in ("one-shot", "still", "moved"))
    assert len(inherited) == 4 and inherited.keys() == still.keys() == moved.keys()
    for key, values in inherited.items():
        assert still[key] == pytest.approx(values, abs=1e-5), key
        assert moved[key] != pytest.approx(values, abs=1e-5), key


def measured(root, recipe):
    """Accuracy and loss on the digits by architecture and split."""
    rows = query(root, f"FROM accuracies WHERE task = 'digits' AND recipe LIKE '{recipe}%'")
    return {(row["arch_id"], row["split"]): (row["accuracy"], row["loss"]) for row in rows}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("supernet") / "supernet.pt"
    torch.save(MICRO.supernet(seed=5).state_dict(), path)
    return path


def begun(checkpoint, architecture, *overrides):
    wanted = settings("protocol=finetune", f"protocol.checkpoint={checkpoint}", *overrides)
    return finetune.beginning(wanted, Task(wanted.task))(architecture, 7).state_dict()


def test_finetune_begins_with_the_inherited_weights(checkpoint):
    (architecture,) = MICRO.sample(1, seed=1)
    assert vars(checkpoint_shape(checkpoint)) == vars(MICRO.default_shape)
    inherited = MICRO.supernet(seed=5).extract(architecture).state_dict()
    same = begun(checkpoint, architecture)
    assert all(torch.equal(same[name], weight) for name, weight in inherited.items())

    other = begun(checkpoint, architecture, "task.classes=3")
    fresh = MICRO.build(architecture, seed=7, classes=3).state_dict()
    for name, weight in other.items():
        assert torch.equal(weight, (fresh if name.startswith("head.") else inherited)[name]), name


def test_positions_of_another_image_size_are_interpolated(checkpoint):
    (architecture,) = MICRO.sample(1, seed=1)
    inherited = MICRO.supernet(seed=5).extract(architecture).state_dict()["pos_embed"]
    found = begun(checkpoint, architecture, "task.image_size=16")["pos_embed"]
    assert found.shape[1] == 65 and torch.equal(found[:, 0], inherited[:, 0])
    # Of a grid that rises evenly the interpolated one does too, where no edge is near.
    ramp = torch.arange(4.0).repeat_interleave(4).view(1, 16, 1)
    stretched = finetune._stretched(torch.cat((torch.zeros(1, 1, 1), ramp), 1), 65)
    inner = stretched[0, 1:, 0].view(8, 8)[3:5]
    assert torch.allclose(inner[1] - inner[0], torch.full((8,), 0.5), atol=0.05)


def test_other_patches_and_no_supernet_are_refused_in_one_line(checkpoint, tmp_path):
    (architecture,) = MICRO.sample(1, seed=1)
    with pytest.raises(BuilderError, match="patches of 2 pixels and 1 channels; .* patches of 4 and 1"):
        begun(checkpoint, architecture, "task.patch_size=4")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(spaces.SpaceError, match="is not one of a supernet"):
        begun(tmp_path / "other.pt", architecture)


@pytest.mark.parametrize("protocol", ["supernet", "scratch"])
def test_a_dry_run_measures_and_writes_nothing(vitzero, sampled, protocol):
    before = sorted(sampled.rglob("*"))
    code, out, _ = vitzero(f"root={sampled}", *SHORT, f"protocol={protocol}", "dry_run=true")
    assert code == 0 and sorted(sampled.rglob("*")) == before
    assert "3 of 3 accuracies of autoformer-micro missing; nothing was written" in out
    assert "total" in out and "seconds each" in out


def test_rows_that_are_there_are_not_estimated(vitzero, sampled):
    options = (f"root={sampled}", *SHORT, "protocol.recipe.epochs=1")
    vitzero(*options, "accuracy.architectures=2")
    out = vitzero(*options, "dry_run=true")[1]
    assert "1 of 3 accuracies" in out
    assert "steps       0," in out, "the supernet is trained already"
    vitzero(*options)
    assert "0 of 3 accuracies" in vitzero(*options, "dry_run=true")[1]


def test_estimates_follow_epochs_workers_and_curves():
    def plan(*overrides, networks=10, taken=0):
        return estimate(settings("protocol=scratch", *overrides), networks, networks, 18, taken, 0.5, 2.0)

    one, two = (plan(f"protocol.recipe.epochs={epochs}") for epochs in (100, 200))
    assert one.training == 10 * 100 * 18 * 0.5 and two.training == 2 * one.training
    assert one.evaluating == two.evaluating == 20.0
    assert plan("accuracy.workers=4").total == one.total / 4
    assert plan("accuracy.curve_epochs=30").evaluations == 10 * 4  # 30, 60, 90, and the end
    assert plan("accuracy.curve_epochs=50").evaluations == 10 * 2
    assert plan(taken=18).steps == one.steps - 18
    inherited = estimate(settings("protocol=supernet"), 10, 0, 0, 0, 0.0, 2.0)
    assert inherited.total == 20.0 and inherited.workers == 1
    assert clock(3725.4) == "1 h 02 min 05 s"


def test_what_a_recipe_says_is_part_of_its_name():
    names = {
        recipe_id(settings(*overrides))
        for overrides in (
            (),
            ("protocol.recipe.ema=0.99",),
            ("protocol.recipe.hold=8",),
            ("protocol.recipe.augmentation.mixup=0.8",),
            ("protocol.recipe.augmentation.scale=[0.2,1]",),
            ("protocol.recipe.precision=bfloat16",),
        )
    }
    assert len(names) == 6
    recipe = dataclasses.asdict(settings().protocol.recipe)
    assert json.loads(json.dumps(recipe)) == recipe

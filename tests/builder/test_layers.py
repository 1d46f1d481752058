"""The layers job on real digits: its numbers against plain ones, its blocks, its failures."""

import math
import shutil

import pytest
import torch
from torch.nn.functional import cross_entropy

import spaces
from builder.command import _compose, checked
from builder.jobs.layers import layer_statistics
from builder.scoring import mini_batches, untrained
from builder.tasks import Task
from proxies.probe.per_sample import Moments
from spaces import Architecture
from store import Benchmark
from store.write import write_part
from tests.builder.test_jobs import parts, rows
from tests.store.planted import accuracy_row

QUICK = ("sample.n=4", "score.batch_size=6", "score.memory_gib=null", "layers.draws=50", "threads=1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    from tests.builder.test_search import run_once

    root = tmp_path_factory.mktemp("layers")
    run_once(f"root={root}", *QUICK, "job=sample")
    return root, run_once(f"root={root}", *QUICK, "job=layers")


def architectures(root):
    with Benchmark.open(root) as benchmark:
        return [Architecture(row["space"], row["genome"]) for row in benchmark.architectures().to_pylist()]


def test_every_layer_of_every_architecture_has_a_row(measured):
    root, out = measured
    found = rows(root, "layers")
    assert {row["status"] for row in found} == {"ok"} and {row["batch_size"] for row in found} == {6}
    for architecture in architectures(root):
        network = spaces.get(architecture.space).build(architecture)
        mine = sorted((r for r in found if r["arch_id"] == architecture.arch_id), key=lambda r: r["place"])
        weights = {
            name: module.weight.numel()
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
        }
        assert {row["layer"]: row["params"] for row in mine} == weights
        assert [row["depth_percentile"] for row in mine] == [10 * k // len(mine) for k in range(len(mine))]
    assert "The spikes, by the curve alone:" in out and "nothing was fitted" in out


def test_the_numbers_are_those_of_one_backward_pass_a_sample(measured, vitzero):
    root, _ = measured
    architecture, seed = architectures(root)[0], 0
    settings = checked(_compose([f"root={root}", *QUICK]))
    task = Task(settings.task, root / "cache")
    ((images, labels),) = mini_batches(task, 1, 6, seed, torch.device("cpu"))
    network = untrained(architecture, task, seed)
    layers = {
        n: m.weight for n, m in network.named_modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)
    }
    samples = []
    for image, label in zip(images, labels, strict=True):
        loss = cross_entropy(network(image[None]), label[None])
        samples.append(torch.autograd.grad(loss, list(layers.values())))
    for (name, _), *gradients in zip(layers.items(), *samples, strict=True):
        (row,) = [
            r for r in rows(root, "layers") if (r["arch_id"], r["layer"]) == (architecture.arch_id, name)
        ]
        sigma = torch.stack(gradients).double().abs().std(dim=0, correction=0)
        sigma = sigma[sigma > 0]
        assert row["log_sigma_mean"] == pytest.approx(sigma.log().mean().item(), abs=1e-3), name
        assert row["log_sigma_std"] == pytest.approx(sigma.log().std(correction=0).item(), abs=1e-3), name
        assert row["lambda_term"] == pytest.approx((1 / sigma).sum().log().item(), abs=1e-3), name


def test_lambda_of_any_interval_is_the_proxy_without_computing_again(measured, vitzero):
    root, _ = measured
    names = {
        "l_swag_lambda": (0, 9),
        "l_swag_lambda[interval=2-5]": (2, 5),
        "l_swag_lambda[interval=9-9]": (9, 9),
    }
    wanted = ",".join(f'"{name}"' for name in names)
    assert vitzero(f"root={root}", *QUICK, "job=score", f"proxies.names=[{wanted}]")[0] == 0
    layers = rows(root, "layers")
    scores = rows(root, "scores")
    assert len(scores) == 4 * len(names)
    for score in scores:
        first, last = names[score["proxy"]]
        terms = [
            row["lambda_term"]
            for row in layers
            if row["arch_id"] == score["arch_id"] and first <= row["depth_percentile"] <= last
        ]
        assert sum(terms) == pytest.approx(score["value"], rel=1e-12)


def test_blocks_change_nothing_and_running_again_does_nothing(measured, vitzero, tmp_path):
    root, _ = measured
    before = parts(root)
    code, out, _ = vitzero(f"root={root}", *QUICK, "job=layers")
    assert code == 0 and parts(root) == before and "seed 0: nothing to do" in out
    vitzero(f"root={tmp_path}", *QUICK, "job=sample")
    vitzero(f"root={tmp_path}", *QUICK, "job=layers", "layers.block=1", "layers.architectures=2")
    vitzero(f"root={tmp_path}", *QUICK, "job=layers", "layers.block=3")

    def facts(place):
        return [{k: v for k, v in row.items() if k != "run_id"} for row in rows(place, "layers")]

    assert facts(tmp_path) == facts(root)


def test_other_settings_are_not_mixed(measured, vitzero):
    root, _ = measured
    code, out, err = vitzero(f"root={root}", *QUICK, "job=layers", "score.batch_size=8")
    assert (code, out) == (2, "") and "were computed with batch_size 6, not 8" in err


def test_an_interval_is_fitted_where_accuracies_are(measured, vitzero, tmp_path):
    vitzero(f"root={tmp_path}", *QUICK, "job=sample", "sample.n=8")
    rows_of = [accuracy_row(a.arch_id, 0.1 * k, run_id="x") for k, a in enumerate(architectures(tmp_path))]
    write_part(tmp_path, "accuracies", rows_of, "part")
    code, out, _ = vitzero(f"root={tmp_path}", *QUICK, "job=layers")
    assert code == 0 and "FITTED to accuracies, not zero-shot: rho of Lambda" in out


def test_an_architecture_that_fails_is_a_null_in_each_of_its_layers(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", *QUICK, "job=sample")
    code, _, err = vitzero(f"root={tmp_path}", *QUICK, "job=layers", "score.batch_size=1")
    assert code == 2 and "No layer of autoformer-micro on digits could be measured" in err
    found = rows(tmp_path, "layers")
    assert {row["status"] for row in found} == {"error"} and {row["log_sigma_mean"] for row in found} == {
        None
    }
    assert {row["message"] for row in found} == {
        "A variance over samples needs at least 2 images in the first batch; got 1."
    }


def test_a_layer_that_failed_is_measured_again_with_those_beside_it(measured, vitzero, tmp_path):
    root, _ = measured
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    whole = rows(tmp_path, "layers")
    (path,) = (tmp_path / "layers").glob("*.parquet")
    failure = dict.fromkeys(("log_sigma_mean", "log_sigma_std", "lambda_term")) | {"status": "inf"}
    write_part(tmp_path, "layers", [whole[0] | failure, *whole[1:]], path.stem)
    code, out, err = vitzero(f"root={tmp_path}", "job=retry")
    taken = sum(row["arch_id"] == whole[0]["arch_id"] for row in whole)
    assert code == 0 and f"retry: {taken} rows of failed architectures taken out of layers" in out, err
    code, _, err = vitzero(f"root={tmp_path}", *QUICK, "job=layers")
    assert code == 0, err
    assert {row["status"] for row in rows(tmp_path, "layers")} == {"ok"}
    assert len(rows(tmp_path, "layers")) == len(whole)


@pytest.mark.parametrize(
    ("variance", "status"),
    [([0.0, 0.0], "empty"), ([1.0, math.nan], "nan"), ([1.0, math.inf], "inf")],
)
def test_a_layer_without_numbers_says_why(variance, status):
    moments = Moments(torch.ones(2), torch.tensor(variance, dtype=torch.float64))
    assert layer_statistics(moments) == (status, None, None, None)


def test_weights_that_do_not_vary_are_left_out():
    moments = Moments(torch.ones(3), torch.tensor([4.0, 0.0, 0.25], dtype=torch.float64))
    status, mean, spread, term = layer_statistics(moments)
    assert (status, mean) == ("ok", pytest.approx(0.0)) and spread == pytest.approx(math.log(2))
    assert term == pytest.approx(math.log(0.5 + 2.0))

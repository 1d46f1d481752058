"""A user's mistake is one line on standard error, nothing on standard output, and exit code 2."""

import importlib
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import spaces
from builder.command import JOBS
from store import Benchmark
from tests.builder.conftest import noise, write_images

PUBLISHED = (
    "protocol=published",
    *(f"protocol.published.{field}=x" for field in ("path", "accuracy", "source")),
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["proxies.names=[snp]"], "Unknown proxy 'snp'. Did you mean 'snip'?"),
        (["space=autoformer-smal"], "Unknown space 'autoformer-smal'. Did you mean 'autoformer-small'?"),
        (["task=cifr10"], "Unknown task 'cifr10'. Did you mean 'cifar10'?"),
        (["protocol=scrach"], "Unknown protocol 'scrach'. Did you mean 'scratch'?"),
        (["job=scor"], "Unknown job 'scor'. Did you mean 'score'?"),
        (["experiment=dem"], "Unknown experiment 'dem'. Did you mean 'demo'?"),
        (["smple.n=3"], "Unknown key 'smple.n'. Did you mean 'sample.n'?"),
        (
            ["launcher=slurm", "launcher.partiton=gpu"],
            "'launcher.partiton'. Did you mean 'launcher.partition'?",
        ),
        (["launcher=local", "launcher.partition=gpu"], "Known: launcher.name, launcher.workers."),
        (["launcher=sge"], "Unknown launcher 'sge'. Known: local, ray, slurm."),
        (["launcher=slurm", "launcher.signal_seconds=3481"], "expected at least two minutes less than that"),
        (["launcher=slurm", "launcher.options=[--qos]"], """as in 'launcher.options=["qos=low"]'."""),
        (["launcher=local", "accuracy.workers=2"], "Set launcher.workers instead."),
        (["+sample.m=3"], "+sample.m=3 adds a key that nothing reads"),
        (["sample.n=many"], "Value 'many' of type 'str' could not be converted to Integer"),
        (["sample.n=0"], "sample.n is 0, expected at least 1"),
        (["accuracy.seeds=[99999999999999999999]"], "accuracy.seeds has 99999999999999999999, expected 0 to"),
        (["protocol.recipe.warmup_epochs=inf"], "protocol.recipe.warmup_epochs is inf, expected at least 0"),
        (["protocol.recipe.name=a/b"], "protocol.recipe.name is 'a/b', expected letters"),
        (["protocol.published.importer=hytas"], "sets a key of a group that is null here"),
        (["task.spherical={bandwidth: 10}"], "sets a key of a group that is null here"),
        (["task=null"], "Config group override must be a string"),
        (["sample.n==3"], "Error parsing override 'sample.n==3'"),
        (["task.mean=[0.5,0.5]"], "need one number for each of 1 channels; got 2"),
        (["job=accuracy", "protocol=published"], "protocol.published.path is not set"),
        (["job=score"], "Run job=sample space=autoformer-"),
        (["job=rank"], "No benchmark at"),
        (["device=tpu9"], "Unknown device 'tpu9'"),
        (["device=meta"], "Unknown device 'meta'"),
        (["device=cuda:99"], "torch sees"),
        (["protocol.recipe.learning_rate=nan"], "learning_rate is nan, expected at least 0"),
        (["protocol.recipe.label_smoothing=2"], "label_smoothing is 2.0, expected 0 to 1"),
        (["task.std=[]"], "need one number for each of 1 channels"),
        (["task.std=[0]"], "expected deviations above 0"),
        (["score.seeds=[]"], "the number of score.seeds is 0, expected at least 1"),
        (["rank.seed=-1"], "rank.seed has -1, expected 0 to 2^63 - 1"),
        (["proxies.names=[]"], "proxies.names is empty"),
        (["task.channels=2"], "task.channels is 2, expected 1 (grey) or 3 (colour)"),
        (["protocol=scratch", "protocol.checkpoint=x.pth"], "protocol=scratch inherits no weights"),
        (["protocol=finetune"], "protocol.checkpoint is not set"),
        (["protocol=finetune", "protocol.checkpoint=x.pth", "job=accuracy"], "x.pth does not exist"),
        (["protocol.recipe.ema=1"], "protocol.recipe.ema is 1.0, expected 0 (no average) to below 1"),
        (["protocol.recipe.hold=0"], "protocol.recipe.hold is 0, expected at least 1"),
        (["protocol.recipe.augmentation.crop=middle"], "augmentation.crop is 'middle', expected shift or"),
        (["accuracy.workers=0"], "accuracy.workers is 0, expected at least 1"),
        (["accuracy.curve_epochs=0"], "accuracy.curve_epochs is 0, expected at least 1"),
        (["dry_run=true"], "dry_run=true measures job=accuracy alone"),
        (["dry_run=true", "job=accuracy"], "Run job=sample space=autoformer-"),
        (["dry_run=true", "job=accuracy", *PUBLISHED], "there is nothing to estimate"),
        (["protocol.recipe.precision=float16"], "expected float32 or bfloat16"),
        (["-m", "sample.n=1,2"], "One command is one run"),
        (["--cfg", "job", "space=nope"], "Unknown space 'nope'"),
    ],
)
def test_one_line_and_exit_code_2(vitzero, tmp_path, arguments, message):
    code, out, err = vitzero(f"root={tmp_path / 'none'}", *arguments)
    assert (code, out) == (2, "")
    assert message in err and err.startswith("vitzero: ") and err.count("\n") == 1
    assert not (tmp_path / "none" / "architectures").exists()


@pytest.fixture
def sampled(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=2")
    return tmp_path


def test_a_root_that_is_a_file(vitzero, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = vitzero(f"root={tmp_path / 'file'}", "job=sample", "sample.n=2")
    assert code == 2 and str(tmp_path / "file") in err and err.count("\n") == 1


def test_scores_of_other_settings_are_not_mixed(vitzero, sampled):
    score = (f"root={sampled}", "job=score", "score.batch_size=4", "proxies.names=[snip]")
    assert vitzero(*score, "score.architectures=1")[0] == 0
    for other, message in (
        ("score.batch_size=8", "computed with batch_size 4, not 8"),
        ("task.mean=[0.5]", "computed with mean [0.3053], not [0.5]"),
    ):
        code, _, err = vitzero(*score, other)
        assert code == 2 and message in err and "Use another root or seed" in err
    assert vitzero(*score)[0] == 0


def test_a_truncated_parquet_of_the_benchmark(vitzero, sampled):
    part = next((sampled / "architectures").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-30])
    code, _, err = vitzero(f"root={sampled}", "job=score")
    assert code == 2 and f"{part} is not a whole Parquet file" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("make", "overrides", "message"),
    [
        (None, [], "does not exist"),
        (
            lambda f: write_images(f, noise(2, 8), [0, 1], number=[3, 4]),
            ["task.columns.image=number"],
            "holds int64, not images",
        ),
        (
            lambda f: write_images(f, [b"text"] * 40, [0, 1] * 20),
            ["task.columns.image=img"],
            "cannot be decoded; the first is image",
        ),
    ],
)
def test_a_wrong_task_path(vitzero, sampled, tmp_path, make, overrides, message):
    path = tmp_path / "images" / "train.parquet"
    if make:
        make(path)
    code, _, err = vitzero(
        f"root={sampled}", "job=score", "task=cifar10", f"task.path={path}", "score.batch_size=4", *overrides
    )
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_checkpoint_of_another_space(vitzero, sampled, tmp_path):
    path = tmp_path / "supernet-tiny.pth"
    torch.save({"model": spaces.get("autoformer-tiny").supernet(image_size=32).state_dict()}, path)
    code, _, err = vitzero(f"root={sampled}", "job=accuracy", f"protocol.checkpoint={path}")
    assert code == 2 and f"Checkpoint {path} is not one of autoformer-micro" in err and err.count("\n") == 1
    code, _, err = vitzero(f"root={sampled}", "job=accuracy", "protocol.checkpoint=/no/such.pth")
    assert code == 2 and err == "vitzero: protocol.checkpoint=/no/such.pth does not exist.\n"


def test_the_real_command_line_says_the_same(tmp_path):
    command = [sys.executable, "-m", "builder", "proxies.names=[snp]"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vitzero: Unknown proxy 'snp'. Did you mean 'snip'?\n"


def test_without_the_packages_for_building_it_says_how_to_get_them():
    code = "import sys; sys.modules['hydra'] = None; from builder.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "hydra is not installed" in done.stderr and "pip install '.[build]'" in done.stderr


def test_a_traceback_only_when_asked_for(vitzero, monkeypatch):
    monkeypatch.setenv("VITZERO_DEBUG", "1")
    code, _, err = vitzero("proxies.names=[snp]")
    assert code == 2 and "Traceback" in err


def test_hydras_own_flags_work():
    done = subprocess.run(
        [sys.executable, "-m", "builder", "--cfg", "job", "sample.n=7"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "n': 7" in done.stdout


GOOD = {"depth": 2, "embed_dim": 16, "mlp_ratio": [1.0, 2.0], "num_heads": [1, 2], "top1": 70.0}


@pytest.fixture
def published(vitzero, tmp_path):
    """Import rows as a table of published accuracies; returns what the command line said."""

    def run(rows, *overrides, suffix="parquet"):
        path = tmp_path / f"table.{suffix}"
        if suffix == "csv":
            path.write_text(rows)
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
        return vitzero(
            f"root={tmp_path / 'benchmark'}",
            "job=accuracy",
            "protocol=published",
            f"protocol.published.path={path}",
            "protocol.published.accuracy=top1",
            "protocol.published.source=a paper",
            *overrides,
        )

    return run


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**GOOD, "embed_dim": 17}, "row 2: Genome outside autoformer-micro: embed_dim 17 is not one of"),
        ({**GOOD, "depth": 3}, "row 2: Genome of autoformer-micro: mlp_ratio has 2 entries for a depth of 3"),
        ({**GOOD, "top1": 170.0, "embed_dim": 32}, "row 2: 'top1' is 170.0, outside 0..100"),
        (GOOD, "row 2: the genome .* stands there twice"),
    ],
)
def test_published_accuracies_outside_the_space_or_scale_name_the_row(published, row, message):
    code, _, err = published([GOOD, row])
    assert code == 2 and re.search(message, err), err


def test_a_published_csv_holds_lists_as_json(published, tmp_path):
    head = "depth,embed_dim,mlp_ratio,num_heads,top1\n"
    code, out, _ = published(head + '2,16,"[1.0, 2.0]","[1, 2]",70.0\n', suffix="csv")
    assert code == 0 and "1 of them new" in out
    for wrong in ("1 2", '"[1.0, 1e999]"'):
        code, _, err = published(head + f'2,16,{wrong},"[1, 2]",70.0\n', suffix="csv")
        assert code == 2 and "row 1: " in err and err.count("\n") == 1


def test_a_corrected_import_replaces_and_another_source_needs_another_name(published, tmp_path):
    assert published([GOOD], "protocol.published.scale=200")[0] == 0
    code, out, _ = published([GOOD])
    assert code == 0 and "1 of them new" in out
    with Benchmark.open(tmp_path / "benchmark") as benchmark:
        assert benchmark.accuracy()["accuracy"].to_pylist() == [0.7]
    # The same command, its file corrected in one row, and corrected back.
    other = {**GOOD, "embed_dim": 32}
    for accuracy in (60.0, 50.0, 60.0):
        code, out, _ = published([GOOD, {**other, "top1": accuracy}])
        assert code == 0 and "1 of them new" in out
        with Benchmark.open(tmp_path / "benchmark") as benchmark:
            assert accuracy / 100 in benchmark.accuracy()["accuracy"].to_pylist()
    assert published([GOOD], 'protocol.published.recipe="author\'s"')[0] == 0
    assert published([GOOD], "protocol.published.recipe=authors")[0] == 0
    with Benchmark.open(tmp_path / "benchmark") as benchmark:
        assert benchmark.recipes() == ["author's", "authors", "top1"]
    code, _, err = published([GOOD], "protocol.published.source=another paper")
    assert code == 2 and "holds accuracies of 'a paper'. Name these with protocol.published.recipe=." in err
    code, _, err = published([GOOD], "protocol.published.scale=0")
    assert code == 2 and "scale is 0" in err


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_a_file_with_a_run(job):
    assert callable(importlib.import_module(f"builder.jobs.{job}").run)

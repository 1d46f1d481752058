"""A user's mistake is one line on standard error, nothing on standard output, and exit code 2."""

import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import spaces
from tests.builder.conftest import noise, write_images


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
        (["+sample.m=3"], "+sample.m=3 adds a key that nothing reads"),
        (["sample.n=many"], "Value 'many' of type 'str' could not be converted to Integer"),
        (["sample.n=0"], "sample.n is 0, expected at least 1"),
        (["task=null"], "Config group override must be a string"),
        (["sample.n==3"], "Error parsing override 'sample.n==3'"),
        (["task.mean=[0.5,0.5]"], "need one number for each of 1 channels; got 2"),
        (["job=accuracy", "protocol=published"], "protocol.published.path is not set"),
        (["job=score"], "No architectures in"),
        (["job=rank"], "No benchmark at"),
        (["device=tpu9"], "Unknown device 'tpu9'"),
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
            lambda f: write_images(f, noise(2, 8), [0, 1]),
            ["task.columns.image=label"],
            "holds int64, not images",
        ),
        (
            lambda f: write_images(f, [b"text"] * 40, [0, 1] * 20),
            ["task.columns.image=img"],
            "of its source is not one",
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


def test_a_traceback_only_when_asked_for(vitzero, monkeypatch):
    monkeypatch.setenv("VITZERO_DEBUG", "1")
    code, _, err = vitzero("proxies.names=[snp]")
    assert code == 2 and "Traceback" in err


def test_hydras_own_flags_work():
    done = subprocess.run(
        [sys.executable, "-m", "builder", "--cfg", "job", "sample.n=7"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "n': 7" in done.stdout


def test_published_accuracies_outside_the_space_or_scale_name_the_row(vitzero, tmp_path):
    good = {"depth": 2, "embed_dim": 16, "mlp_ratio": [1.0, 2.0], "num_heads": [1, 2], "top1": 70.0}
    cases = [
        ({**good, "embed_dim": 17}, "row 2: Genome outside autoformer-micro: embed_dim 17 is not one of"),
        ({**good, "depth": 3}, "row 2: Genome of autoformer-micro: mlp_ratio has 2 entries for a depth of 3"),
        ({**good, "top1": 170.0, "embed_dim": 32}, "row 2: 'top1' is 170.0, outside 0..100"),
        (good, "row 2: the genome .* stands there twice"),
    ]
    for row, message in cases:
        path = tmp_path / "table.parquet"
        pq.write_table(pa.Table.from_pylist([good, row]), path)
        code, _, err = vitzero(
            f"root={tmp_path / 'benchmark'}",
            "job=accuracy",
            "protocol=published",
            f"protocol.published.path={path}",
            "protocol.published.accuracy=top1",
            "protocol.published.source=a paper",
        )
        assert code == 2 and re.search(message, err), err

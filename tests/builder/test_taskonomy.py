"""Mini-batches of TransNAS-Bench-101's seven tasks from a folder in Taskonomy's layout."""

import json

import numpy as np
import pytest
import torch
from hydra.core.config_store import ConfigStore
from PIL import Image

import proxies
import spaces
from builder.command import _compose, checked
from builder.errors import BuilderError
from builder.scoring import mini_batches, task_of
from builder.settings import Settings
from builder.taskonomy import Taskonomy
from store import Benchmark

TASKS = ("class_object", "class_scene", "room_layout", "jigsaw", "segmentsemantic", "autoencoder", "normal")
SIDE = 40  # of the images on disk


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two buildings of four views; in the second one nothing is listed to train on."""
    root = tmp_path_factory.mktemp("taskonomy")
    draws = np.random.default_rng(0)
    for building in ("adairsville", "yadkin"):
        for domain in ("rgb", "normal", "segmentsemantic", "class_object", "class_scene", "room_layout"):
            (root / building / domain).mkdir(parents=True)
        for view in range(4):
            write_view(root / building, f"point_{view}_view_0", draws)
    for domain, kept, of in (("class_object", 75, 1000), ("class_scene", 47, 365)):
        np.save(root / f"{domain}_final5k.npy", np.arange(of) < kept)
    orders = np.stack([draws.permutation(9) for _ in range(1000)])
    np.save(root / "permutations_hamming_max_1000.npy", orders)
    views = [f"adairsville/{{domain}}/point_{view}_view_0_domain_{{domain}}.png" for view in range(4)]
    (root / "adairsville" / "image_list_final5k.json").write_text(json.dumps(views))
    listed = {"filename_list": ["adairsville/image_list_final5k.json"]}
    (root / "train_filenames_final5k.json").write_text(json.dumps(listed))
    return root


def write_view(building, name, draws):
    def picture(domain, array):
        Image.fromarray(array.astype(np.uint8)).save(building / domain / f"{name}_domain_{domain}.png")

    def numbers(domain, count):
        np.save(building / domain / f"{name}_domain_{domain}.npy", draws.random(count))

    for domain in ("rgb", "normal"):
        picture(domain, draws.integers(0, 256, (SIDE, SIDE, 3)))
    picture("segmentsemantic", draws.integers(0, 18, (SIDE, SIDE)))
    numbers("class_object", 1000)
    numbers("class_scene", 365)
    numbers("room_layout", 9)


def settings(tmp_path, name, *overrides):
    ConfigStore.instance().store("settings", Settings)
    return checked(_compose([f"root={tmp_path}", f"task={name}", "space=transnas-micro", *overrides]))


def task(tmp_path, name, folder, *overrides):
    wanted = settings(tmp_path, name, f"task.path={folder}", *overrides)
    return Taskonomy(wanted.task)


@pytest.mark.parametrize("name", TASKS)
def test_batches_have_the_shape_that_the_networks_loss_takes(tmp_path, folder, name):
    found = task(tmp_path, name, folder, *([] if name == "jigsaw" else ["task.image_size=64"]))
    network = spaces.get("transnas-micro").build(
        spaces.get("transnas-micro").architecture({"network": "64-41414-1_01_001"}), **found.shape
    )
    batches = found.batches(2, 2, seed=0)
    assert all(images.shape[1:] == network.input_shape for images, _ in batches)
    assert proxies.compute(["snip"], network, batches[:1])["snip"].status == "ok"
    again = found.batches(2, 2, seed=0)
    assert all(
        torch.equal(a, b) for x, y in zip(batches, again, strict=True) for a, b in zip(x, y, strict=True)
    )
    (first, _), (second, _) = batches
    assert not torch.equal(first, second)


def test_labels_are_those_of_the_files(tmp_path, folder):
    def only(name, *overrides):
        (images, labels), *_ = task(tmp_path, name, folder, "task.image_size=40", *overrides).batches(1, 4, 0)
        return images, labels

    _, shares = only("class_object")
    stored = np.stack([np.load(f)[:75] for f in sorted((folder / "adairsville" / "class_object").glob("*"))])
    expected = stored / stored.sum(axis=1, keepdims=True)
    assert sorted(shares[:, 0].tolist()) == pytest.approx(sorted(expected[:, 0]), rel=1e-5)
    assert torch.allclose(shares.sum(dim=1), torch.ones(4))
    images, itself = only("autoencoder")
    assert torch.equal(images, itself) and images.min() < -0.9  # both normalised to -1..1
    _, normals = only("normal")
    assert 0 <= normals.min() < 0.1 and 0.9 < normals.max() <= 1
    _, segments = only("segmentsemantic")
    assert segments.unique().tolist() == list(range(17))  # of 0..17: what is not labelled is the first class


def test_the_pieces_of_a_puzzle_come_in_the_order_of_the_label(tmp_path, folder):
    whole = np.zeros((255, 255, 3), dtype=np.uint8)
    for place in range(9):
        row, column = place // 3 * 85, place % 3 * 85
        whole[row : row + 85, column : column + 85] = 20 * (place + 1)
    building = tmp_path / "flat" / "rgb"
    building.mkdir(parents=True)
    Image.fromarray(whole).save(building / "point_0_view_0_domain_rgb.png")
    orders = np.load(folder / "permutations_hamming_max_1000.npy")
    np.save(tmp_path / "permutations_hamming_max_1000.npy", orders)
    ((images, labels),) = task(tmp_path, "jigsaw", tmp_path).batches(1, 1, seed=0)
    pieces = images.view(9, 3, 64, 64)[:, 0].median(dim=2).values.median(dim=1).values * 255 / 20 - 1
    assert pieces.round().long().tolist() == orders[labels.item()].tolist()


def test_proxies_that_look_at_no_image_run_without_any(vitzero, tmp_path):
    common = [f"root={tmp_path}", "space=transnas-micro", "task=normal", "task.image_size=64", "threads=1"]
    assert vitzero(*common, "job=sample", "sample.n=1")[0] == 0
    common += ["job=score", "score.batch_size=2"]
    code, out, err = vitzero(*common, "proxies.names=[params,macs,synflow,zen]")
    assert code == 0, err
    assert "seed 0: 4 ok" in out
    code, _, err = vitzero(*common, "proxies.names=[snip]")
    assert code == 2 and "Taskonomy's images are not fetched. Give a folder in its layout" in err
    with Benchmark.open(tmp_path) as benchmark:
        assert len(benchmark.sql("SELECT * FROM scores WHERE status = 'ok'")) == 4


def test_noise_gives_zen_the_score_that_images_do(tmp_path, folder):
    found = task(tmp_path, "normal", folder, "task.image_size=64")
    space = spaces.get("transnas-micro")
    network = space.build(space.sample(1, seed=0)[0], **found.shape)
    device = torch.device("cpu")
    batches = [mini_batches(found, 1, 2, 0, device, noise) for noise in (False, True)]
    first, second = (proxies.compute(["zen"], network, batch)["zen"].value for batch in batches)
    assert first == second


def test_mistakes_are_one_line(tmp_path, folder, vitzero):
    wanted = settings(tmp_path, "class_object", f"task.path={folder}", "task.classes=74")
    with pytest.raises(BuilderError, match=r"final5k.npy keeps 75 classes, but task.classes is 74"):
        Taskonomy(wanted.task).batches(1, 1, 0)
    with pytest.raises(BuilderError, match="has 4 training images, but 1 batches of 5 need 5"):
        task(tmp_path, "normal", folder).batches(1, 5, 0)
    with pytest.raises(BuilderError, match="is not a folder in Taskonomy's layout"):
        task(tmp_path, "normal", tmp_path / "nowhere").batches(1, 1, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuilderError, match="has no images. Expected <building>/rgb/"):
        task(tmp_path, "normal", tmp_path / "empty").batches(1, 1, 0)
    code, _, err = vitzero(f"root={tmp_path}", "job=score", "task=normal", "task.target=picture")
    assert code == 2 and "task.target is 'picture', expected one of classes" in err
    at = [f"root={tmp_path}", "space=transnas-micro", "task=normal"]
    assert vitzero(*at, "job=sample", "sample.n=1")[0] == 0
    code, _, err = vitzero(*at, "job=accuracy", "protocol=scratch")
    assert code == 2 and "networks are scored on Taskonomy's images here, not trained" in err


def test_a_space_without_the_targets_head_says_so(vitzero, tmp_path):
    at = [f"root={tmp_path}", "space=autoformer-micro", "task=normal", "task.image_size=64"]
    assert vitzero(*at, "job=sample", "sample.n=1")[0] == 0
    code, _, err = vitzero(*at, "job=score", "proxies.names=[params]")
    assert code == 2 and "autoformer-micro makes classes, not 'image'" in err


def test_task_of_takes_the_kind_of_the_settings(tmp_path):
    class Run:
        cache = tmp_path

    assert isinstance(task_of(settings(tmp_path, "normal"), Run()), Taskonomy)
    assert not isinstance(task_of(settings(tmp_path, "digits"), Run()), Taskonomy)

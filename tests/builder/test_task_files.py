"""The six tasks and the reduced ImageNets from Parquet with the hub's columns, feature types and splits."""

import logging
from types import SimpleNamespace

import datasets
import huggingface_hub
import pytest
import torch
from datasets import ClassLabel, Image, Value
from torch.nn import functional

import spaces
from builder.errors import BuilderError
from builder.training.images import SplitImages
from tests.builder.conftest import noise
from tests.builder.test_tasks import task


def classes(count):
    return ClassLabel(names=[f"class {number}" for number in range(count)])


CIFAR100 = {"img": Image(), "fine_label": classes(100), "coarse_label": classes(20)}
# task -> columns of the hub's data set, its splits, pixels a side of our images
HUB = {
    "imagenet": ({"image": Image(), "label": classes(1000)}, ("train", "validation"), 50),
    "cifar10": ({"img": Image(), "label": classes(10)}, ("train", "test"), 32),
    "cifar100": (CIFAR100, ("train", "test"), 32),
    "pets": (
        {"image": Image(), "label": classes(37), "image_id": Value("string"), "label_cat_dog": classes(2)},
        ("train", "test"),
        60,
    ),
    "svhn": ({"image": Image(), "label": classes(10)}, ("train", "test"), 32),
    "spherical_cifar100": (CIFAR100, ("train", "test"), 32),
    "imagenette": ({"image": Image(), "label": classes(10)}, ("train", "validation"), 48),
    "tiny_imagenet": ({"image": Image(), "label": classes(200)}, ("train", "valid"), 64),
}
every_task = pytest.mark.parametrize("name", sorted(HUB))


def label_of(name):
    return "fine_label" if "fine_label" in HUB[name][0] else "label"


def write(folder, name, missing=(), labels=None):
    """Write a task's data set, an image of every label in each split; without some columns or splits."""
    features, splits, side = HUB[name]
    labels = range(features[label_of(name)].num_classes) if labels is None else labels
    images = [{"bytes": data, "path": None} for data in noise(4, side)]
    values = {
        "Image": [images[label % 4] for label in labels],
        "Value": [f"number {label}" for label in labels],
    }
    columns, kinds = {}, {}
    for column, kind in features.items():
        if column in missing:
            continue
        # Only the column that the task reads goes by our labels, which may be more than the hub's.
        number = max(labels) + 1 if column == label_of(name) else getattr(kind, "num_classes", 0)
        kinds[column] = classes(number) if isinstance(kind, ClassLabel) else kind
        columns[column] = values.get(type(kind).__name__) or [label % number for label in labels]
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    for split in set(splits) - set(missing):
        data.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return task(f"task={name}", f"task.path={folder}")


@pytest.fixture(autouse=True)
def no_bars():
    datasets.disable_progress_bars()


@every_task
def test_a_task_trains_two_steps_on_files_as_the_hub_has_them(tmp_path, name):
    found = write(tmp_path, name)
    number = HUB[name][0][label_of(name)].num_classes
    assert found.labels("train").tolist() == found.labels("test").tolist() == list(range(number))
    images = SplitImages.of(found, "train", torch.device("cpu"))
    space = spaces.get("autoformer-micro")
    network = space.build(space.sample(1, seed=0)[0], seed=0, **found.shape)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    steps = []
    for pixels, labels in images.batches(torch.arange(8).flip(0), batch_size=4):
        assert pixels.shape == (4, 3, *[found.settings.image_size] * 2) and pixels.dtype == torch.uint8
        loss = functional.cross_entropy(network(found.normalise(pixels)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.append((labels.tolist(), loss.item()))
    assert [labels for labels, _ in steps] == [[7, 6, 5, 4], [3, 2, 1, 0]]
    assert all(0 < loss < 20 for _, loss in steps)


@every_task
def test_a_missing_column_or_split_is_one_line(tmp_path, name):
    image, label, test = next(iter(HUB[name][0])), label_of(name), HUB[name][1][1]
    for missing, expected in (
        (image, f"has no column '{image}', but .*task.columns.image="),
        (label, f"has no column '{label}', but .*task.columns.label="),
        (test, f"has no split '{test}', but train"),
    ):
        folder = tmp_path / missing
        folder.mkdir()
        found = write(folder, name, missing=[missing])
        with pytest.raises(BuilderError, match=f"Task '{name}': .*{expected}"):
            found.labels("test")


@every_task
def test_a_class_too_many_or_too_few_is_one_line(tmp_path, name):
    number = HUB[name][0][label_of(name)].num_classes
    more, fewer = tmp_path / "more", tmp_path / "fewer"
    more.mkdir()
    fewer.mkdir()
    with pytest.raises(
        BuilderError, match=rf"Task '{name}': label {number} in .* is outside 0\.\.{number - 1}"
    ):
        write(more, name, labels=[*range(8), number]).labels("train")
    found = write(fewer, name, labels=[label for label in range(number) if label != 7])
    with pytest.raises(
        BuilderError, match=rf"Task '{name}': class 7 has no training image \(1 of {number} classes"
    ):
        SplitImages.of(found, "train", torch.device("cpu"))
    assert len(found.batches(1, 4, seed=0)) == 1  # a probe needs no class in particular


class Hub:
    """What the library is asked for, answered with the rows of one small data set."""

    def __init__(self):
        self.asked = []

    def load_dataset(self, *names, **options):
        self.asked.append((names, options))
        rows = {"image": [{"bytes": data, "path": None} for data in noise(10)], "label": list(range(10))}
        kinds = {"image": Image(), "label": classes(10)}
        return datasets.Dataset.from_dict(rows, features=datasets.Features(kinds))


@pytest.fixture
def hub(monkeypatch):
    found = Hub()
    monkeypatch.setattr(datasets, "load_dataset", found.load_dataset)
    return found


def test_a_data_set_is_asked_for_by_configuration_and_commit(hub):
    svhn = task("task=svhn")
    assert svhn.labels("test").tolist() == list(range(10))
    options = {"revision": svhn.settings.revision, "split": "test"}
    assert hub.asked == [(("ufldl-stanford/svhn", "cropped_digits"), options)]


def test_files_are_asked_for_by_commit_and_split(hub):
    imagenette = task("task=imagenette")
    imagenette.labels("test")
    ((names, options),) = hub.asked
    where = f"hf://datasets/frgfm/imagenette@{imagenette.settings.revision}/320px/validation-*.parquet"
    assert names == ("parquet",)
    assert options == {"data_files": {"validation": where}, "split": "validation"}


def test_files_of_no_split_are_refused_and_other_braces_are_the_hubs(hub):
    for pattern in ("all/*.parquet", "{part}/*.parquet"):
        with pytest.raises(BuilderError, match=r"task.hub_files is '.*', expected \{split\} in it"):
            task("task=imagenette", f"task.hub_files='{pattern}'")
    task("task=imagenette", "task.hub_files='{split}-{a,b}.parquet'").labels("test")
    ((_, options),) = hub.asked
    assert options["data_files"]["validation"].endswith("/validation-{a,b}.parquet")


def test_without_a_commit_the_newest_is_loaded_and_said_once(hub, monkeypatch, capsys):
    class Info:
        sha = "f" * 40

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda api, name: Info)
    svhn = task("task=svhn", "task.revision=null")
    svhn.labels("test"), svhn.labels("train")
    assert [options["revision"] for _, options in hub.asked] == ["f" * 40] * 2
    said = capsys.readouterr().out
    assert said.count("svhn") == 2 and f"Pin it: task.revision={'f' * 40}" in said and said.count("\n") == 1


def test_without_a_network_there_is_one_line_and_no_talk_of_terms(monkeypatch):
    logger, heard = logging.getLogger("huggingface_hub"), []
    level = logger.level

    def unreachable(*_, **__):
        heard.append(logger.isEnabledFor(logging.WARNING))
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        BuilderError, match=r"\(Couldn't reach the hub\)\. Give a local copy with task.path=\.$"
    ):
        task("task=imagenet").labels("train")
    assert heard == [False] and logger.level == level


def test_a_gated_data_set_without_a_token_is_one_clear_line(monkeypatch):
    """The library meets what the hub answers to a stranger; the rest of the way is its own and ours."""

    def refused(*_, **__):
        answer = SimpleNamespace(status_code=401, headers={}, request=None)
        raise huggingface_hub.errors.GatedRepoError("401 Client Error. (Request ID: 7)", response=answer)

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "hf_hub_download", refused)
    with pytest.raises(BuilderError) as error:
        task("task=imagenet").labels("train")
    assert str(error.value) == (
        "Task 'imagenet': ILSVRC/imagenet-1k could not be loaded from the hub (Dataset "
        "'ILSVRC/imagenet-1k' is a gated dataset on the Hub. You must be authenticated to access it). Give a "
        "local copy with task.path=, or accept its terms there and set HF_TOKEN."
    )

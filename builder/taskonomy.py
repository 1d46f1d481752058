"""TransNAS-Bench-101's seven tasks: mini-batches from a local folder in Taskonomy's layout.

Source: Duan et al., "TransNAS-Bench-101", CVPR 2021, and its released code; images and labels are those of
Zamir et al., "Taskonomy", CVPR 2018. The folder holds

    <building>/rgb/point_0_view_1_domain_rgb.png
    <building>/<domain>/point_0_view_1_domain_<domain>.npy (or .png)
    train_filenames_final5k.json            lists of the buildings to train on; without it, all of them
    class_object_final5k.npy, class_scene_final5k.npy, permutations_hamming_max_1000.npy

The last three come with the benchmark's code: which classes are kept, and the puzzle's orders.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from builder.errors import BuilderError
from builder.pixels import DAMAGED
from builder.sources import reason
from builder.tasks import Task

_TRAIN = "train_filenames_final5k.json"
_PERMUTATIONS = "permutations_hamming_max_1000.npy"
_PUZZLE, _KEPT, _PIECES = 255, 0.9, 3  # pixels a side, share of it that is kept, pieces a side


class Taskonomy(Task):
    """One of the seven tasks; only its mini-batches can be had.

    A target's labels are float32 but for segments and permutations, which are int64 classes:
    probabilities (batch, classes), sums of 1; values (batch, classes); segments (batch, side, side); an image
    (batch, 3, side, side). A puzzle's nine pieces lie in the channels, (batch, 27, side, side).
    """

    def batches(self, count: int, batch_size: int, seed: int) -> list[tuple[Tensor, Tensor]]:
        """Draw mini-batches of training images, without an image in two of them. Arguments as in `Task`.

        Raises BuilderError when the folder is not there, or lacks what the target needs.
        """
        if count == 0:
            return []
        draws = self.draws(seed)
        views = self._views()
        wanted = count * batch_size
        if wanted > len(views):
            raise BuilderError(
                f"Task '{self.name}' has {len(views)} training images, but {count} batches of {batch_size} "
                f"need {wanted}. Lower score.batch_size."
            )
        order = torch.randperm(len(views), generator=draws)[:wanted].tolist()
        pairs = [
            self._pair(views[index], draws)
            for index in tqdm(order, f"read {self.name}", delay=2, leave=False)
        ]
        images, labels = (torch.stack(tensors) for tensors in zip(*pairs, strict=True))
        return list(zip(images.split(batch_size), labels.split(batch_size), strict=True))

    def noise(self, count: int, batch_size: int, seed: int) -> list[tuple[Tensor, None]]:
        """Draw mini-batches of N(0, 1) pixels. Arguments as in `Task`."""
        found = super().noise(count, batch_size, seed)
        pieces = _PIECES**2 if self.settings.target == "permutation" else 1
        return [(images.repeat(1, pieces, 1, 1), None) for images, _ in found]

    def _folder(self) -> Path:
        if not self.settings.path:
            raise BuilderError(
                f"Task '{self.name}': Taskonomy's images are not fetched. "
                "Give a folder in its layout with task.path= (docs/tasks.md)."
            )
        folder = Path(self.settings.path).expanduser()
        if not folder.is_dir():
            raise BuilderError(f"task.path={self.settings.path} is not a folder in Taskonomy's layout.")
        return folder

    def _views(self) -> list[tuple[str, str]]:
        """The building and the name, "point_0_view_1", of every image to train on."""
        folder = self._folder()
        listed = folder / _TRAIN
        if listed.is_file():
            lists = [folder / name for name in self._read(listed, json.loads)["filename_list"]]
            paths = [Path(path) for file in lists for path in self._read(file, json.loads)]
        else:
            paths = [path.relative_to(folder) for path in folder.glob("*/rgb/*.png")]
        found = {("/".join(path.parts[:-2]), path.name.partition("_domain_")[0]) for path in paths}
        if not found:
            raise BuilderError(
                f"Task '{self.name}': {folder} has no images. Expected "
                "<building>/rgb/point_0_view_1_domain_rgb.png."
            )
        return sorted(found)

    def _read(self, file: Path, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(file.read_text())
        except (OSError, ValueError) as error:
            raise BuilderError(f"Task '{self.name}': {file} cannot be read ({reason(error)}).") from None

    def _file(self, view: tuple[str, str], domain: str, ending: str) -> Path:
        building, name = view
        return self._folder() / building / domain / f"{name}_domain_{domain}.{ending}"

    def _pair(self, view: tuple[str, str], draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """One image and its label."""
        domain, target, side = str(self.settings.domain), self.settings.target, self.settings.image_size
        photograph = self._picture(self._file(view, "rgb", "png")).convert("RGB")
        if target == "permutation":
            return self._puzzle(photograph, draws)
        image = self.normalise(_pixels(photograph, side)[None])[0]
        if target == "probabilities":
            shares = self._array(self._file(view, domain, "npy"))[self._kept(domain)]
            return image, torch.from_numpy(shares / shares.sum()).float()
        if target == "values":
            return image, torch.from_numpy(self._array(self._file(view, domain, "npy"))).float()
        picture = self._picture(self._file(view, domain, "png"))
        if target == "segments":
            classes = np.asarray(picture.resize((side, side), Image.Resampling.NEAREST), dtype=np.int64)
            return image, torch.from_numpy(np.maximum(classes, 1) - 1)  # 0, not labelled, is the first class
        pixels = _pixels(picture.convert("RGB"), side)
        return image, self.normalise(pixels[None])[0] if domain == "rgb" else pixels.float() / 255

    def _puzzle(self, photograph: Image.Image, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Nine pieces in one of the orders, each from a random place of its field, and which order it is."""
        orders = self._array(self._folder() / _PERMUTATIONS)
        if orders.shape != (self.settings.classes, _PIECES**2):
            raise BuilderError(
                f"Task '{self.name}': {_PERMUTATIONS} is {orders.shape}, expected "
                f"({self.settings.classes}, {_PIECES**2})."
            )
        label = int(torch.randint(len(orders), (), generator=draws))
        margin = round(_PUZZLE * (1 - _KEPT) / 2)
        square = photograph.resize((_PUZZLE, _PUZZLE), Image.Resampling.BILINEAR)
        square = square.crop((margin, margin, _PUZZLE - margin, _PUZZLE - margin))
        pixels = _pixels(square, _PUZZLE)
        field, side = _PUZZLE // _PIECES, self.settings.image_size
        pieces = []
        for place in orders[label].tolist():
            top, left = torch.randint(field - side + 1, (2,), generator=draws).tolist()
            top, left = top + place // _PIECES * field, left + place % _PIECES * field
            pieces.append(pixels[:, top : top + side, left : left + side])
        return self.normalise(torch.stack(pieces)).flatten(0, 1), torch.tensor(label)

    def _kept(self, domain: str) -> np.ndarray:
        """Which of the classes that Taskonomy has are kept, bool."""
        kept = self._array(self._folder() / f"{domain}_final5k.npy").astype(bool)
        if kept.sum() != self.settings.classes:
            raise BuilderError(
                f"Task '{self.name}': {domain}_final5k.npy keeps {kept.sum()} classes, but task.classes is "
                f"{self.settings.classes}."
            )
        return kept

    def _picture(self, file: Path) -> Image.Image:
        try:
            picture = Image.open(file)
            picture.load()
            return picture
        except DAMAGED as error:
            raise BuilderError(f"Task '{self.name}': {file} cannot be read ({reason(error)}).") from None

    def _array(self, file: Path) -> np.ndarray:
        try:
            return np.asarray(np.load(file))
        except (OSError, ValueError) as error:
            raise BuilderError(f"Task '{self.name}': {file} cannot be read ({reason(error)}).") from None


def _pixels(picture: Image.Image, side: int) -> Tensor:
    """A picture as (3, side, side) uint8."""
    resized = picture.resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)

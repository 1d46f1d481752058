"""The command line in this process, and images in files as the hub has them."""

import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from builder.__main__ import main


@pytest.fixture
def vitzero(monkeypatch, capfd):
    """Run a command line; returns (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vitzero", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return code, out, err

    return run


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def noise(count: int, size: int = 32, mode: str = "RGB", seed: int = 0) -> list[bytes]:
    """Encoded images of noise."""
    draws = np.random.default_rng(seed)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    form = "JPEG" if mode == "CMYK" else "PNG"
    return [
        encoded(Image.fromarray(draws.integers(0, 256, (size, size, *channels), dtype=np.uint8), mode), form)
        for _ in range(count)
    ]


def write_images(path, images, labels, image="img", label="label", **extra):
    """Write a Parquet file with an image column of the hub's type: a struct of bytes and path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    column = pa.array([{"bytes": data, "path": None} for data in images])
    pq.write_table(pa.table({image: column, label: pa.array(labels, pa.int64()), **extra}), path)
    return path

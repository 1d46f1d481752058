"""torchvision's image functions, imported when an operation is first asked for: the import takes seconds."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType

import torch

_FUNCTIONAL = "torchvision.transforms.v2.functional"
_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def torchvision_functional() -> ModuleType:
    """Return `torchvision.transforms.v2.functional`.

    torchvision's usual wheel is built for CUDA. Beside a torch for the CPU its compiled operators do not
    load, and its import fails as it describes two of them; once these are declared it succeeds. What is
    written in Python then works, and the operators, which nothing here uses, raise torchvision's own error.
    """
    try:
        return importlib.import_module(_FUNCTIONAL)
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    for name, schema in _MISSING.items():
        torch.library.define(f"torchvision::{name}", schema)
    return importlib.import_module(_FUNCTIONAL)

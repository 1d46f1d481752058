"""Combiners that predict the ranks of accuracy from those of all proxies, by scikit-learn."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import percentiles
from proxies.combiners.table import Real, Table
from proxies.errors import ProxyError


def scikit_learn(module: str) -> Any:
    """Return a module of scikit-learn. Raises ProxyError where it is not installed."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ProxyError(
            f"This combiner needs scikit-learn ({error}). Install it: pip install scikit-learn."
        ) from error


def regressed(tables: Sequence[Table], model: Any) -> Combination:
    """Return the combination that a model predicts after fitting it to the tables.

    model: a regressor of scikit-learn, fitted here. It reads and predicts ranks as shares of their own pool,
           so that architectures of several tasks can stand under each other.
    """
    proxies = tables[0].proxies
    model.fit(
        np.concatenate([percentiles(table.matrix(proxies)) for table in tables]),  # (architectures, proxies)
        np.concatenate([percentiles(table.truth) for table in tables]),  # (architectures,)
    )

    def predicted(scores: Real) -> Real:
        return np.asarray(model.predict(percentiles(scores)), dtype=np.float64)

    return Combination(proxies, predicted)

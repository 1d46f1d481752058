"""What the charts show, read from their specifications."""

import pandas as pd
import pytest

from leaderboard import charts
from leaderboard.filters import short

RANKING = pd.DataFrame(
    {
        "proxy": ["zico", "params", "grasp"],
        "rank": [1, 2, 3],
        "rho": [0.9, 0.6, -0.5],
        "low": [0.8, 0.5, -0.6],
        "high": [0.95, 0.7, -0.4],
        "n": [60, 60, 57],
        "failed": [0, 0, 3],
        "unscored": [0, 0, 0],
        "kind": ["proxy", "control", "proxy"],
    }
)


def points(scores: list[float]) -> pd.DataFrame:
    rows = {"arch_id": "a", "score": scores, "accuracy": 0.5, "params": 1000, "depth": 3}
    return pd.DataFrame(rows)


def test_the_intervals_keep_the_order_of_the_ranking() -> None:
    layers = charts.intervals(RANKING, "zico").to_dict()["layer"]
    assert any(layer["encoding"].get("y", {}).get("sort") == ["zico", "params", "grasp"] for layer in layers)
    assert any(layer["encoding"].get("x2", {}).get("field") == "high" for layer in layers)


def test_the_scatter_tells_genes_only_where_there_are_any() -> None:
    chart = charts.scatter(points([1.0, 2.0]), "depth", False, "title", "subtitle", 300).to_dict()
    told = [channel["field"] for channel in chart["encoding"]["tooltip"]]
    assert told == ["arch_id", "params", "depth", "accuracy", "score"]


@pytest.mark.parametrize(
    "scores, expected",
    [([1e10, 1e60], True), ([1.0, 2.0], False), ([0.0, 1e9], False), ([-1.0, 1e9], False), ([], False)],
)
def test_a_logarithmic_axis_is_offered_for_positive_scores_far_apart(
    scores: list[float], expected: bool
) -> None:
    assert charts.wide(points(scores)) is expected


@pytest.mark.parametrize(
    "count, said", [(999, "999"), (136_000, "136 k"), (5_720_000, "5.72 M"), (100_100_000, "100.1 M")]
)
def test_counts_are_said_short(count: int, said: str) -> None:
    assert short(count) == said

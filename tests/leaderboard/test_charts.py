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


def test_the_ceiling_is_a_line_where_there_is_one() -> None:
    def fields(chart: dict) -> list[str]:
        return [layer["encoding"].get("x", {}).get("field") for layer in chart["layer"]]

    assert "ceiling" in fields(charts.intervals(RANKING, None, 0.93).to_dict())
    assert "ceiling" not in fields(charts.intervals(RANKING, None).to_dict())


def test_learning_curves_are_a_line_a_training() -> None:
    rows = [
        {
            "arch_id": name,
            "protocol": "scratch",
            "recipe": "alone",
            "seed": seed,
            "epoch": e,
            "accuracy": 0.1 * e,
        }
        for name in "ab"
        for seed in (0, 1)
        for e in (1, 2, 3)
    ]
    chart = charts.learning_curves(pd.DataFrame(rows)).to_dict()
    (values,) = chart["datasets"].values()
    assert len({value[chart["encoding"]["detail"]["field"]] for value in values}) == 4
    assert [chart["encoding"][axis]["field"] for axis in "xy"] == ["epoch", "accuracy"]


def test_the_layers_show_their_spread_and_the_intervals_that_were_chosen() -> None:
    curve = pd.DataFrame(
        {
            "percentile": range(10),
            "log_sigma": [-7.0] * 9 + [-4.0],
            "spread": [0.5] * 10,
            "layers": 20,
            "architectures": 10,
            "spike": [False] * 9 + [True],
        }
    )
    cells = [(first, last) for first in range(10) for last in range(first, 10)]
    intervals = pd.DataFrame(cells, columns=["first", "last"]).assign(
        rho=0.5, rho_fitting=0.5, rho_other=0.4, fitted=False, spike=False
    )
    intervals.loc[intervals["last"] - intervals["first"] == 9, "fitted"] = True
    chart = charts.layer_curves(curve, intervals).to_dict()
    left, right = chart["hconcat"]
    ends = [layer["encoding"] for layer in left["layer"] if "y2" in layer["encoding"]]
    assert [(end["y"]["field"], end["y2"]["field"]) for end in ends] == [("low", "high")]
    shown = chart["datasets"][right.get("data", right["layer"][0].get("data"))["name"]]
    assert len(shown) == 55 and [row["last"] for row in shown if row["chosen"] == "fitted"] == [9]


def test_the_best_so_far_is_a_line_a_search_and_a_panel_a_ranker() -> None:
    rows = [
        {"search_id": f"{ranker}{seed}", "ranker": ranker, "strategy": "random", "seed": seed}
        | {"position": k, "best_arch_id": "a", "better": None if k == 1 else 1 / k}
        for ranker in ("params", "macs")
        for seed in (0, 1)
        for k in (1, 2, 3)
    ]
    chart = charts.best_so_far(pd.DataFrame(rows)).to_dict()
    assert chart["facet"]["field"] == "ranker"
    lines, middle = chart["spec"]["layer"]
    assert lines["encoding"]["detail"]["field"] == "search_id"
    assert middle["encoding"]["y"]["aggregate"] == "median"
    (values,) = chart["datasets"].values()
    assert len(values) == 8  # a best so far without a known accuracy has no place

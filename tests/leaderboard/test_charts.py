"""What the charts show, read from their specifications."""

import pandas as pd
import pyarrow as pa
import pytest

from leaderboard import theme
from leaderboard.charts import cost, layers, proxy, ranking, search, tasks
from leaderboard.charts.specification import specified
from leaderboard.words import short

RANKING = pd.DataFrame(
    {
        "proxy": ["zico", "params", 'it\'s "libra"', "grasp"],
        "place": ["1", "2–3", "2–3", "4"],
        "rank": [1, 2, 3, 4],
        "rho": [0.9, 0.6, 0.55, -0.5],
        "low": [0.8, 0.5, 0.4, -0.6],
        "high": [0.95, 0.7, 0.65, -0.4],
        "n": [60, 60, 60, 57],
        "failed": [0, 0, 0, 3],
        "unscored": [0, 0, 0, 0],
        "kind": ["proxy", "control", "fitted combiner", "proxy"],
        "milliseconds": [9.0, 0.1, 30.0, 40.0],
        "front": [True, True, False, False],
    }
)


def points(scores: list[float]) -> pd.DataFrame:
    rows = {"arch_id": "a", "score": scores, "accuracy": 0.5, "params": 1000, "depth": 3}
    return pd.DataFrame(rows)


def fields(chart: dict, channel: str) -> list[str]:
    return [layer.get("encoding", {}).get(channel, {}).get("field") for layer in chart["layer"]]


def test_the_intervals_keep_the_order_of_the_ranking() -> None:
    layers = ranking.intervals(RANKING, "zico", None, "rho").to_dict()["layer"]
    sorts = [layer["encoding"].get("y", {}).get("sort") for layer in layers if "encoding" in layer]
    assert list(RANKING["proxy"]) in sorts
    assert any(layer["encoding"].get("x2", {}).get("field") == "high" for layer in layers)


def test_a_row_tells_its_numbers_once_and_over_its_words_too() -> None:
    *under, row = ranking.intervals(RANKING, "zico", None, "rho").to_dict()["layer"]
    told = [channel["field"] for channel in row["encoding"]["tooltip"]]
    assert told == ["proxy", "kind", "place", "rho", "low", "high", "n", "failed", "unscored"]
    assert row["mark"]["opacity"] == 0 and "width +" in row["encoding"]["x2"]["value"]["expr"]
    assert not any("tooltip" in layer.get("encoding", {}) for layer in under)


def test_a_kind_is_told_by_shape_as_well_as_by_colour() -> None:
    for chart in (ranking.intervals(RANKING, None, None, "rho"), cost.against(RANKING)):
        told = chart.to_dict()
        assert fields(told, "shape").count("kind") == 1 and "kind" in fields(told, "color")
    assert len(set(theme.SHAPES.to_dict()["range"])) == len(theme.KINDS)


def test_strategies_are_told_by_dashes_as_well_as_by_colour() -> None:
    assert len({tuple(dash) for dash in theme.DASHES}) == len(theme.DASHES) == len(theme.LIGHT.ways)


@pytest.mark.parametrize("shades", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_marks_and_words_can_be_read_on_their_ground(shades: theme.Shades) -> None:
    for colour in (*shades.ways[:3], *shades.kinds):
        assert contrast(colour, shades.ground) >= 3  # WCAG 2.1 for graphics
    assert contrast(shades.text, shades.ground) >= 4.5  # and for words
    assert contrast(shades.ink, shades.diverging[2]) >= 4.5
    assert contrast(shades.pale, shades.diverging[4]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Of two colours by WCAG 2.1, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_the_scatter_tells_genes_only_where_there_are_any() -> None:
    chart = proxy.scatter(points([1.0, 2.0]), "depth", False, "title", "subtitle", 300).to_dict()
    told = [channel["field"] for channel in chart["encoding"]["tooltip"]]
    assert told == ["arch_id", "params", "depth", "accuracy", "score"]


@pytest.mark.parametrize(
    "scores, expected",
    [([1e10, 1e60], True), ([1.0, 2.0], False), ([0.0, 1e9], False), ([-1.0, 1e9], False), ([], False)],
)
def test_a_logarithmic_axis_is_offered_for_positive_scores_far_apart(
    scores: list[float], expected: bool
) -> None:
    assert proxy.wide(points(scores)) is expected


@pytest.mark.parametrize(
    "count, said", [(999, "999"), (136_000, "136 k"), (5_720_000, "5.72 M"), (100_100_000, "100.1 M")]
)
def test_counts_are_said_short(count: int, said: str) -> None:
    assert short(count) == said


def test_the_ceiling_is_a_line_where_there_is_one() -> None:
    assert "ceiling" in fields(ranking.intervals(RANKING, None, 0.93, "rho").to_dict(), "x")
    assert "ceiling" not in fields(ranking.intervals(RANKING, None, None, "rho").to_dict(), "x")


def test_the_front_is_named() -> None:
    chart = cost.against(RANKING).to_dict()
    (named,) = [layer for layer in chart["layer"] if layer["mark"]["type"] == "text"]
    assert named["transform"] == [{"filter": "datum.front"}]


def test_names_upon_one_another_share_a_line() -> None:
    found = pd.DataFrame({"proxy": list("abcd"), "milliseconds": [9.0, 1.0, 1.1, 30.0], "front": True})
    found.loc[3, "front"] = False
    assert cost.names(found).to_dict() == {0: "a", 1: "", 2: "b, c"}


def test_a_price_is_told_without_an_interval_that_was_not_computed() -> None:
    told = cost.against(RANKING.drop(columns=["low", "high"])).to_dict()["layer"][1]["encoding"]["tooltip"]
    assert [channel["field"] for channel in told] == ["proxy", "kind", "rho", "milliseconds"]


def test_the_first_and_the_last_label_stand_at_their_rows() -> None:
    bars = RANKING.assign(at=RANKING["proxy"])
    for chart in (ranking.intervals(RANKING, None, None, "rho"), proxy.by(bars, "at", "title")):
        assert chart.to_dict()["config"]["axisY"]["labelFlush"] is False


def test_a_heat_map_says_its_numbers() -> None:
    cells = pd.DataFrame(
        {"proxy": ["a", "b"], "task": "t", "rho": [0.9, -0.2], "low": 0.0, "high": 1.0, "n": 9}
    )
    chart = tasks.heat(cells, ["a", "b"], ["t"]).to_dict()
    assert fields(chart, "text") == [None, "rho"]
    assert chart["layer"][0]["encoding"]["y"]["sort"] == ["a", "b"]


def test_learning_curves_are_a_line_a_training() -> None:
    rows = [
        {"arch_id": name, "protocol": "scratch", "recipe": "alone", "seed": seed}
        | {"epoch": epoch, "accuracy": 0.1 * epoch}
        for name in "ab"
        for seed in (0, 1)
        for epoch in (1, 2, 3)
    ]
    chart = tasks.learning_curves(pd.DataFrame(rows)).to_dict()
    (values,) = chart["datasets"].values()
    assert len({value[chart["encoding"]["detail"]["field"]] for value in values}) == 4
    assert [chart["encoding"][axis]["field"] for axis in "xy"] == ["epoch", "accuracy"]


def test_the_layers_show_their_spread() -> None:
    curve = pd.DataFrame({"percentile": range(10), "log_sigma": -7.0, "low": -7.5, "high": -6.5})
    curve = curve.assign(spread=0.5, layers=20, architectures=10, spike=[False] * 9 + [True])
    told = [layer["encoding"] for layer in layers.curve(curve).to_dict()["layer"]]
    assert [(one["y"]["field"], one["y2"]["field"]) for one in told if "y2" in one] == [("low", "high")]


def test_the_intervals_that_were_chosen_are_framed_each_in_its_way() -> None:
    cells = [(first, last) for first in range(10) for last in range(first, 10)]
    found = pd.DataFrame(cells, columns=["first", "last"]).assign(
        rho=0.5, rho_fitting=0.5, rho_other=0.4, fitted=False, spike=False
    )
    found.loc[found["last"] - found["first"] == 9, "fitted"] = True
    chart = layers.by_interval(found).to_dict()
    frames = [layer for layer in chart["layer"] if layer["mark"].get("filled") is False]
    assert len({str(frame["mark"]["strokeDash"]) for frame in frames}) == 2
    (values,) = chart["datasets"].values()
    assert len(values) == 55 and [row["last"] for row in values if row["chosen"] == "fitted"] == [9]


def test_the_best_so_far_is_a_line_a_search() -> None:
    rows = [
        {"search_id": f"s{seed}", "ranker": "params", "strategy": "random", "seed": seed}
        | {"position": k, "best_arch_id": "a", "better": None if k == 1 else 1 / k}
        for seed in (0, 1)
        for k in (1, 2, 3)
    ]
    chart = search.best_so_far(pd.DataFrame(rows)).to_dict()
    lines, middle = chart["layer"]
    assert lines["encoding"]["detail"]["field"] == "search_id"
    assert middle["encoding"]["y"]["aggregate"] == "median"
    (values,) = chart["datasets"].values()
    assert len(values) == 4  # a best so far without a known accuracy has no place


def test_rows_reach_the_browser_as_tables_that_it_can_read() -> None:
    spec = specified(ranking.intervals, (RANKING, None, 0.9, "rho"))
    named = {layer["data"]["name"] for layer in spec["layer"]}
    assert named == set(spec["datasets"])
    (rows,) = [table for table in spec["datasets"].values() if "low" in table.column_names]
    assert rows["proxy"].to_pylist() == list(RANKING["proxy"])
    assert rows["rho"].to_pylist() == pytest.approx(list(RANKING["rho"]))
    assert pa.large_string() not in {
        kind for table in spec["datasets"].values() for kind in table.schema.types
    }

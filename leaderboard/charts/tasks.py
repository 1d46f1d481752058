"""Tasks beside one another: rho of every proxy on each, how accuracies spread, what they depend on."""

import altair as alt
import pandas as pd

from leaderboard import theme


def heat(cells: pd.DataFrame, order: list[str], tasks: list[str]) -> alt.LayerChart:
    """rho of every proxy on every task, the number in each cell.

    cells: columns proxy, task, rho, n; an empty cell has no row
    order: the proxies from the top
    """
    shades = theme.shades()
    base = alt.Chart(cells).encode(
        x=alt.X(
            "task:N",
            sort=tasks,
            axis=alt.Axis(orient="top", title=None, labelAngle=-35 if len(tasks) > 3 else 0, ticks=False),
        ),
        y=alt.Y(
            "proxy:N", sort=order, axis=alt.Axis(title=None, ticks=False, labelPadding=8, labelLimit=190)
        ),
        tooltip=[
            alt.Tooltip("proxy:N"),
            alt.Tooltip("task:N"),
            alt.Tooltip("rho:Q", format=".3f"),
            alt.Tooltip("n:Q", format=","),
        ],
    )
    rect = base.mark_rect(stroke=shades.ground, strokeWidth=1).encode(
        color=alt.Color("rho:Q", scale=theme.rho_scale(), title="rho", legend=alt.Legend(orient="top"))
    )
    ink = alt.condition(f"abs(datum.rho) > {shades.pale_from}", alt.value(shades.pale), alt.value(shades.ink))
    word = base.mark_text(fontSize=11).encode(text=alt.Text("rho:Q", format=".2f"), color=ink)
    return (
        alt.layer(rect, word)
        .properties(height=22 * len(order) + 120)
        .configure_view(strokeWidth=0)
        .configure_axis(grid=False, domain=False)
    )


def accuracies(found: pd.DataFrame) -> alt.Chart:
    """How many architectures reach which accuracy.

    found: column accuracy, one row an architecture
    """
    return (
        alt.Chart(found, title=theme.titled("How accuracies spread"))
        .mark_bar(color=theme.blue(), opacity=0.85)
        .encode(
            x=alt.X(
                "accuracy:Q",
                bin=alt.Bin(maxbins=24),
                title="accuracy",
                axis=theme.percent(found["accuracy"]),
            ),
            y=alt.Y("count():Q", title="architectures"),
            tooltip=[
                alt.Tooltip("accuracy:Q", bin=alt.Bin(maxbins=24), format=".2%"),
                alt.Tooltip("count():Q", title="architectures"),
            ],
        )
        .properties(height=260)
        .configure_view(strokeWidth=0)
    )


def factor(levels: pd.DataFrame, name: str) -> alt.LayerChart:
    """Mean accuracy by level of one field of the genome; a level out of line has another shape and colour.

    levels: rows of Benchmark.factors of one factor, with the columns low, high (a deviation around) and state
    """
    states = ["in line", "out of line", "not judged"]
    base = alt.Chart(levels, title=theme.titled(name)).encode(
        x=alt.X("level:N", sort=list(levels["level"]), title=None, axis=alt.Axis(labelAngle=0)),
        tooltip=[
            alt.Tooltip("level:N"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("std:Q", format=".2%"),
            alt.Tooltip("n:Q", format=","),
            alt.Tooltip("state:N"),
        ],
    )
    scale = alt.Scale(zero=False, padding=12)
    line = base.mark_rule(color=theme.LINE, strokeWidth=3).encode(
        y=alt.Y("low:Q", scale=scale, title="accuracy", axis=alt.Axis(format="~%", tickCount=5)),
        y2=alt.Y2("high:Q"),
    )
    point = base.mark_point(size=80, filled=True, opacity=1).encode(
        y=alt.Y("accuracy:Q", scale=scale),
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=states, range=[theme.blue(), theme.shades().ways[1], theme.LINE]),
            legend=None,
        ),
        shape=alt.Shape(
            "state:N",
            scale=alt.Scale(domain=states, range=["circle", "triangle-up", "diamond"]),
            legend=None,
        ),
    )
    return alt.layer(line, point).properties(height=200).configure_view(strokeWidth=0)


def learning_curves(curves: pd.DataFrame) -> alt.Chart:
    """Accuracy by epoch, a line a training.

    curves: rows of Benchmark.curves of one space, task and split; each protocol and recipe has its colour
    """
    told = curves.assign(
        training=curves["arch_id"] + " " + curves["protocol"] + curves["recipe"] + curves["seed"].astype(str),
        way=curves["protocol"] + " · " + curves["recipe"],
    )
    ways = alt.Scale(range=list(theme.shades().ways))
    return (
        alt.Chart(told, title=theme.titled("Learning curves", "one line a training; the last point counts"))
        .mark_line(opacity=0.6, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("accuracy:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(format="~%")),
            detail=alt.Detail("training:N"),
            color=alt.Color("way:N", scale=ways, legend=alt.Legend(orient="top", title=None, offset=2)),
            tooltip=[
                *(alt.Tooltip(f"{name}:N") for name in ("arch_id", "protocol", "recipe")),
                *(alt.Tooltip(f"{name}:Q") for name in ("seed", "epoch")),
                alt.Tooltip("accuracy:Q", format=".2%"),
            ],
        )
        .properties(height=320)
        .configure_view(strokeWidth=0)
    )

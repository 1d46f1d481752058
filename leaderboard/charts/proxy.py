"""One proxy up close: its scores against the accuracies, and its rho by task, band of params and seed."""

import math

import altair as alt
import pandas as pd

from leaderboard import theme

# What the genes are called in a sentence.
NAMES = {"embed_dim": "width", "depth": "depth", "params": "params"}


def scatter(
    points: pd.DataFrame, colour: str, log: bool, title: str, subtitle: str, height: int
) -> alt.Chart:
    """Score against accuracy, a point an architecture.

    points: columns score, accuracy, params, arch_id and perhaps embed_dim, depth
    colour: the column that colours the points
    """
    genes = [gene for gene in ("embed_dim", "depth") if gene in points]
    few = len(points) < 500
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False, padding=12)
    return (
        alt.Chart(points, title=theme.titled(title, subtitle))
        # A description of every point costs a browser as much as the points; `alt` describes the chart.
        .mark_circle(aria=False, size=50 if few else 24, opacity=0.75 if few else 0.5)
        .encode(
            x=alt.X("score:Q", scale=scale, title="score", axis=alt.Axis(format=number(points), tickCount=6)),
            y=alt.Y(
                "accuracy:Q",
                title="accuracy",
                scale=alt.Scale(zero=False, padding=12),
                axis=theme.percent(points["accuracy"]),
            ),
            color=hue(points, colour),
            tooltip=[
                alt.Tooltip("arch_id:N", title="architecture"),
                alt.Tooltip("params:Q", format=","),
                *(alt.Tooltip(f"{gene}:Q", title=NAMES[gene]) for gene in genes),
                alt.Tooltip("accuracy:Q", format=".2%"),
                alt.Tooltip("score:Q", format=".5~g"),
            ],
        )
        .properties(height=height)
        .configure_view(strokeWidth=0)
    )


def hue(points: pd.DataFrame, colour: str) -> alt.Color:
    """The colour of the points, by a column of theirs, with its legend."""
    few = points[colour].nunique() <= 8  # steps of a legend can still be told apart
    return alt.Color(
        f"{colour}:{'O' if few else 'Q'}",
        scale=alt.Scale(scheme=alt.SchemeParams("viridis", extent=list(theme.shades().steps))),
        legend=alt.Legend(
            orient="top",
            title=NAMES.get(colour, colour),
            titleOrient="left" if few else "top",
            format="~s" if colour == "params" else "d",
            offset=2,
        ),
    )


def number(points: pd.DataFrame) -> str:
    """How to write the ticks of the scores: plain, then as 20k or 3M, with an exponent where neither fits."""
    largest = points["score"].abs().max()
    if not 1e-3 <= largest < 1e12:
        return ".1~e"
    return "~f" if largest < 1e4 else "~s"


def wide(points: pd.DataFrame) -> bool:
    """Whether the scores span so many orders of magnitude that a linear axis shows only the largest."""
    least, most = points["score"].min(), points["score"].max()
    return bool(least > 0) and math.log10(most) - math.log10(least) > 3


def by(rows: pd.DataFrame, what: str, title: str, most: int = 12) -> alt.LayerChart:
    """rho with its interval, a row a task, band or seed.

    rows: columns `what`, rho, low, high and n, in the order to draw them
    """
    axis = alt.Axis(title=None, ticks=False, domain=False, labelPadding=8, labelLimit=170)
    base = alt.Chart(rows, title=theme.titled(title)).encode(
        y=alt.Y(f"{what}:N", sort=list(rows[what]), axis=axis),
        tooltip=[
            alt.Tooltip(f"{what}:N"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("rho", "low", "high")),
            alt.Tooltip("n:Q", format=","),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"rho": [0.0]})).mark_rule(color=theme.LINE).encode(x=alt.X("rho:Q"))
    line = base.mark_rule(strokeWidth=3, opacity=0.45, color=theme.blue()).encode(
        x=alt.X("low:Q"), x2=alt.X2("high:Q")
    )
    point = base.mark_circle(size=75, opacity=1, color=theme.blue()).encode(
        x=alt.X("rho:Q", title="rho", axis=alt.Axis(format=".1f", tickCount=5))
    )
    word = base.mark_text(align="left", dx=8, fontSize=12, color=theme.shades().text).encode(
        x=alt.XValue("width"), text=alt.Text("rho:Q", format=".2f")
    )
    return (
        alt.layer(zero, line, point, word)
        .properties(height=26 * min(len(rows), most) + 90, padding={"right": 30})
        .configure_view(strokeWidth=0)
    )

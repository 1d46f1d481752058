"""What a proxy costs and what it is worth: rho against seconds an architecture."""

import altair as alt
import pandas as pd

from leaderboard import theme

ANGLE = 35  # degrees of a name
APART = 1.15  # times the milliseconds, from which on two names can stand beside one another


def names(ranking: pd.DataFrame) -> pd.Series:
    """What stands at each point of the front: points nearly upon one another share a line at the last."""
    front = ranking[ranking["front"]].sort_values("milliseconds")
    together = (front["milliseconds"].pct_change() + 1 > APART).cumsum()
    lines = front.groupby(together)["proxy"].transform(", ".join)
    return lines.where(~together.duplicated(keep="last"), "")


def against(ranking: pd.DataFrame) -> alt.LayerChart:
    """rho against seconds, a point a proxy; those that no other beats in both are named and joined.

    ranking: columns proxy, kind, rho, milliseconds, front
    """
    base = alt.Chart(ranking.assign(name=names(ranking))).encode(
        x=alt.X(
            "milliseconds:Q",
            scale=alt.Scale(type="log", nice=False, padding=30),
            title="milliseconds for one architecture, logarithmic",
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        y=alt.Y(
            "rho:Q",
            title="rho",
            scale=alt.Scale(zero=False, nice=False, padding=20),
            axis=alt.Axis(format=".1f"),
        ),
        tooltip=[
            alt.Tooltip("proxy:N"),
            alt.Tooltip("kind:N"),
            alt.Tooltip("rho:Q", format=".3f"),
            alt.Tooltip("milliseconds:Q", format=",.1f"),
        ],
    )
    front = base.transform_filter("datum.front")
    step = front.mark_line(color=theme.LINE, strokeWidth=2, interpolate="step-after").encode(
        order=alt.Order("milliseconds:Q")
    )
    legend = theme.kind_legend(set(ranking["kind"]))
    point = base.mark_point(filled=True, strokeWidth=1).encode(
        color=alt.Color("kind:N", scale=theme.paint(), legend=legend),
        shape=alt.Shape("kind:N", scale=theme.SHAPES, legend=legend),
        opacity=alt.condition("datum.front", alt.value(1), alt.value(0.55)),
        size=alt.condition("datum.front", alt.value(130), alt.value(60)),
    )
    # Downwards to the right: there a front that rises by steps never passes, nor do names beside one another.
    name = front.mark_text(
        align="left", angle=ANGLE, dx=9, dy=6, fontSize=12, fontWeight=600, color=theme.shades().text
    ).encode(text=alt.Text("name:N"))
    return (
        alt.layer(step, point, name)
        .resolve_scale(size="independent")
        .properties(height=520)
        .configure_view(strokeWidth=0)
    )

"""The ranking as intervals: a row a proxy, with its rho and the places it may hold."""

import altair as alt
import pandas as pd

from leaderboard import theme
from leaderboard.words import DASH

ROW, FRAME = 23, 92  # pixels of one proxy, and of legend and axis around them
PLACE, END = 46, 100  # pixels right of the bars: to the places, and to their end


def height(proxies: int) -> int:
    """Pixels that the intervals of so many proxies take; never so few that the chart beside is squeezed."""
    return max(400, ROW * proxies + FRAME)


def intervals(ranking: pd.DataFrame, picked: str | None, ceiling: float | None, rho: str) -> alt.LayerChart:
    """rho of every proxy with its 95 % interval, best first; the picked proxy is underlaid.

    ranking: rows of store.rank.RANKING with a rho, and the columns `kind`, one of theme.KINDS, and `place`
    ceiling: the rho that a perfect proxy could reach, drawn as a dashed line; None draws none
    rho:     what the number is called

    A click on a row selects its proxy, under the name `picked`.
    """
    base = rows(ranking)
    whole = {"x": alt.XValue(0), "x2": alt.X2Value(alt.expr(f"width + {END}"))}
    # Invisible: a pointer need not meet the small point.
    row = base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=tooltip(), **whole)
    row = row.add_params(alt.selection_point("picked", fields=["proxy"], on="click", toggle=False))
    under = base.transform_filter(alt.FieldEqualPredicate(field="proxy", equal=picked or ""))
    under = under.mark_rect(opacity=0.12, color=theme.blue()).encode(**whole)
    zero = alt.Chart(pd.DataFrame({"rho": [0.0]})).mark_rule(color=theme.LINE).encode(x=alt.X("rho:Q"))
    line = base.mark_rule(strokeWidth=3, opacity=0.45, strokeCap="round").encode(
        x=alt.X("low:Q"),
        x2=alt.X2("high:Q"),
        color=alt.Color("kind:N", scale=theme.paint(), legend=theme.kind_legend(set(ranking["kind"]))),
    )
    top = [] if ceiling is None else [limit(ceiling)]
    return alt.layer(
        under,
        zero,
        *top,
        line,
        marks(base, rho),
        *said(base),
        *headed(),
        row,
        # Given at once: a method of a layered chart copies all its layers anew.
        height=height(len(ranking)),
        padding={"right": 4, "top": 8},
        config=alt.Config(view=alt.ViewConfig(strokeWidth=0)),
    )


def limit(ceiling: float) -> alt.Chart:
    """A dashed line at the rho that a perfect proxy could reach."""
    return (
        alt.Chart(pd.DataFrame({"ceiling": [ceiling]}))
        .mark_rule(color=theme.shades().text, strokeDash=[5, 4])
        .encode(x=alt.X("ceiling:Q"))
    )


def rows(ranking: pd.DataFrame) -> alt.Chart:
    """One row a proxy, with its name, without marks yet."""
    axis = alt.Axis(title=None, labelLimit=190, ticks=False, domain=False, labelPadding=8, grid=False)
    scale = alt.Scale(paddingInner=0, paddingOuter=0.2)
    return alt.Chart(ranking).encode(y=alt.Y("proxy:N", sort=list(ranking["proxy"]), axis=axis, scale=scale))


def tooltip() -> list[alt.Tooltip]:
    """What is told under the pointer."""
    return [
        *(alt.Tooltip(f"{name}:N") for name in ("proxy", "kind", "place")),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("rho", "low", "high")),
        *(alt.Tooltip(f"{name}:Q", format=",") for name in ("n", "failed", "unscored")),
    ]


def marks(base: alt.Chart, rho: str) -> alt.Chart:
    """The points at rho: each kind has its shape and colour."""
    legend = theme.kind_legend(set(base.data["kind"]))
    return base.mark_point(size=75, strokeWidth=1, opacity=1, filled=True).encode(
        x=alt.X(
            "rho:Q",
            title=f"{rho} with accuracy",
            axis=alt.Axis(format=".1f", tickCount=8, labelFlush=False),
            scale=alt.Scale(nice=False, padding=6),
        ),
        color=alt.Color("kind:N", scale=theme.paint(), legend=legend),
        shape=alt.Shape("kind:N", scale=theme.SHAPES, legend=legend),
    )


def said(base: alt.Chart) -> list[alt.Chart]:
    """rho and the places it may hold, in words at the right of the row."""
    word = {"align": "left", "fontSize": 12, "baseline": "middle", "color": theme.shades().text}
    return [
        base.mark_text(dx=8, **word).encode(x=alt.XValue("width"), text=alt.Text("rho:Q", format=".2f")),
        base.mark_text(dx=PLACE, **word).encode(x=alt.XValue("width"), text=alt.Text("place:N")),
    ]


def headed() -> list[alt.Chart]:
    """The headings over rho and place."""
    one = alt.Chart(pd.DataFrame({"head": [DASH]}))
    ink = theme.shades().text
    word = {"align": "left", "fontSize": 11, "fontWeight": 600, "color": ink, "dy": -6}
    return [
        one.mark_text(dx=dx, text=text, **word).encode(x=alt.XValue("width"), y=alt.YValue(0))
        for dx, text in ((8, "rho"), (PLACE, "place"))
    ]

"""Gradients by depth: the curve of log sigma, and what Lambda of each interval of the depth orders."""

import altair as alt
import pandas as pd

from leaderboard import theme


def curve(found: pd.DataFrame) -> alt.LayerChart:
    """Log sigma of the gradients by tenth of the depth; the tenths of the spikes are underlaid.

    found: rows of Benchmark.layers of one space and task, with the columns low and high: a spread around
    """
    tenth = alt.X("percentile:O", title="tenth of the depth, from input to output", axis=flat())
    base = alt.Chart(found, title=theme.titled("Spread of the gradients", "shaded: where the spikes lie"))
    under = base.transform_filter("datum.spike").mark_rect(color=theme.blue(), opacity=0.14).encode(x=tenth)
    scale = alt.Scale(zero=False, padding=8)
    bars = base.mark_rule(color=theme.LINE, strokeWidth=3).encode(
        x=tenth, y=alt.Y("low:Q", scale=scale, title="mean log sigma"), y2=alt.Y2("high:Q")
    )
    line = base.mark_line(color=theme.blue(), point=alt.OverlayMarkDef(color=theme.blue(), size=55)).encode(
        x=tenth,
        y=alt.Y("log_sigma:Q", scale=scale),
        tooltip=[
            "percentile:O",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("log_sigma", "spread")),
            *(alt.Tooltip(f"{name}:Q", format=",") for name in ("layers", "architectures")),
        ],
    )
    return alt.layer(under, bars, line).properties(height=380).configure_view(strokeWidth=0)


def by_interval(found: pd.DataFrame) -> alt.LayerChart:
    """Rho of Lambda over every interval, by its first and last tenth; the chosen ones are framed.

    found: rows of Benchmark.layer_intervals of one space, task, protocol and recipe
    """
    shades = theme.shades()
    told = found.assign(
        chosen=[
            "fitted" if fitted else "spikes" if spike else ""
            for fitted, spike in zip(found["fitted"], found["spike"], strict=True)
        ]
    )
    title = theme.titled(
        "rho of Lambda by interval", "framed: solid by the spikes, dashed fitted to accuracy"
    )
    base = alt.Chart(told, title=title).encode(
        x=alt.X("first:O", title="first tenth", axis=flat()),
        y=alt.Y("last:O", title="last tenth", sort="descending"),
    )
    cells = base.mark_rect(stroke=shades.ground).encode(
        color=alt.Color("rho:Q", scale=theme.rho_scale(), legend=None),
        tooltip=[
            "first:O",
            "last:O",
            "chosen:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("rho", "rho_fitting", "rho_other")),
        ],
    )
    ink = alt.condition(f"abs(datum.rho) > {shades.pale_from}", alt.value(shades.pale), alt.value(shades.ink))
    word = base.mark_text(fontSize=10).encode(text=alt.Text("rho:Q", format=".2f"), color=ink)
    frames = [
        base.transform_filter(f"datum.chosen == '{kind}'").mark_rect(
            filled=False, strokeWidth=3, stroke=shades.ink, strokeDash=dash
        )
        for kind, dash in (("spikes", [1, 0]), ("fitted", [4, 3]))
    ]
    return (
        alt.layer(cells, word, *frames)
        .properties(height=380)
        .configure_view(strokeWidth=0)
        .configure_axis(grid=False)
    )


def flat() -> alt.Axis:
    """An axis whose labels stand upright."""
    return alt.Axis(labelAngle=0)

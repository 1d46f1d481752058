"""The pictures of docs/ that scripts draw: gradients by depth, rho by interval, searches by evaluation."""

from __future__ import annotations

import altair as alt
import pandas as pd

BLUE, ORANGE, SKY = "#0072B2", "#D55E00", "#56B4E9"  # Okabe and Ito's
GREY = "#9aa3ad"
DENSITY = 110  # pixels an inch


def layers(curve: pd.DataFrame, intervals: pd.DataFrame) -> alt.HConcatChart:
    """Log sigma of the gradients by tenth of the depth, and rho of Lambda by interval beside it.

    curve:     rows of Benchmark.layers of one space and task; the tenths of its spikes are underlaid
    intervals: rows of Benchmark.layer_intervals of one space, task, protocol and recipe; may be empty
    """
    spread = curve["spread"].fillna(0)
    told = curve.assign(low=curve["log_sigma"] - spread, high=curve["log_sigma"] + spread)
    tenth = alt.X("percentile:O", title="tenth of the depth", axis=alt.Axis(labelAngle=0))
    height = alt.Y("low:Q", scale=alt.Scale(zero=False, padding=8), title="mean log sigma")
    base = alt.Chart(
        told, title=_titled("Spread of the gradients", "bars: over architectures; shaded: spikes")
    )
    under = base.transform_filter("datum.spike").mark_rect(color=BLUE, opacity=0.12).encode(x=tenth)
    bars = base.mark_rule(color=GREY, strokeWidth=3).encode(x=tenth, y=height, y2="high:Q")
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=45)).encode(
        x=tenth, y="log_sigma:Q"
    )
    left = alt.layer(under, bars, line).properties(width=360, height=300)
    return alt.hconcat(left, _by_interval(intervals)).configure_view(strokeWidth=0)


def best_so_far(progress: pd.DataFrame) -> alt.FacetChart:
    """How many known architectures beat the best so far, by evaluations: a line a seed, one panel a ranker.

    progress: rows of Benchmark.searches of one space and task, where accuracies are known; each strategy has
              its colour, and its thick line is the median over seeds
    """
    shares = alt.Scale(type="sqrt", domainMin=0)
    base = alt.Chart(progress.dropna(subset=["better"])).encode(
        x=alt.X("position:Q", title="evaluations"),
        y=alt.Y("better:Q", title="architectures that are better", scale=shares, axis=alt.Axis(format="~%")),
        color=alt.Color(
            "strategy:N",
            scale=alt.Scale(range=[BLUE, ORANGE, "#009E73", "#CC79A7"]),
            legend=alt.Legend(orient="top", title=None),
        ),
    )
    seeds = base.mark_line(opacity=0.35, strokeWidth=1, interpolate="step-after").encode(detail="search_id:N")
    middle = base.mark_line(strokeWidth=3, interpolate="step-after").encode(y="median(better):Q")
    header = alt.Header(labelFontSize=14)
    return (
        alt.layer(seeds, middle)
        .properties(width=330, height=220)
        .facet(facet=alt.Facet("ranker:N", title=None, header=header), columns=2)
        .configure_view(strokeWidth=0)
    )


def _by_interval(intervals: pd.DataFrame) -> alt.LayerChart:
    """Rho of Lambda over every interval, by its first and last tenth; the chosen ones are framed."""
    chosen = intervals.assign(chosen="")
    chosen.loc[chosen["spike"], "chosen"] = "spikes"
    chosen.loc[chosen["fitted"], "chosen"] = "fitted"
    base = alt.Chart(
        chosen, title=_titled("rho of Lambda by interval", "framed: spikes, and fitted to accuracies")
    ).encode(
        x=alt.X("first:O", title="first tenth", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("last:O", title="last tenth", sort="descending"),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("rho:Q", scale=alt.Scale(scheme="blueorange", domain=[-1, 1]), title="rho")
    )
    # Dark numbers on pale cells, white ones on the others.
    ink = alt.condition("abs(datum.rho) > 0.6", alt.value("white"), alt.value("#333"))
    said = base.mark_text(fontSize=9).encode(text=alt.Text("rho:Q", format=".2f"), color=ink)
    kinds = alt.Scale(domain=["spikes", "fitted"], range=["#000000", SKY])
    frames = (
        base.transform_filter("datum.chosen != ''")
        .mark_rect(filled=False, strokeWidth=3)
        .encode(stroke=alt.Stroke("chosen:N", scale=kinds, title="chosen by"))
    )
    return alt.layer(cells, said, frames).resolve_scale(color="independent").properties(width=360, height=300)


def _titled(title: str, subtitle: str) -> alt.Title:
    return alt.Title(title, subtitle=subtitle, anchor="start", fontSize=15, subtitleFontSize=12, offset=8)

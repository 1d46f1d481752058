"""Searches: how the best so far gets better with every evaluation, beside random search."""

import altair as alt
import pandas as pd

from leaderboard import theme

WHOLE = alt.Axis(format="d", tickMinStep=1)
STRATEGIES = 7  # more lines cannot be told apart


def best_so_far(progress: pd.DataFrame) -> alt.LayerChart:
    """How many known architectures beat the best so far, by evaluations: thin a seed, thick their median.

    progress: rows of Benchmark.searches of one space, task and ranker, where accuracies are known
    """
    strategies = list(dict.fromkeys(progress["strategy"]))[:STRATEGIES]
    legend = alt.Legend(
        orient="top", title=None, symbolType="stroke", symbolSize=300, symbolOpacity=1, offset=2, columns=2
    )
    colours = alt.Scale(domain=strategies, range=list(theme.shades().ways[: len(strategies)]))
    dashes = alt.Scale(domain=strategies, range=theme.DASHES[: len(strategies)])
    base = alt.Chart(progress.dropna(subset=["better"])).encode(
        x=alt.X("position:Q", title="architectures evaluated", scale=alt.Scale(nice=False), axis=WHOLE),
        y=alt.Y(
            "better:Q",
            title="known architectures that are better",
            scale=alt.Scale(type="sqrt", domainMin=0),
            axis=alt.Axis(format="~%"),
        ),
        color=alt.Color("strategy:N", scale=colours, legend=legend),
    )
    seeds = base.mark_line(opacity=0.3, strokeWidth=1, interpolate="step-after").encode(
        detail=alt.Detail("search_id:N"),
        tooltip=[
            "strategy:N",
            "seed:Q",
            "position:Q",
            "best_arch_id:N",
            alt.Tooltip("better:Q", format=".2%"),
        ],
    )
    middle = base.mark_line(strokeWidth=3, interpolate="step-after").encode(
        y=alt.Y("median(better):Q"), strokeDash=alt.StrokeDash("strategy:N", scale=dashes, legend=legend)
    )
    return alt.layer(seeds, middle).properties(height=420).configure_view(strokeWidth=0)

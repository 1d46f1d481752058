"""The charts, drawn with Altair. They draw numbers and compute none."""

import math

import altair as alt
import pandas as pd

# Okabe and Ito's blue for proxies; controls are grey and hollow, so that the two differ without colour too.
PROXY, CONTROL = "#0072B2", "#8a8f98"
KINDS = ["proxy", "control"]
PAINT = alt.Scale(domain=KINDS, range=[PROXY, CONTROL])
FILLING = alt.Scale(domain=KINDS, range=[PROXY, "#ffffff"])
WAYS = alt.Scale(range=[PROXY, "#D55E00", "#009E73", "#CC79A7"])  # of Okabe and Ito too
LINE, TEXT = "#9aa3ad", "#52606d"
ROW, FRAME = 23, 82  # pixels of one proxy, and of legend and axis around them
TITLE = {"anchor": "start", "fontSize": 15, "subtitleFontSize": 12, "subtitleColor": TEXT, "offset": 8}
LEGEND = alt.Legend(orient="top", title=None, symbolSize=75, offset=2)

# What the genes are called in a sentence.
NAMES = {"embed_dim": "width", "depth": "depth", "params": "params"}


def height(proxies: int) -> int:
    """Pixels that the intervals of so many proxies take; never so few that the scatter beside is squeezed."""
    return max(400, ROW * proxies + FRAME)


def intervals(ranking: pd.DataFrame, picked: str | None, ceiling: float | None = None) -> alt.LayerChart:
    """rho of every proxy with its 95 % interval, best first; the picked proxy is underlaid.

    ranking: rows of store.rank.RANKING with a rho, and the column `kind`: proxy or control
    ceiling: the rho that a perfect proxy could reach, drawn as a dashed line; None draws none

    A click on a row selects its proxy, under the name `picked`.
    """
    base = rows(ranking)
    # Invisible, over the whole row: a click need not meet the small point.
    row = base.mark_rect(opacity=0, cursor="pointer").add_params(
        alt.selection_point("picked", fields=["proxy"], on="click", toggle=False)
    )
    under = base.transform_filter(alt.datum.proxy == picked).mark_rect(color=PROXY, opacity=0.09)
    zero = alt.Chart(pd.DataFrame({"rho": [0.0]})).mark_rule(color=LINE).encode(x="rho:Q")
    line = base.mark_rule(strokeWidth=3, opacity=0.5, strokeCap="round").encode(x="low:Q", x2="high:Q")
    said = base.mark_text(align="left", dx=8, fontSize=12).encode(
        x=alt.value("width"), text=alt.Text("rho:Q", format=".2f")
    )
    top = [] if ceiling is None else [limit(ceiling)]
    return (
        alt.layer(under.encode(color=alt.value(PROXY)), zero, *top, line, marks(base), said, row)
        .resolve_scale(color="independent")
        .properties(height=height(len(ranking)), padding={"right": 10})
        .configure_view(strokeWidth=0)
    )


def limit(ceiling: float) -> alt.Chart:
    """A dashed line at the rho that a perfect proxy could reach."""
    return (
        alt.Chart(pd.DataFrame({"ceiling": [ceiling]}))
        .mark_rule(color=TEXT, strokeDash=[5, 4])
        .encode(x="ceiling:Q", tooltip=[alt.Tooltip("ceiling:Q", format=".3f")])
    )


def rows(ranking: pd.DataFrame) -> alt.Chart:
    """One row a proxy, without marks yet: names, colours, and what is told under the pointer."""
    controls = list(ranking.loc[ranking["kind"] == "control", "proxy"])
    grey = alt.condition(f"indexof({controls}, datum.value) >= 0", alt.value(CONTROL), alt.value(TEXT))
    axis = alt.Axis(
        title=None,
        labelColor=grey,
        labelLimit=220,
        labelFlush=False,
        ticks=False,
        domain=False,
        labelPadding=8,
    )
    scale = alt.Scale(paddingInner=0, paddingOuter=0.2)
    return alt.Chart(ranking).encode(
        y=alt.Y("proxy:N", sort=list(ranking["proxy"]), axis=axis, scale=scale),
        color=alt.Color("kind:N", scale=PAINT, legend=None),
        tooltip=[
            alt.Tooltip("proxy:N"),
            alt.Tooltip("rank:Q"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("rho", "low", "high")),
            *(alt.Tooltip(f"{name}:Q", format=",") for name in ("n", "failed", "unscored")),
        ],
    )


def marks(base: alt.Chart) -> alt.Chart:
    """The points at rho: filled for proxies, hollow for controls."""
    return base.mark_point(size=75, strokeWidth=2, opacity=1).encode(
        x=alt.X(
            "rho:Q",
            title="Spearman's rho with accuracy (click a row to see its architectures)",
            axis=alt.Axis(format=".1f", tickCount=8),
        ),
        fill=alt.Fill("kind:N", scale=FILLING, legend=LEGEND),
        stroke=alt.Stroke("kind:N", scale=PAINT, legend=LEGEND),
        color=alt.Undefined,
    )


def scatter(
    points: pd.DataFrame, colour: str, log: bool, title: str, subtitle: str, height: int
) -> alt.Chart:
    """Score against accuracy, a point an architecture.

    points: columns score, accuracy, params, arch_id and perhaps embed_dim, depth
    colour: the column that colours the points
    """
    genes = [gene for gene in ("embed_dim", "depth") if gene in points]
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False, padding=12)
    return (
        alt.Chart(points, title=alt.Title(title, subtitle=subtitle, **TITLE))
        .mark_circle(size=50, opacity=0.75)
        .encode(
            x=alt.X("score:Q", scale=scale, title="score", axis=alt.Axis(format=number(points), tickCount=6)),
            y=alt.Y("accuracy:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(format="~%")),
            color=hue(points, colour),
            tooltip=[
                alt.Tooltip("arch_id:N", title="arch_id"),
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
        scale=alt.Scale(scheme="viridis"),
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


def learning_curves(curves: pd.DataFrame) -> alt.Chart:
    """Accuracy by epoch, a line a training.

    curves: rows of Benchmark.curves of one space, task and split; each protocol and recipe has its colour
    """
    told = curves.assign(
        training=curves["arch_id"] + " " + curves["protocol"] + curves["recipe"] + curves["seed"].astype(str),
        way=curves["protocol"] + " · " + curves["recipe"],
    )
    return (
        alt.Chart(told)
        .mark_line(opacity=0.6, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("accuracy:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(format="~%")),
            detail="training:N",
            color=alt.Color("way:N", scale=WAYS, legend=alt.Legend(orient="top", title=None, offset=2)),
            tooltip=[
                *(alt.Tooltip(f"{name}:N") for name in ("arch_id", "protocol", "recipe")),
                *(alt.Tooltip(f"{name}:Q") for name in ("seed", "epoch")),
                alt.Tooltip("accuracy:Q", format=".2%"),
            ],
        )
        .properties(height=height(0))
        .configure_view(strokeWidth=0)
    )


def layer_curves(curve: pd.DataFrame, intervals: pd.DataFrame) -> alt.HConcatChart:
    """Log sigma of the gradients by tenth of the depth, and rho of Lambda by interval beside it.

    curve:     rows of Benchmark.layers of one space and task; the tenths of its spikes are underlaid
    intervals: rows of Benchmark.layer_intervals of one space, task, protocol and recipe; may be empty
    """
    told = curve.assign(
        low=curve["log_sigma"] - curve["spread"].fillna(0),
        high=curve["log_sigma"] + curve["spread"].fillna(0),
    )
    tenth = alt.X("percentile:O", title="tenth of the depth", axis=alt.Axis(labelAngle=0))
    base = alt.Chart(told, title=alt.Title("Spread of the gradients", subtitle="shaded: spikes", **TITLE))
    under = base.transform_filter("datum.spike").mark_rect(color=PROXY, opacity=0.12).encode(x=tenth)
    scale = alt.Scale(zero=False, padding=8)
    bars = base.mark_rule(color=LINE, strokeWidth=3).encode(
        x=tenth, y=alt.Y("low:Q", scale=scale, title="mean log sigma"), y2="high:Q"
    )
    line = base.mark_line(color=PROXY, point=alt.OverlayMarkDef(color=PROXY, size=45)).encode(
        x=tenth,
        y=alt.Y("log_sigma:Q", scale=scale),
        tooltip=[
            "percentile:O",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("log_sigma", "spread")),
            *(alt.Tooltip(f"{name}:Q", format=",") for name in ("layers", "architectures")),
        ],
    )
    left = alt.layer(under, bars, line).properties(width=360, height=300)
    return alt.hconcat(left, by_interval(intervals)).configure_view(strokeWidth=0)


def by_interval(intervals: pd.DataFrame) -> alt.LayerChart:
    """Rho of Lambda over every interval, by its first and last tenth; the chosen ones are framed.

    intervals: rows of Benchmark.layer_intervals of one space, task, protocol and recipe
    """
    chosen = intervals.assign(
        chosen=["fitted" if fitted else "spikes" if spike else "" for fitted, spike in _choices(intervals)]
    )
    title = alt.Title(
        "rho of Lambda by interval", subtitle="framed: spikes, and fitted to accuracies", **TITLE
    )
    base = alt.Chart(chosen, title=title).encode(
        x=alt.X("first:O", title="first tenth", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("last:O", title="last tenth", sort="descending"),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("rho:Q", scale=alt.Scale(scheme="blueorange", domain=[-1, 1]), title="rho"),
        tooltip=[
            "first:O",
            "last:O",
            "chosen:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("rho", "rho_fitting", "rho_other")),
        ],
    )
    # Dark numbers on pale cells, white ones on the others.
    ink = alt.condition("abs(datum.rho) > 0.6", alt.value("white"), alt.value("#333"))
    said = base.mark_text(fontSize=9).encode(text=alt.Text("rho:Q", format=".2f"), color=ink)
    frames = (
        base.transform_filter("datum.chosen != ''")
        .mark_rect(filled=False, strokeWidth=3)
        .encode(
            stroke=alt.Stroke(
                "chosen:N",
                scale=alt.Scale(domain=["spikes", "fitted"], range=["#000000", "#56B4E9"]),
                title="chosen by",
            )
        )
    )
    return alt.layer(cells, said, frames).resolve_scale(color="independent").properties(width=360, height=300)


def _choices(intervals: pd.DataFrame) -> list[tuple[bool, bool]]:
    return list(zip(intervals["fitted"], intervals["spike"], strict=True))


def best_so_far(progress: pd.DataFrame) -> alt.FacetChart:
    """How many known architectures beat the best so far, by evaluations: a line a seed, one panel a ranker.

    progress: rows of Benchmark.searches of one space and task, where accuracies are known; each strategy has
              its colour, and its thick line is the median over seeds
    """
    base = alt.Chart(progress.dropna(subset=["better"])).encode(
        x=alt.X("position:Q", title="evaluations"),
        y=alt.Y(
            "better:Q",
            title="architectures that are better",
            scale=alt.Scale(type="sqrt", domainMin=0),
            axis=alt.Axis(format="~%"),
        ),
        color=alt.Color("strategy:N", scale=WAYS, legend=LEGEND),
    )
    seeds = base.mark_line(opacity=0.35, strokeWidth=1, interpolate="step-after").encode(
        detail="search_id:N",
        tooltip=[
            "strategy:N",
            "seed:Q",
            "position:Q",
            "best_arch_id:N",
            alt.Tooltip("better:Q", format=".2%"),
        ],
    )
    middle = base.mark_line(strokeWidth=3, interpolate="step-after").encode(y="median(better):Q")
    return (
        alt.layer(seeds, middle)
        .properties(width=330, height=220)
        .facet(facet=alt.Facet("ranker:N", title=None, header=alt.Header(labelFontSize=14)), columns=2)
        .configure_view(strokeWidth=0)
    )

"""Colours and shapes of the charts. A sign that a colour gives is always given by a shape or a word too.

Colours are Okabe and Ito's, which the colour-blind can tell apart. Those of marks can be read on white and on
black: Streamlit may not yet know the browser's theme when it first draws a page.
"""

from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

KINDS = ["proxy", "control", "combiner", "fitted combiner", "yours"]
SHAPES = alt.Scale(domain=KINDS, range=["circle", "diamond", "square", "triangle-up", "cross"])
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3], [10, 2]]
LINE = "#9aa3ad"
FADED = "#7f8894"  # of a table's row, on either background
FAILED = "#D5470B"


@dataclass(frozen=True)
class Shades:
    """The colours on one background.

    ways:       of lines: the first is a proxy's
    kinds:      of the rows of a ranking, in the order of KINDS
    diverging:  of rho, from -1 over 0 to 1
    steps:      how much of viridis can be told from the ground
    pale_from:  |rho| from which a number on such a cell is pale, below it is ink
    """

    ways: tuple[str, ...]
    kinds: tuple[str, ...]
    text: str
    ground: str
    diverging: tuple[str, ...]
    steps: tuple[float, float]
    pale_from: float
    ink: str
    pale: str


LIGHT = Shades(
    ways=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98"),
    kinds=("#0072B2", "#8a8f98", "#D55E00", "#D55E00", "#009E73"),
    text="#52606d",
    ground="#ffffff",
    diverging=("#B35900", "#E9B384", "#F4F5F7", "#8FBCDD", "#005A8C"),
    steps=(0.0, 0.85),
    pale_from=0.65,
    ink="#1f2933",
    pale="#ffffff",
)
DARK = Shades(
    ways=("#56B4E9", "#E69F00", "#2BC49A", "#E19CC4", "#D5703A", "#8FB8D8", "#9aa3ad"),
    kinds=("#56B4E9", "#9aa3ad", "#E69F00", "#E69F00", "#2BC49A"),
    text="#aab4c0",
    ground="#11161c",
    diverging=("#F2A65A", "#8A5A24", "#20272f", "#1D5F8A", "#6BBBEF"),
    steps=(0.3, 1.0),
    pale_from=0.75,
    ink="#e8ecf1",
    pale="#0b0f14",
)


def shades() -> Shades:
    """Those of the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def blue() -> str:
    """The colour of a proxy."""
    return shades().ways[0]


def paint() -> alt.Scale:
    """The colours of the kinds."""
    return alt.Scale(domain=KINDS, range=list(shades().kinds))


def rho_scale() -> alt.Scale:
    """From -1 to 1: orange is the opposite order, blue the same, and the number stands beside."""
    return alt.Scale(
        domain=[-1, -0.5, 0, 0.5, 1], range=list(shades().diverging), clamp=True, interpolate="rgb"
    )


def kind_legend(kinds: set[str]) -> alt.Legend | None:
    """The legend of the kinds there are, for colour and shape at once; none where there is one."""
    there = [kind for kind in KINDS if kind in kinds]
    if len(there) < 2:
        return None
    return alt.Legend(
        orient="top", title=None, symbolSize=75, symbolOpacity=1, offset=2, columns=2, values=there
    )


def percent(accuracies: pd.Series) -> alt.Axis:
    """An axis of accuracy; close ones need a digit more."""
    return alt.Axis(format=".1%" if accuracies.max() - accuracies.min() < 0.05 else "~%")


def titled(title: str, subtitle: str = "") -> alt.Title:
    """A chart's title, at the left as on the rest of the page."""
    return alt.Title(
        title,
        subtitle=subtitle,
        anchor="start",
        fontSize=15,
        subtitleFontSize=12,
        subtitleColor=shades().text,
        offset=8,
    )

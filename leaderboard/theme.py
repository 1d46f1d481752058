"""Colours and shapes of the charts. A sign that a colour gives is always given by a shape or a word too.

Colours are Okabe and Ito's, which the colour-blind can tell apart. Those of marks can be read on white and on
black: Streamlit may not yet know the browser's theme when it first draws a page.
"""

from dataclasses import dataclass

import altair as alt
import streamlit as st

PROXY, CONTROL, COMBINER, OWN = "#0072B2", "#8a8f98", "#D55E00", "#009E73"
KINDS = ["proxy", "control", "combiner", "fitted combiner", "yours"]
PAINT = alt.Scale(domain=KINDS, range=[PROXY, CONTROL, COMBINER, COMBINER, OWN])
SHAPES = alt.Scale(domain=KINDS, range=["circle", "diamond", "square", "triangle-up", "cross"])
WAYS = [PROXY, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3], [10, 2]]
LINE = "#9aa3ad"
FAILED = "#B4370B"


@dataclass(frozen=True)
class Shades:
    """Colours that lean on the background. diverging: of rho, from -1 over 0 to 1; numbers in ink or pale."""

    text: str
    ground: str
    diverging: tuple[str, ...]
    sequential: str
    pale_from: float  # |rho| from which numbers on a cell are written in the other ink
    ink: str
    pale: str


LIGHT = Shades(
    text="#52606d",
    ground="#ffffff",
    diverging=("#B35900", "#E9B384", "#F4F5F7", "#8FBCDD", "#005A8C"),
    sequential="viridis",
    pale_from=0.65,
    ink="#1f2933",
    pale="#ffffff",
)
DARK = Shades(
    text="#aab4c0",
    ground="#11161c",
    diverging=("#F2A65A", "#8A5A24", "#20272f", "#1D5F8A", "#6BBBEF"),
    sequential="viridis",
    pale_from=0.75,
    ink="#e8ecf1",
    pale="#0b0f14",
)


def shades() -> Shades:
    """Those of the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def rho_scale() -> alt.Scale:
    """From -1 to 1: orange is the opposite order, blue the same, and the number stands beside."""
    return alt.Scale(domain=[-1, -0.5, 0, 0.5, 1], range=list(shades().diverging), clamp=True)


def kind_legend() -> alt.Legend:
    """The legend of the kinds, for colour and shape at once."""
    return alt.Legend(orient="top", title=None, symbolSize=75, offset=2, columns=5)


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

"""One architecture drawn: a bar a layer, with its heads and mlp ratio."""

import altair as alt
import pandas as pd

from leaderboard import theme


def drawn(layers: pd.DataFrame, field: str, title: str) -> alt.LayerChart:
    """One field of the genome by layer, from the input at the left.

    layers: columns layer and `field`, one row a layer
    """
    base = alt.Chart(layers, title=theme.titled(title)).encode(
        x=alt.X("layer:O", title=None, axis=alt.Axis(labelAngle=0, ticks=False)),
        y=alt.Y(f"{field}:Q", title=None, axis=None, scale=alt.Scale(zero=True)),
        tooltip=[alt.Tooltip("layer:O"), alt.Tooltip(f"{field}:Q")],
    )
    bar = base.mark_bar(color=theme.blue(), opacity=0.8, cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
    word = base.mark_text(dy=-7, fontSize=11, color=theme.shades().text).encode(text=f"{field}:Q")
    return alt.layer(bar, word).properties(height=130).configure_view(strokeWidth=0)

"""The charts, drawn with Altair, one file a page. They draw numbers and compute none."""

import altair as alt
from altair.utils import schemapi

# A chart is checked as a whole when it is drawn; checking every part of it too takes as long again.
schemapi.disable_debug_mode()
# All rows that a page shows are drawn.
alt.data_transformers.disable_max_rows()


@alt.theme.register("leaderboard", enable=True)
def usual() -> alt.theme.ThemeConfig:
    """What all charts have beside Streamlit's colours and sizes."""
    # The first and the last label stand at their rows too.
    return {"config": {"axisY": {"labelFlush": False}}}

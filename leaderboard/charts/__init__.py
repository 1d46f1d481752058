"""The charts, drawn with Altair, one file a page. They draw numbers and compute none."""

import altair as alt
from altair.utils import schemapi

# A chart is checked as a whole when it is drawn; checking every part of it too takes as long again.
schemapi.disable_debug_mode()
# Colours and sizes are Streamlit's; all rows that a page shows are drawn.
alt.theme.enable("none")
alt.data_transformers.disable_max_rows()

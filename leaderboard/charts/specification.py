"""A chart as Vega-Lite says it, with its rows as Arrow tables."""

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa

CHECKED = False  # charts, against the schema of Vega-Lite: that takes as long as drawing them; tests do it
# The browser's reader knows no large strings, as pandas has them.
PLAIN = {pa.large_string(): pa.string()}
# Of the chart that is being drawn, by name. Of a context, since sessions draw at the same time.
TABLES: ContextVar[dict[str, pa.Table] | None] = ContextVar("tables", default=None)


def specified(draw: Callable[..., alt.TopLevelMixin], of: tuple[Any, ...]) -> dict[str, Any]:
    """The specification of what `draw(*of)` draws, its rows as Arrow tables under `datasets`."""
    token = TABLES.set({})
    try:
        spec = draw(*of).to_dict(validate=CHECKED)
        return spec | {"datasets": TABLES.get()}
    finally:
        TABLES.reset(token)


def rows_as_table(rows: pd.DataFrame) -> Any:
    """Keep a chart's rows as a table, and return the name that they have in its specification.

    Altair's own way makes a dict of every row and a text of all, once a layer, which takes longer than all
    else that is done for a chart. It is the way outside of `specified`, as in a notebook.
    """
    tables = TABLES.get()
    if tables is None:
        return alt.default_data_transformer(rows, max_rows=None)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    plain = [field.with_type(PLAIN.get(field.type, field.type)) for field in table.schema]
    table = table.cast(pa.schema(plain))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    name = f"data-{hashlib.blake2b(sink.getvalue(), digest_size=8).hexdigest()}"
    tables[name] = table
    return {"name": name}


alt.data_transformers.register("table", rows_as_table)
alt.data_transformers.enable("table")

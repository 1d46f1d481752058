"""What the reader chose, kept in the address: whoever opens the same address sees the same view.

A widget starts from the address, else from its default; from then on the address follows the widget. What an
address asks for and the benchmark does not have falls back to the default, with a line that says so.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from store.errors import SHOWN

Option = TypeVar("Option")
Window = tuple[int | None, int | None]

# Every name an address may hold; anything else in it is a mistake worth a line.
NAMES = (
    "space", "task", "accuracy", "scores_from", "params", "controls", "shared", "proxy", "seed", "colour",
    "log",
)  # fmt: skip


def check_names() -> None:
    """Say which parts of the address mean nothing here, and take them out of it."""
    for name in set(st.query_params) - set(NAMES):
        st.warning(f"The address sets '{name}', which is no filter; it is ignored.")
        del st.query_params[name]


def select(
    where: DeltaGenerator,
    label: str,
    name: str,
    options: Sequence[Option],
    default: Option | None = None,
    spell: Callable[[Option], str] = str,
    help: str | None = None,
) -> Option:
    """A select box whose choice is `name` in the address; the default is the first option."""
    _settle(name, options, options[0] if default is None else default)
    chosen = where.selectbox(label, options, key=name, format_func=spell, help=help)
    _remember(name, str(chosen))
    return chosen


def switch(where: DeltaGenerator, label: str, name: str, default: bool, help: str | None = None) -> bool:
    """An on/off switch whose position is `name` in the address, as yes or no."""
    spelled = {"yes": True, "no": False}
    asked = st.query_params.get(name)
    if name not in st.session_state:
        if asked is not None and asked not in spelled:
            _fall_back(name, asked, list(spelled), "yes" if default else "no")
        st.session_state[name] = spelled.get(asked, default)
    on = where.toggle(label, key=name, help=help)
    _remember(name, "yes" if on else "no")
    return on


def window(
    where: DeltaGenerator,
    label: str,
    name: str,
    grid: Sequence[int],
    spell: Callable[[int], str],
    help: str | None = None,
) -> Window:
    """A slider with two handles, `<low>-<high>` in the address; a handle at its end leaves that side open."""
    start = _asked_window(name, grid)
    options = sorted({*grid, *start})
    # Another grid is another slider: the handles of the old one may lie outside of it.
    key = f"{name} {grid[0]}-{grid[-1]}"
    low, high = where.select_slider(label, options, start, key=key, format_func=spell, help=help)
    found = (None if low == grid[0] else low, None if high == grid[-1] else high)
    _remember(name, None if found == (None, None) else "-".join(str(end or "") for end in found))
    return found


def _asked_window(name: str, grid: Sequence[int]) -> tuple[int, int]:
    """The window the address asks for, inside the grid; the whole grid where it asks for none."""
    asked = st.query_params.get(name, "-")
    low, dash, high = asked.partition("-")
    low, high = low or str(grid[0]), high or str(grid[-1])
    if dash and low.isdecimal() and high.isdecimal() and grid[0] <= int(low) <= int(high) <= grid[-1]:
        return int(low), int(high)
    st.warning(
        f"The address asks for {name} '{asked}', which is no <low>-<high> between {grid[0]} and {grid[-1]}; "
        "showing all."
    )
    return grid[0], grid[-1]


def _settle(name: str, options: Sequence[Option], default: Option) -> None:
    """Put into the session what the widget shall say, unless the reader's own choice is still on offer."""
    if st.session_state.get(name) in options:
        return
    spelled = {str(option): option for option in options}
    asked = st.query_params.get(name)
    if name not in st.session_state and asked is not None and asked not in spelled:
        _fall_back(name, asked, list(spelled), str(default))
    st.session_state[name] = spelled.get(asked, default)


def _fall_back(name: str, asked: str, known: Sequence[str], default: str) -> None:
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    st.warning(
        f"The address asks for {name} '{asked}', which is not here; showing '{default}'. "
        f"Known: {', '.join(known[:SHOWN])}{more}."
    )


def _remember(name: str, value: str | None) -> None:
    """Write a choice into the address; None takes it out."""
    if st.query_params.get(name) == value:
        return
    if value is None:
        del st.query_params[name]
    else:
        st.query_params[name] = value

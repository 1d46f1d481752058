"""What the reader chose, kept in the address: whoever opens the same address sees the same view.

A widget starts from the address, else from what was chosen on another page, else from its default; from then
on the address follows the widget. What an address asks for and the benchmark does not have falls back to the
default, with a line that says so. An address is a stranger's text: it is looked up or shown, never used.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard.words import plain
from store.errors import SHOWN

Option = TypeVar("Option")
Window = tuple[int | None, int | None]

VERSION = "data"  # which data an address was made on
NOTED = "noted"  # choices of a run that the address does not have yet

# Every name an address may hold; anything else in it is a mistake worth a line.
NAMES = (
    VERSION, "space", "task", "accuracy", "scores_from", "params", "seeds", "controls", "combiners", "shared",
    "given_params", "principle", "needs", "proxy", "seed", "colour", "log", "chosen", "combiner", "arch",
    "on", "find", "sort", "rising", "ranker",
)  # fmt: skip
LINE = 200  # characters of what a reader may look for
LONGEST = 2000  # characters of one value; whoever writes more does not mean a choice


def turn_to(page: str) -> None:
    """Forget the widgets of the page before: those of the same name here are others, and start anew."""
    if st.session_state.get("page") != page:
        for name in (*NAMES, NOTED):
            st.session_state.pop(name, None)
        st.session_state["page"] = page


def check_address(version: str) -> None:
    """Say what in the address means nothing here, and on which other data it was made; pin it to this."""
    for name in set(st.query_params) - set(NAMES):
        st.warning(f"The address sets '{plain(name)}', which is no filter; it is ignored.")
        del st.query_params[name]
    for name in list(st.query_params):
        if len(st.query_params[name]) > LONGEST:
            st.warning(f"The address sets '{name}' to more than {LONGEST:,} characters; it is ignored.")
            del st.query_params[name]
    asked = st.query_params.get(VERSION, version)
    if asked != version:
        st.warning(
            f"This link was made on data version '{plain(asked)}'; the page shows '{plain(version)}', "
            "and numbers may differ."
        )
    # A page reads some of it: the rest is for the pages that one goes on to.
    for name, value in st.query_params.items():
        _kept().setdefault(name, value)
    _remember(VERSION, version)


def write_address() -> None:
    """Write what was chosen into the address, all at once: every change is a step of the browser's Back."""
    before = st.query_params.to_dict()
    noted = before | st.session_state.pop(NOTED, {})
    after = {name: value for name, value in noted.items() if value is not None}
    if after != before:
        st.query_params.from_dict(after)


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
    default = options[0] if default is None else default
    _settle(name, options, default)
    chosen = where.selectbox(label, options, key=name, format_func=spell, help=help)
    # A page without that option does not make the reader's choice void on those that have it.
    elsewhere = _kept().get(name) not in (None, *map(str, options))
    _remember(name, str(chosen), keep=not (elsewhere and chosen == default))
    return chosen


def several(
    where: DeltaGenerator,
    label: str,
    name: str,
    options: Sequence[str],
    default: Iterable[str] = (),
    help: str | None = None,
    most: int | None = None,
) -> list[str]:
    """A box of several choices, in the address apart by spaces; what is not on offer is told and left out."""
    kept = st.session_state.get(name, _kept().get(name))
    asked = st.query_params.get(name)
    if name not in st.session_state and asked is not None:
        kept = list(dict.fromkeys(asked.split()))
        if strange := [one for one in kept if one not in options]:
            _fall_back(name, " ".join(strange), list(options), "the others")
    wanted = list(default) if kept is None else kept
    st.session_state[name] = [one for one in wanted if one in options][:most]
    chosen = where.multiselect(label, options, key=name, help=help, max_selections=most)
    _remember(name, " ".join(chosen) or (None if not tuple(default) else " "))
    return chosen


def switch(where: DeltaGenerator, label: str, name: str, default: bool, help: str | None = None) -> bool:
    """An on/off switch whose position is `name` in the address, as yes or no."""
    spelled = {"yes": True, "no": False}
    asked = st.query_params.get(name, _kept().get(name))
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


def text(where: DeltaGenerator, label: str, name: str, placeholder: str) -> str:
    """A line of text, `name` in the address. It is looked for in other text, never used as a pattern."""
    if name not in st.session_state:
        st.session_state[name] = st.query_params.get(name, _kept().get(name) or "")[:LINE]
    written = where.text_input(label, key=name, placeholder=placeholder, max_chars=LINE)
    _remember(name, written or None)
    return written


def pick(name: str, clicked: str | None, known: Iterable[str], default: str | None) -> str | None:
    """What was clicked in a table, `name` in the address; else what the address has, else the default."""
    asked = st.query_params.get(name, _kept().get(name))
    chosen = clicked or asked
    if chosen is not None and chosen not in set(known):
        st.warning(f"The address asks for {name} '{plain(chosen)}', which is not here; showing another.")
        chosen = None
    _remember(name, chosen)
    return chosen or default


def _asked_window(name: str, grid: Sequence[int]) -> tuple[int, int]:
    """The window the address asks for, inside the grid; the whole grid where it asks for none."""
    asked = st.query_params.get(name, _kept().get(name) or "-")
    low, dash, high = asked.partition("-")
    low, high = low or str(grid[0]), high or str(grid[-1])
    # More digits than the grid has are no size here, and cost time to read.
    sizes = all(end.isascii() and end.isdecimal() and len(end) <= len(str(grid[-1])) for end in (low, high))
    if dash and sizes and grid[0] <= int(low) <= int(high) <= grid[-1]:
        return int(low), int(high)
    if name in st.query_params:
        st.warning(
            f"The address asks for {name} '{plain(asked)}', which is no <low>-<high> between {grid[0]} and "
            f"{grid[-1]}; showing all."
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
    found = asked if asked in spelled else _kept().get(name)
    st.session_state[name] = spelled.get(found, default)


def _fall_back(name: str, asked: str, known: Sequence[str], default: str) -> None:
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    st.warning(
        f"The address asks for {name} '{plain(asked)}', which is not here; showing '{plain(default)}'. "
        f"Known: {', '.join(map(plain, known[:SHOWN]))}{more}."
    )


def _kept() -> dict[str, str | None]:
    """What was chosen in this session, on whatever page: Streamlit forgets it with the page's widgets."""
    return st.session_state.setdefault("kept", {})


def _remember(name: str, value: str | None, keep: bool = True) -> None:
    """Note a choice for the address; None takes it out.

    keep: it is the reader's on other pages too
    """
    if keep:
        _kept()[name] = value
    st.session_state.setdefault(NOTED, {})[name] = value

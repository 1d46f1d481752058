"""The ranking as pages show it: proxies, controls and combiners in one table, each row described."""

from dataclasses import replace
from typing import Any

import pandas as pd

from leaderboard import combining, reading
from leaderboard.definitions import Definition, definition
from leaderboard.selection import Filters
from leaderboard.words import DASH

NEEDS = {
    "none": "nothing", "shape": "image size", "noise": "image size", "images": "images", "labels": "labels"
}  # fmt: skip

EMPTY = "No architecture of these params has an accuracy. Widen the window of params."
NONE = Definition("", DASH, "", "", False, "", "")  # a combiner has no principle and needs no image itself


def standing(filters: Filters, draws: int = 0, combined: bool = False) -> pd.DataFrame:
    """Every proxy of the benchmark, or the shared ones, ranked.

    draws:    resamples for intervals and places; 0 leaves them empty and takes no time
    combined: the combiners stand among the proxies

    Columns of `store.overall.OVERALL`, and kind, place, principle, needs, data, milliseconds; over several
    tasks rho on each of them too, in a column of the task's name.
    """
    among, chosen = _asked(filters, draws, combined)
    found = described(reading.ask("overall", among, **chosen), reading.combiners_of(among) if among else ())
    if len(filters.tasks) == 1 or found.empty:
        return found
    chosen = {name: value for name, value in chosen.items() if name not in ("given", "draws")}
    each = reading.ask("rhos", among, **chosen)
    return found.join(each.pivot(index="proxy", columns="task", values="rho"), on="proxy")


def question(filters: Filters, ranking: pd.DataFrame, *own: str) -> dict[str, Any]:
    """What `Benchmark.overall` is asked to answer with these rows, combiners apart; own: more names."""
    # One without any score here has a row only where it is asked for by name, and so have the others.
    if filters.shared or not ranking["unscored"].any():
        return filters.ranking
    return filters.ranking | {"proxies": (*reading.names("proxies"), *own)}


def answered(filters: Filters, draws: int, combined: bool) -> bool:
    """Whether `standing` of these was asked lately and takes no time."""
    if combined and not reading.fitted(replace(filters, given=None)):
        return False
    among, chosen = _asked(filters, draws, combined)
    return reading.answered("overall", among, **chosen)


def _asked(filters: Filters, draws: int, combined: bool) -> tuple[Filters | None, dict[str, Any]]:
    """What the combiners are fitted on, where there are any, and what the benchmark is asked."""
    among = replace(filters, given=None) if combined else None
    # Asked for by name, a proxy without scores here is a row of nulls instead of no row.
    proxies = filters.shared or tuple(reading.names("proxies"))
    more = reading.combiners_of(among) if among else ()
    return among, filters.ranking | {"proxies": proxies + more, "draws": draws}


def described(ranking: pd.DataFrame, combiners: tuple[str, ...] = ()) -> pd.DataFrame:
    """The rows with what kind of thing each is, the places it may hold, its principle, needs and price."""
    about = [NONE if proxy in combiners else definition(proxy) for proxy in ranking["proxy"]]
    return ranking.assign(
        kind=[kind(row.proxy, row.control, combiners) for row in ranking.itertuples()],
        place=[place(row.first_place, row.last_place) for row in ranking.itertuples()],
        principle=[one.principle for one in about],
        data=[one.data for one in about],
        needs=[NEEDS.get(one.data, DASH) for one in about],
        milliseconds=ranking["seconds"] * 1000,
    )


def kind(proxy: str, control: bool, combiners: tuple[str, ...]) -> str:
    """One of `theme.KINDS`."""
    if proxy in combiners:
        return combining.kind(proxy)
    return "control" if control else "proxy"


def place(first: float, last: float) -> str:
    """The places a proxy may hold: 3, or 3–7 where it is tied with others; nothing without resamples."""
    if pd.isna(first):
        return ""
    return f"{first:.0f}" if first == last else f"{first:.0f}{DASH}{last:.0f}"

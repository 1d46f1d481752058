"""Combine: several proxies as one ranking, judged on architectures and tasks it has not seen."""

import pandas as pd
import streamlit as st

import proxies.combiners as combiners
from leaderboard import combining, frame, reading, state
from leaderboard.charts import proxy as charts
from leaderboard.combining import MOST
from leaderboard.filters import sidebar
from leaderboard.words import DASH, plain
from proxies.combiners import Choice

USUAL = "libra"


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Proxies combined",
        "Choose proxies and a way to combine them. A combiner that looks at accuracies flatters itself where "
        "it was fitted: what counts is its rho on architectures, and tasks, that it has not seen.",
    )
    filters = sidebar()
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    name = state.select(left, "Combiner", "combiner", combiners.names(), USUAL, spell=spelled)
    scored = list(reading.ask("overall", **filters.ranking, draws=0).dropna(subset="rho")["proxy"])
    with right:
        chosen = state.several(
            st, "Proxies it may read (none chosen: all)", "chosen", sorted(scored), help="At most twelve.",
            most=12,
        )  # fmt: skip
    st.caption(plain(combiners.get(name).doc.partition("\n\n")[0], 300))
    try:
        found = reading.combined(filters, name, tuple(chosen))
    except combiners.ProxyError as error:
        st.warning(plain(error, 400))
        return
    except ImportError:
        st.warning(f"{plain(name)} needs scikit-learn, which is not installed here: pip install scikit-learn")
        return
    judged(found)
    rows = found.ranking
    rows = rows.assign(at=rows["proxy"].where(rows["proxy"] != found.name, f"{found.name}, combined"))
    left, right = st.columns(2, gap="large")
    of = (rows.dropna(subset="rho"), "at", beside(found))
    frame.chart(left, charts.by, *of, alt="The combination beside its proxies")
    with right:
        against(found)
    order(found)
    if found.choice:
        libra(found.choice, found.proxies)
    parts = tuple(rows.loc[rows["proxy"] != found.name, "proxy"])
    asked = reading.asked("rank", filters.meeting | {"proxies": parts})
    apart = "The download has the combination beside them, by its honest scores; it holds a rank too."
    frame.offer(rows, f"combine-{filters.label}-{name}", asked, apart)


def spelled(name: str) -> str:
    """A combiner's name, and whether it looks at accuracies."""
    return f"{name} (fitted)" if combiners.get(name).fits else name


def beside(found: combining.Combined) -> str:
    """What the combination is drawn beside: a chart holds no more than the best."""
    few = len(found.proxies) <= MOST
    return f"The combination beside the {'' if few else f'best {MOST} '}proxies it reads"


def judged(found: combining.Combined) -> None:
    """Published beside honest numbers."""
    told, where = found.judgement, frame.numbers()
    if not combiners.get(found.name).fits:
        frame.number(where, "rho", f"{told.on_all:z.2f}", "looks at no accuracy")
    else:
        there = not pd.isna(told.across_tasks)
        elsewhere = f"{told.across_tasks:z.2f}" if there else DASH
        less = f"{-told.optimism:+z.2f} against published"
        frame.number(where, "rho as published", f"{told.on_all:z.2f}", "fitted on what it is judged on")
        frame.number(where, "rho on unseen architectures", f"{told.across_architectures:z.2f}", less)
        below = "fitted on the others" if there else "there is no other task"
        frame.number(where, "rho on an unseen task", elsewhere, below)
        st.caption("Unseen architectures: mean over five random halvings; the chart below shows the first.")
    named = ", ".join(f"**{plain(proxy)}**" for proxy in found.proxies[:MOST])
    more = len(found.proxies) - MOST
    st.caption(f"It reads: {named}{f' and {more} more' if more > 0 else ''}.")


def against(found: combining.Combined) -> None:
    """The combination against each proxy it reads, on the same architectures."""
    st.markdown("**Better than its parts?** Paired, on the same architectures.")
    lines = []
    for row in found.comparisons.itertuples():
        verdict = (
            "cannot be told from" if not row.separable else "beats" if row.difference > 0 else "loses to"
        )
        if pd.notna(row.low):
            lines.append(
                f"- {verdict} **{plain(row.b)}**: {row.difference:+z.2f} [{row.low:+z.2f}, {row.high:+z.2f}]"
            )
    st.markdown("\n".join(lines) or "Nothing to compare.")


def order(found: combining.Combined) -> None:
    """The architectures in the order of the combination, by its honest scores."""
    st.subheader("The merged ranking of the architectures", anchor=False)
    ranked = found.points.sort_values("score", ascending=False, kind="stable")
    ranked = ranked.assign(place=ranked["score"].rank(ascending=False, method="min").astype(int))
    st.dataframe(
        ranked[["place", "arch_id", "accuracy", "score"]],
        hide_index=True,
        height=300,
        column_config={
            "arch_id": st.column_config.TextColumn("architecture"),
            "accuracy": st.column_config.NumberColumn(format="percent"),
            "score": st.column_config.NumberColumn("combined score", format="%.4g"),
        },
        key="order",
        alt="The architectures in the order of the combination",
    )
    if combiners.get(found.name).fits:
        st.caption("Each architecture's score is given by what was fitted on the half that it is not in.")


def libra(choice: Choice, chosen: tuple[str, ...]) -> None:
    """LIBRA's three steps, on all architectures: the band, the information gain, the bias."""
    st.subheader("LIBRA's three steps", anchor=False)
    best = choice.rho[chosen[0]]
    st.markdown(
        f"1. **{plain(chosen[0])}** has the highest rho, {best:z.2f}. Candidates lie within "
        f"{choice.window:z.2f} below it{', a band that had to be widened' if choice.widened else ''}: "
        f"{len(choice.candidates)}.\n"
        + (f"2. **{plain(chosen[1])}** adds the least information to it.\n" if len(chosen) > 1 else "")
        + (
            f"3. **{plain(chosen[2])}** has, of the rest, the bias towards params nearest to that of the "
            f"accuracies, {choice.bias_of_accuracy:z.2f}."
            if len(chosen) > 2
            else ""
        )
    )
    steps = dict(zip(chosen, ("1: highest rho", "2: least gain", "3: nearest bias"), strict=False))
    names = [chosen[0], *choice.candidates]
    st.dataframe(
        pd.DataFrame(
            {
                "proxy": names,
                "chosen": [steps.get(name) for name in names],
                "rho": [choice.rho[name] for name in names],
                "gain": [choice.gain.get(name) for name in names],
                "bias": [choice.bias[name] for name in names],
                "from accuracy's": [abs(choice.bias[name] - choice.bias_of_accuracy) for name in names],
            }
        ),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("rho", "gain", "bias", "from accuracy's")
        },
        placeholder=DASH,
        key="libra",
        alt="LIBRA's candidates",
    )
    frame.explain("information gain", "bias")

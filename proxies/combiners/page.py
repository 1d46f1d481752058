"""The page that documents every combiner, from the registry: `python -m proxies.combiners`."""

from __future__ import annotations

import re
import textwrap

from proxies.combiners.registry import Combiner, get, names
from proxies.options import written_option

_WIDTH = 110
_INTRODUCTION = """\
# The combiners

One entry a combiner, from its definition in `proxies/combiners/`; made by `make docs`, not written by hand.

A combiner makes one ranking out of several proxies' scores. It needs no torch. Its number for an architecture
depends on which architectures are ranked together; higher is better, and nothing else can be read from it.
A score that failed ranks its architecture below all others by that proxy; ties are at their average rank.

**Fitted combiners** look at accuracies, and are then no longer zero-cost: what they say of architectures or
tasks they have seen is optimistic. `proxies.combiners.judge` therefore gives three numbers side by side: rho
on all architectures, as papers publish it; across architectures, fitted on one half and judged on the other;
and across tasks, fitted on the other tasks. The differences are the optimism.

**Options** stand in the name: `libra[binning=equal_count,merge=rank_sum]`.

    from proxies import combiners
    table = combiners.Table(scores={"snip": ..., "nwot": ...}, accuracies=..., params=...)
    table = combiners.Table(**benchmark.for_combiners(task="cifar10"))  # the same, of a store.Benchmark
    fitted = combiners.get("libra").fit([table])
    fitted.proxies, fitted.choice.window, fitted.rank(table)
    combiners.judge("libra", {"cifar10": table, "svhn": other})
"""


def page() -> str:
    """Return the page, Markdown."""
    found = [get(name) for name in names()]
    return "\n".join([_INTRODUCTION, _table(found), *map(_entry, found)])


def _table(found: list[Combiner]) -> str:
    lines = ["| combiner | looks at accuracies | options | source |", "|---|---|---|---|"]
    for one in found:
        options = ", ".join(f"`{name}`" for name in one.options)
        lines.append(
            f"| [`{one.name}`](#{one.name}) | {'yes' if one.fits else ''} | {options} | {one.source} |"
        )
    return "\n".join(lines) + "\n"


def _entry(one: Combiner) -> str:
    summary, _, rest = one.doc.partition("\n\n")
    lines = [f"## {one.name}", "", _flowed(summary), ""]
    for part in re.split(r"\n(?=[A-Z][a-z]+: )", rest):
        label, _, text = part.partition(": ")
        lines.append(_flowed(f"**{label}.** {text[:1].upper()}{text[1:]}"))
    for name, usual in one.options.items():
        others = ", ".join(f"`{word}`" for word in one.words.get(name, ()) if word != usual)
        lines.append(
            _flowed(f"**Option** `{name}={written_option(usual)}`{f'; or {others}' if others else ''}")
        )
    lines.append(_flowed(f"**Looks at accuracies**: {'yes' if one.fits else 'no'}."))
    return "\n".join(lines) + "\n"


def _flowed(text: str) -> str:
    first = "- " if text.startswith("**") else ""
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent="  " if first else "",
        break_long_words=False,
        break_on_hyphens=False,
    )

"""The page that documents every proxy, made from the registry: `python -m proxies > docs/proxies.md`."""

from __future__ import annotations

import re
import textwrap

from proxies.options import written_option
from proxies.probe import PASSES
from proxies.registry import Proxy, get, names

_WIDTH = 110
_INTRODUCTION = """\
# The proxies

One entry a proxy, from its definition in `proxies/`; made by `make docs`, not written by hand.

Higher is better for every one of them, by definition: no sign is chosen after the fact. A proxy that found
nothing to measure, or met NaN, has no score but a reason. Weights are those the network has; weights,
gradients and norms are those of convolution and linear layers, unless an entry says otherwise.

**Options** stand in the name: `gradsign[average=true]`, `l_swag[interval=3-7]`. An interval is two tenths of
the depth, both included, 0 to 9.

**Passes** are computations over the network that proxies share: ten proxies of one pass cost one. All passes
marked *walk* share one forward pass, and each of its backward passes; what a proxy adds when others have been
asked for before is the column `marginal_seconds` of the table of scores.

**What a network tells about itself.** Some proxies need to know what a module is for. A network may have
`input_shape` (channels, height, width); `roles`, by leaf module name: embed, attention, mlp, convolution,
norm or head; `stages`, the names of the modules whose outputs are its features, in forward order;
`feature_map`, the name of the module whose output is pooled for the classifier. Without it these proxies have
no score, and say so. Features of four axes are read as (batch, channels, height, width), of three as (batch,
tokens, channels): a network whose maps have their channels last, as Swin's have, must name modules that
return one of the two.
It may name its `loss` too: cross_entropy unless it says soft_cross_entropy, squared_error or absolute_error;
labels are then shares or values.

**Convolutional networks.** All proxies run on them but those whose entry says that they need attention.
BatchNorm stays in the mode of the network, training when it is new, except where an entry bypasses it.
"""


def page() -> str:
    """Return the page, Markdown."""
    found = [get(name) for name in names()]
    parts = [_INTRODUCTION, _table(found), _passes(), *map(_entry, found)]
    return "\n".join(parts)


def _table(found: list[Proxy]) -> str:
    lines = ["| proxy | principle | needs | batches | passes |", "|---|---|---|---|---|"]
    for proxy in found:
        control = " (control)" if proxy.control else ""
        passes = ", ".join(f"`{name}`" for name in proxy.passes) or "none"
        cells = (
            f"[`{proxy.name}`](#{proxy.name})",
            proxy.principle + control,
            proxy.data,
            proxy.batches,
            passes,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _passes() -> str:
    lines = ["## Passes", "", "| pass | what it takes of the network | walk | reads |", "|---|---|---|---|"]
    for name, found in PASSES.items():
        reads = ", ".join(f"`{needed}`" for needed in found.needs)
        lines.append(f"| `{name}` | {found.cost} | {'yes' if found.stage else ''} | {reads} |")
    return "\n".join(lines) + "\n"


def _entry(proxy: Proxy) -> str:
    summary, _, rest = proxy.doc.partition("\n\n")
    lines = [f"## {proxy.name}", "", _flowed(summary), ""]
    for label, text in _paragraphs(rest):
        lines.append(_flowed(f"**{label}.** {text}" if label else text, indent="  ", first="- "))
    if proxy.options:
        usual = ", ".join(f"`{name}={written_option(value)}`" for name, value in proxy.options.items())
        lines.append(_flowed(f"**Options**, as they are unless given: {usual}", indent="  ", first="- "))
    needs = {
        "none": "the network alone",
        "shape": "the shape of an image",
        "noise": "noise of its own, as many images as a mini-batch has",
        "images": "a mini-batch of images",
    }
    data = needs.get(proxy.data, "a mini-batch of images and labels")
    if proxy.batches > 1:
        data = f"at least {proxy.batches} mini-batches of images and labels"
    if proxy.needs:
        data = f"{data}, and {proxy.needs}"
    cost = "; ".join(f"`{name}`: {PASSES[name].cost}" for name in proxy.passes)
    lines.append(_flowed(f"**Needs** {data}{f'. Passes: {cost}' if cost else ''}.", indent="  ", first="- "))
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[tuple[str, str]]:
    """The labelled parts of a docstring, in order, and what stands before the first."""
    starts = re.split(
        r"^(Formula|Range and direction|Source|Deviations|Raises)\b:?\s", text, flags=re.MULTILINE
    )
    found = [("", starts[0])] if starts[0].strip() else []
    for label, body in zip(starts[1::2], starts[2::2], strict=True):
        found.append((label, body))
    return found


def _flowed(text: str, indent: str = "", first: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()).replace("*", r"\*").replace(r"\*\*", "**"),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

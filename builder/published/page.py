"""The page that documents every importer, made from the registry."""

from __future__ import annotations

import textwrap

from builder.published.check import CHANCE, LEAST_ROWS
from builder.published.importer import Importer, get, names
from store.factors import DEVIATIONS, ERRORS
from store.statistics import FEWEST

_WIDTH = 110
_INTRODUCTION = f"""\
# Published accuracies

One entry a source, from its importer in `builder/published/importers/`; made by
`python -m builder.published`, not written by hand. The numbers are their authors': importers are shipped, the
files are not.

    python -m builder job=accuracy protocol=published protocol.published.importer=hytas space=hytas task=ksc

fetches the files that the importer has for that space and task into `<root>/cache`, or reads a local copy of
them with `protocol.published.path=` (a file, a folder of them, or a copy of the repository). Every recipe of
the space and task is imported, or one with `protocol.published.recipe=`. Rows are found by genome, never by
position, and stand under protocol `published` with their recipe; recipes are never mixed.

**Scores** that a source published are imported too, with

    python -m builder job=score score.importer=nas_bench_suite_zero space=nasbench201 task=cifar10

and stand as proxies of their own, `nas_bench_suite_zero/snip`, beside ours. One that failed there is a null.

**Checksums.** The sha256 of a column is that of its content, however the file is written: a line
`genome accuracy` for each architecture, the accuracy 0..1, the lines sorted. They were computed from copies
decoded from the files at the commit in their addresses. A column with another content is refused;
`protocol.published.sha256=[...]` takes it as it is. The checksum of the file itself is recorded in the
column `source` of the rows, not verified: the bytes at these addresses were not at hand.

**Does a known factor explain it?** Depth, width, the mean of the heads, the mean of the MLP ratios and the
number of parameters are known before any network is trained. A column is refused that is

- *unexplained*: all of them together explain no more of the accuracies' ranks than chance does (p above
  {CHANCE:g});
- *out of line*: the mean of the networks of one value of a factor lies more than {DEVIATIONS} standard
  deviations within the other values, and {ERRORS} standard errors, beyond what the trend of the other values
  allows (as in `store.Benchmark.factors`). Values of fewer than {FEWEST} networks do not count; three are
  needed.

A column of fewer than {LEAST_ROWS} rows is not checked. `protocol.published.check=false` imports a refused
column and says so.
"""
_END = """\
## Not imported

- The PiT networks of ViT-Bench-101 (`gt_pit.pth`): there is no PiT space here.
- CVPR 2022 NAS, track 2: ranks of undocumented direction on eight tasks, no accuracies.
- The whole of NAS-Bench-101: its table is no file of a repository, and copies of it have numbers instead of
  cells. Of it there are the cells that NAS-Bench-Suite-Zero drew.
- NAS-Bench-Macro and other convolutional tables: their spaces are not here. One importer in one file adds
  each when its space is.
- A table of your own needs no importer: `protocol.published.path=` and the fields beside it in
  `conf/protocol/published.yaml`. The check is the same.
"""


def page() -> str:
    """Return the page, Markdown."""
    return "\n".join([_INTRODUCTION, *(_entry(get(name)) for name in names()), _END])


def _entry(importer: Importer) -> str:
    facts = {
        "Citation": f"{importer.citation}.",
        "Licence": f"{importer.licence}.",
        "Networks": importer.networks,
        "Beware": importer.beware,
    }
    lines = [f"## {importer.name}", ""]
    lines += [_flowed(f"- **{label}.** {text}") for label, text in facts.items()]
    lines += ["", "| recipe | what it is |", "|---|---|"]
    lines += [f"| `{recipe}` | {text} |" for recipe, text in importer.recipes.items()]
    lines += ["", "| file | column | space | task | recipe | split | refused |", f"|{'---|' * 7}"]
    lines += [
        f"| {_name(column.file)} | `{column.key}` | `{column.space}` | `{column.task}` | `{column.recipe}` "
        f"| {column.split} | {column.refused} |"
        for column in importer.columns
    ]
    if importer.scores:
        lines += ["", "| scores in file | space | task | proxies |", "|---|---|---|---|"]
    lines += [
        f"| {_name(scores.file)} | `{scores.space}` | `{scores.task}` | {', '.join(scores.keys)} |"
        for scores in importer.scores
    ]
    lines += ["", "| file | column | recipe | sha256 of the content |", "|---|---|---|---|"]
    lines += [
        f"| {_name(column.file)} | `{column.key}` | `{column.recipe}` | `{column.sha256}` |"
        for column in importer.columns
    ]
    lines += [
        f"| {_name(scores.file)} | {scores.space}, {scores.task} | scores | `{scores.sha256}` |"
        for scores in importer.scores
    ]
    lines += ["", *(f"- <{importer.address(file)}>" for file in importer.files)]
    return "\n".join(lines) + "\n"


def _name(file: str) -> str:
    return file.rpartition("/")[2]


def _flowed(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

"""What each proxy is, read from its source file: importing `proxies` would need torch, which a page does not.

A definition is the decorator `@proxy(...)` with its literal arguments, and the docstring under it.
"""

import ast
import functools
import importlib.util
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

from store.rank import CONTROLS

LABELS = ("Formula", "Range and direction", "Source", "Deviations", "Raises")
FOLDERS = ("baselines", "gradient_free", "gradient_based")


@dataclass(frozen=True)
class Definition:
    """A proxy as its file defines it; the fields are those of `proxies.Proxy`."""

    name: str
    principle: str
    source: str
    data: str
    control: bool
    doc: str
    file: str

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return " ".join(self.doc.partition("\n\n")[0].split())

    @property
    def paragraphs(self) -> list[tuple[str, str]]:
        """The labelled paragraphs of the docstring: formula, range, source, deviations."""
        starts = re.split(rf"^({'|'.join(LABELS)})\b:?\s", self.doc, flags=re.MULTILINE)
        return [
            (label, " ".join(text.split())) for label, text in zip(starts[1::2], starts[2::2], strict=True)
        ]


def definition(proxy: str) -> Definition:
    """The definition of a proxy, options in its name or not; an empty one where no file defines it."""
    base = proxy.partition("[")[0]
    unknown = Definition(base, "unknown", "", "unknown", base in CONTROLS, "", "")
    return definitions().get(base, unknown)


@functools.cache
def definitions() -> dict[str, Definition]:
    """Every proxy that the installed package `proxies` defines, by name."""
    found = importlib.util.find_spec("proxies")
    places = found.submodule_search_locations if found else None
    files = [file for place in places or () for file in _files(Path(place))]
    return {one.name: one for file in files for one in _read(file)}


def _files(package: Path) -> list[Path]:
    return [file for folder in FOLDERS for file in sorted((package / folder).glob("*.py"))]


def _read(file: Path) -> list[Definition]:
    found = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for call in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "proxy":
                said = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                about = {name: said[name] for name in ("principle", "source", "data")}
                doc = inspect.cleandoc(ast.get_docstring(node) or "")
                place = f"proxies/{file.parent.name}/{file.name}"
                name = ast.literal_eval(call.args[0])
                found.append(
                    Definition(name, control=said.get("control", False), doc=doc, file=place, **about)
                )
    return found

"""The definitions of proxies, read without torch, are those of the registry."""

import re
import subprocess
import sys

import proxies
from leaderboard.definitions import definition, definitions
from leaderboard.page.ranking import FREE, NO_LABELS
from leaderboard.standing import NEEDS


def test_every_proxy_of_the_registry_is_defined_as_there() -> None:
    found = definitions()
    assert set(found) == set(proxies.names())
    for name, mine in found.items():
        theirs = proxies.get(name)
        for field in ("principle", "source", "data", "control", "doc"):
            assert getattr(mine, field) == getattr(theirs, field), (name, field)


def test_what_a_proxy_needs_is_known_to_the_pages() -> None:
    needed = {one.data for one in definitions().values()}
    assert needed == set(NEEDS)
    assert needed - set(FREE[NO_LABELS]) == {"labels"}


def test_a_definition_is_cut_into_its_paragraphs() -> None:
    labels = [label for label, _ in definition("l_swag[interval=3-7]").paragraphs]
    assert labels[:4] == ["Formula", "Range and direction", "Source", "Deviations"]
    assert definition("l_swag").summary.endswith(".") and "\n" not in definition("l_swag").summary


def test_one_that_nobody_defines_is_empty() -> None:
    found = definition("nobody's")
    assert (found.doc, found.summary, found.paragraphs) == ("", "", [])


def test_reading_them_needs_no_torch() -> None:
    code = "import sys; from leaderboard.definitions import definitions; print(len(definitions()))"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and re.fullmatch(r"\d+\n", done.stdout)

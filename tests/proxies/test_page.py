"""The documentation of the proxies is that of the registry."""

from pathlib import Path

import proxies
from proxies.page import page

WRITTEN = Path(proxies.__file__).parent.parent / "docs" / "proxies.md"


def test_the_page_is_up_to_date():
    assert WRITTEN.read_text() == page(), "run make docs"


def test_every_proxy_has_an_entry():
    entries = [line.removeprefix("## ") for line in page().splitlines() if line.startswith("## ")]
    assert entries == ["Passes", *proxies.names()]

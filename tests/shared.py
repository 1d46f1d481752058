"""Where reference data lies: the oracle's with the tests, published tables and images beside the project.

Tables and images belong to others, so they are not shipped; tests that need them are skipped without.
"""

from pathlib import Path

import pytest

ORACLE = Path(__file__).parent / "oracle"
_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLES = _DATA / "tables"
IMAGES = _DATA / "images"

needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="the published tables are not here")
needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason="the real images are not here")

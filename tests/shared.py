"""Where the reference data lies beside the project, and the skip for a machine that has none."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
ORACLE = SHARED / "oracle"
TABLES = SHARED / "data" / "tables"
IMAGES = SHARED / "data" / "images"

needs_oracle = pytest.mark.skipif(not ORACLE.is_dir(), reason="the oracle's reference values are not here")
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="the published tables are not here")
needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason="the real images are not here")

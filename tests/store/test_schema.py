"""The tables are complete and the room stays light."""

import subprocess
import sys

import pytest

from store import SCHEMA_VERSION, TABLES, StoreError
from store.rank import COMPARISON, RANKING
from store.schema import table

EVERY_SCHEMA = {name: wanted.schema for name, wanted in TABLES.items()} | {
    "ranking": RANKING,
    "comparison": COMPARISON,
}


@pytest.mark.parametrize("name", EVERY_SCHEMA)
def test_every_column_tells_unit_and_meaning(name):
    for field in EVERY_SCHEMA[name]:
        assert field.metadata[b"unit"].decode().split() != []
        assert len(field.metadata[b"meaning"].decode()) > 4, field.name


@pytest.mark.parametrize("name", TABLES)
def test_every_table_tells_its_name_and_version(name):
    wanted = TABLES[name]
    assert wanted.schema.metadata == {
        b"schema_version": str(SCHEMA_VERSION).encode(),
        b"table": name.encode(),
    }
    assert all(not wanted.schema.field(key).nullable for key in wanted.key)
    assert ("status" in wanted.schema.names) == bool(wanted.statuses)
    assert name == "runs" or "run_id" in wanted.schema.names


def test_unknown_table_suggests_the_closest():
    with pytest.raises(StoreError, match=r"^Unknown table 'scors'. Did you mean 'scores'\?$"):
        table("scors")


def test_importing_store_needs_neither_torch_nor_pandas():
    code = "import sys, store; print(*{'torch', 'pandas', 'hydra', 'streamlit', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

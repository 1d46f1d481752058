"""No damage to a release is overlooked, and each is told in one line that names the file."""

import json
import shutil

import pytest

from bench.release_faults import consequences, damages
from store import Benchmark, StoreError, verify
from store.release.manifest import NAME


def test_no_damage_is_overlooked(packed, other, tmp_path):
    seen = 0
    for name, damage in damages(packed, other):
        opened, verified = consequences(packed, damage, tmp_path / "damaged")
        assert verified, name
        assert "\n" not in opened + verified, name
        changed = name.partition(":")[0] if ":" in name else "more" if "table" in name else "notes"
        if name != "manifest.json: of another release":  # then the others are
            assert changed in verified, (name, verified)
        assert opened, name  # so that no number of a damaged release is ever told
        seen += 1
    assert seen > 80


def test_what_other_tools_hide_in_a_release_is_none_of_it(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "cloned")
    for name in (".gitattributes", ".git/HEAD", ".cache/huggingface/.gitignore", "scores/.DS_Store"):
        path = tmp_path / "cloned" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert verify(tmp_path / "cloned") == []
    Benchmark.open(tmp_path / "cloned").close()
    shutil.copy(packed / "scores/scores.parquet", tmp_path / "cloned/scores/.more.parquet")
    hidden = "more.parquet is not in the manifest of this release. Remove it."
    assert [line.endswith(hidden) for line in verify(tmp_path / "cloned")] == [True]
    with pytest.raises(StoreError, match=hidden):
        Benchmark.open(tmp_path / "cloned")


def test_rows_that_were_changed_with_their_checksums_are_found(packed, tmp_path):
    """A manifest made to fit a changed table: counts, constraints and rankings still tell."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from store.release.manifest import Manifest
    from store.release.pack import listed, write

    def forge(name, change):
        folder = tmp_path / "forged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(packed, folder)
        path = folder / name / f"{name}.parquet"
        write(change(pq.read_table(path)), path)
        true = vars(Manifest.read(packed))
        (folder / NAME).write_text(Manifest(**true | {"files": listed(folder)}).text())
        return verify(folder)

    def replaced(table, name, values):
        return table.set_column(table.column_names.index(name), table.schema.field(name), values)

    assert forge("scores", lambda table: table) == []
    assert any("other counts" in line for line in forge("scores", lambda table: table.slice(1)))
    swapped = forge(
        "scores",
        lambda table: replaced(table, "value", table["value"].take(pa.array(range(len(table))[::-1]))),
    )
    assert any("is another when it is computed anew" in line or "status" in line for line in swapped)
    high = forge("accuracies", lambda table: replaced(table, "accuracy", pc.add(table["accuracy"], 1.0)))
    assert any("accuracy is outside 0..1: 320 rows (arch_id=" in line for line in high)
    nobody = forge("accuracies", lambda table: replaced(table, "run_id", pa.array(["x"] * len(table))))
    assert any("run_id of no run" in line for line in nobody)
    proxy = forge(
        "scores", lambda table: replaced(table, "proxy", pc.replace_substring(table["proxy"], "snip", "snap"))
    )
    assert any("proxy 'snap' is not in the registry: 80 rows" in line for line in proxy)


def test_a_manifest_of_a_newer_schema_says_what_to_install(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "newer")
    values = json.loads((packed / NAME).read_text()) | {"schema_version": 99}
    (tmp_path / "newer" / NAME).write_text(json.dumps(values))
    for ask in (Benchmark.open, verify):
        with pytest.raises(StoreError, match=r"has schema version 99.*Install a newer vit-zero-bench\."):
            ask(tmp_path / "newer")

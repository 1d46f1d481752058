"""The command `vitzero-release`."""

import csv
import io
import shutil

import pytest

from store.release.__main__ import main
from tests.store.release.releasable import write_releasable


def told(capsys, *words):
    code = main([str(word) for word in words])
    return code, capsys.readouterr()


def test_verify(packed, tmp_path, capsys):
    code, said = told(capsys, "verify", packed)
    assert code == 0 and said.out == f"{packed} is release 1.0.0: 9 files, all as they should be.\n"
    shutil.copytree(packed, tmp_path / "damaged")
    (tmp_path / "damaged" / "README.md").write_text("x")
    (tmp_path / "damaged" / "CHANGES.md").unlink()
    code, said = told(capsys, "verify", tmp_path / "damaged")
    assert code == 1 and [line.partition(" ")[0].rpartition("/")[2] for line in said.out.splitlines()] == [
        "CHANGES.md",
        "README.md",
    ]
    code, said = told(capsys, "verify", tmp_path)
    assert code == 2 and said.err.startswith("vitzero-release: ") and said.err.count("\n") == 1


def test_fetch_info_and_query(packed, tmp_path, capsys):
    code, said = told(capsys, "fetch", packed, "--target", tmp_path / "copy")
    assert code == 0 and said.out == f"{tmp_path / 'copy'}\n"
    code, said = told(capsys, "info", tmp_path / "copy")
    assert code == 0 and "release 1.0.0, 2026-01-01" in said.out and "720 rows" in said.out
    ask = "SELECT proxy, rho FROM rankings WHERE task = 'digits' ORDER BY rho DESC NULLS LAST LIMIT 2"
    code, said = told(capsys, "query", ask, packed)
    assert code == 0 and "rho" in said.out and "zico" in said.out
    code, said = told(capsys, "query", "FROM scors", packed)
    assert code == 2 and "Did you mean" in said.err and said.err.count("\n") == 1
    code, said = told(capsys, "fetch", "1.0.0")
    assert code == 2 and said.err.startswith("vitzero-release: No public release 1.0.0. ")


def test_query_as_csv(packed, capfdbinary):
    assert main(["query", "SELECT arch_id, params FROM architectures", str(packed), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert len(rows) == 20 and rows[0]["params"].isdecimal()


def test_query_as_csv_of_what_csv_does_not_know(packed, capfdbinary):
    ask = "SELECT [1, 2] AS list, {'a': 1} AS structure, INTERVAL 3 DAY AS span, NULL::INT[] AS nothing"
    assert main(["query", ask, str(packed), "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode()))
    assert (row["list"], row["structure"], row["nothing"]) == ("[1, 2]", '{"a": 1}', "") and "3" in row[
        "span"
    ]


def test_what_lies_elsewhere_is_verified_after_it_was_fetched(capsys):
    code, said = told(capsys, "verify", "hf://datasets/us/bench@main")
    assert code == 2 and "hf://datasets/us/bench@main is not here. Fetch it" in said.err


@pytest.mark.parametrize("words", [["bogus"], [], ["verify"]])
def test_wrong_words_are_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_pack_is_the_builders_job(tmp_path, capfd):
    root = write_releasable(tmp_path / "ours, the = one's", tasks=("digits",), architectures=6)
    assert main(["pack", str(root), "1.0.0", "--target", str(tmp_path / "out=a, {b}")]) == 0
    assert main(["verify", str(tmp_path / "out=a, {b}")]) == 0
    assert main(["pack", str(root), "1.0"]) == 2
    assert "version is '1.0', expected three numbers" in capfd.readouterr().err

"""What a page offers to take away is what the query beside it gives."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from leaderboard import frame
from tests.leaderboard.conftest import Open
from tests.leaderboard.test_pages import SCRATCH, csv_of, upload

ALIKE = {"rtol": 1e-9, "check_dtype": False, "check_index_type": False}


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[pd.DataFrame, str, str]]:
    """The rows, the query and the sentence of every download that a page offers."""
    found: list[tuple[pd.DataFrame, str, str]] = []

    def offer(shown: pd.DataFrame, name: str, asked: str, apart: str = "") -> None:
        found.append((shown, asked, apart))

    monkeypatch.setattr(frame, "offer", offer)
    return found


def answer(benchmark: Path, asked: str, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """What a reader gets who runs the query beside the folder."""
    monkeypatch.chdir(benchmark.parent)
    *lines, last = asked.splitlines()
    known: dict[str, Any] = {}
    exec("\n".join(lines), known)
    return eval(last, known).to_pandas()


@pytest.mark.parametrize(
    "name, more",
    [
        ("ranking", {"combiners": "no"}),
        ("ranking", {"combiners": "no", "task": "all"}),
        ("ranking", {"combiners": "no", "shared": "yes", "given_params": "yes"}),
        ("ranking", {"combiners": "no", "space": "nasbench201", "task": "flowers"}),
        ("proxy", {"proxy": "snip", "seeds": "1", "params": "2000000-"}),
        ("tasks", {}),
        ("layers", {}),
        ("search", {}),
    ],
)
def test_a_download_is_what_its_query_gives(
    benchmark: Path,
    visit: Open,
    offered: list[tuple[pd.DataFrame, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    more: dict[str, str],
) -> None:
    assert not visit(benchmark, name, **(({} if name == "search" else SCRATCH) | more)).exception
    ((shown, asked, _),) = offered
    expected = answer(benchmark, asked, monkeypatch)
    common = [column for column in expected if column in shown]
    assert len(common) > 4
    pd.testing.assert_frame_equal(
        shown[common].reset_index(drop=True), expected[common].reset_index(drop=True), **ALIKE
    )


@pytest.mark.parametrize(
    "name, key, more, words",
    [
        ("ranking", "proxy", {}, "combiners, which hold places too"),
        ("ranking", "proxy", {"controls": "no", "combiners": "no"}, "only the rows that the filters leave"),
        ("cost", "proxy", {}, "only the proxies with a rho and a price"),
        ("combine", "proxy", {}, "the combination beside them"),
        ("architectures", "arch_id", {"find": '"depth": 3'}, "those found"),
    ],
)
def test_a_sentence_tells_what_the_query_does_not_give(
    benchmark: Path,
    visit: Open,
    offered: list[tuple[pd.DataFrame, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    key: str,
    more: dict[str, str],
    words: str,
) -> None:
    assert not visit(benchmark, name, **SCRATCH, **more).exception
    ((shown, asked, apart),) = offered
    assert words in apart
    expected = answer(benchmark, asked, monkeypatch).set_index(key)
    both = shown.set_index(key).loc[lambda rows: rows.index.isin(expected.index)]
    assert len(both)
    beside = len(shown) - len(both)
    assert beside == (
        shown["kind"].str.contains("combiner").sum() if name == "ranking" else name == "combine"
    )
    for column in ("rho", "accuracy", "seconds", "genome"):
        if column in both and column in expected:
            pd.testing.assert_series_equal(both[column], expected.loc[both.index, column], **ALIKE)


def test_the_lines_beside_your_own_scores_rank_them(
    benchmark: Path,
    visit: Open,
    offered: list[tuple[pd.DataFrame, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, _ = csv_of(benchmark, 0.9)
    page: AppTest = upload(visit(benchmark, "yours", **SCRATCH), "mine.csv", content)
    assert not page.exception
    ((shown, asked, _),) = offered
    (benchmark.parent / "mine.csv").write_bytes(content)
    expected = answer(benchmark, asked, monkeypatch)
    common = list(expected)
    pd.testing.assert_frame_equal(
        shown[common].reset_index(drop=True), expected.reset_index(drop=True), **ALIKE
    )

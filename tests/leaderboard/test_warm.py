"""The pages are drawn before the server listens."""

import sys
from pathlib import Path

import pytest
import streamlit as st

from leaderboard import reading
from leaderboard.__main__ import APP
from leaderboard.app import PAGES
from leaderboard.warm import warm
from tests.leaderboard.conftest import Open


def test_the_first_reader_asks_nothing_that_was_not_answered_before(
    benchmark: Path, visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setattr(sys, "argv", [str(APP), str(benchmark)])
    warm()
    answered = list(reading._answered())
    assert {question for _, _, question, *_ in answered} >= {"overall", "noise", "factors", "searches"}
    for _, _, name in PAGES:
        assert not visit(benchmark, name).exception
    assert list(reading._answered()) == answered


def test_a_benchmark_with_nothing_to_show_starts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(APP), str(tmp_path)])
    warm()

"""Agreement with the authors' own code, value by value."""

import pytest
import torch

from tests.proxies.oracle import counted, scored

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_scores_are_those_of_the_authors_code(dtype):
    comparisons = list(scored(dtype))
    assert len(comparisons) >= 28
    assert [c for c in comparisons if not c.difference <= TOLERANCES[dtype]] == []


def test_counts_are_those_of_the_official_network():
    comparisons = list(counted())
    assert len(comparisons) == 18
    assert [c for c in comparisons if c.ours != c.theirs] == []

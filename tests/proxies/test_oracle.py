"""Agreement with the authors' own code, value by value."""

import re

import pytest
import torch

from tests.proxies import oracle, peers

SINGLE, DOUBLE = torch.float32, torch.float64


@pytest.mark.parametrize(
    ("networks", "dtype", "architectures", "least"),
    [
        ("vit_small", DOUBLE, (), 200),
        ("vit_small", SINGLE, ("c_mixed",), 50),
        ("cnn_nb201", DOUBLE, (), 200),
        ("cnn_nb201", SINGLE, ("c_with_none", "e_identity"), 100),
        ("vit_tiny224", SINGLE, ("official",), 15),
    ],
)
def test_scores_are_those_of_the_authors_code(networks, dtype, architectures, least):
    comparisons = list(oracle.scored(networks, dtype, architectures))
    assert [comparison for comparison in comparisons if not comparison.agrees] == []
    assert len(comparisons) >= least


def test_counts_are_those_of_the_official_network():
    comparisons = list(oracle.counted())
    assert len(comparisons) == 18
    assert [comparison for comparison in comparisons if comparison.ours != comparison.theirs] == []


def test_every_record_has_its_row_and_every_row_a_record():
    records = [record for networks in oracle.NETWORKS for record in oracle.records(networks)]
    assert len(records) == 263
    for record in records:
        peers.entry(record)  # KeyError unless there is one
    idle = [row for row in peers.ROWS if not any(re.fullmatch(row, record) for record in records)]
    assert idle == []


def test_every_proxy_of_the_table_exists():
    assert oracle.missing() == []

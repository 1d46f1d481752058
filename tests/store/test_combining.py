"""From a benchmark to a table of combiners: the same numbers, one ranking at a time."""

import numpy as np
import pytest

from proxies import combiners
from store import StoreError

ONE = {"task": "digits", "protocol": "scratch"}


def test_a_table_is_one_line_away(planted):
    table = combiners.Table(**planted.for_combiners(**ONE))
    assert set(table.proxies) == set(planted.proxies())
    known = planted.accuracy(task="digits", protocol="scratch")
    assert np.array_equal(table.truth, known["accuracy"].to_numpy())
    params = dict(
        zip(*(planted.architectures()[name].to_pylist() for name in ("arch_id", "params")), strict=True)
    )
    assert table.sizes.tolist() == [params[arch_id] for arch_id in known["arch_id"].to_pylist()]
    assert combiners.get("libra").fit([table]).proxies[0] == "zico"


def test_scores_are_means_over_seeds_and_nan_where_one_failed(planted):
    scores = planted.for_combiners(**ONE)["scores"]
    found = planted.sql(
        """SELECT proxy, arch_id, avg(value ORDER BY seed) AS mean, count(value) AS known FROM scores
        WHERE task = 'digits' GROUP BY ALL ORDER BY proxy, arch_id"""
    ).to_pylist()
    for proxy, column in scores.items():
        mine = [row for row in found if row["proxy"] == proxy]
        expected = [row["mean"] if row["known"] == 2 else np.nan for row in mine]
        assert column == pytest.approx(expected, nan_ok=True)
    assert np.isnan(scores["grasp"]).sum() == 3


def test_what_selects_selects_here(planted):
    some = planted.for_combiners(**ONE, proxies=["snip", "zico"], params=(None, 10**6))
    assert list(some["scores"]) == ["snip", "zico"] and some["params"].max() <= 10**6


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            {"task": "digits"},
            r"one ranking is combined at a time; there are 2: .*\(paper\), .*Say which with",
        ),
        ({**ONE, "params": (1, 2)}, r"there are 0\.$"),
        ({**ONE, "protocol": "scrat"}, "Did you mean 'scratch'"),
    ],
)
def test_a_mistake_is_one_line(planted, asked, line):
    with pytest.raises(StoreError, match=line):
        planted.for_combiners(**asked)

"""Combiners: planted tables on which the right proxies are known, laws, honest judging, mistakes."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

import proxies
from proxies import combiners
from proxies.combiners import ProxyError, Table, statistics
from proxies.combiners.information import (
    conditional_entropy,
    entropy,
    equal_count,
    equal_width,
    information_gain,
)
from proxies.combiners.page import page
from proxies.combiners.ranks import log_rank_sum, rank_sum, ranks, spearman
from store.cells import Cell
from store.information import gains

WRITTEN = Path(proxies.__file__).parent.parent / "docs" / "combiners.md"
N = 400
# Which proxies every combiner needs, so that any can run on one table.
EVERYONE = (
    "az_expressivity", "az_progressivity", "az_trainability", "az_complexity", "ntk_cond", "linear_regions",
    "synflow", "jacov", "snip", "params",
)  # fmt: skip
TREES = "gradient_boosted[trees=10]"
EVERY = [TREES if name == "gradient_boosted" else name for name in combiners.names()]
REGRESSIONS = (TREES, "linear")


def noisy(truth, noise, seed):
    return truth + noise * np.random.default_rng(seed).standard_normal(len(truth))


@pytest.fixture
def everyone():
    truth = np.random.default_rng(0).standard_normal(N)
    scores = {name: noisy(truth, 0.5 + place / 4, place) for place, name in enumerate(EVERYONE)}
    return Table(scores, truth, params=noisy(truth, 1.0, 99))


@pytest.fixture
def planted():
    """snip is best; nwot is nearly snip, so it tells least; of the rest, fisher is biased as accuracy is.

    zen looks good on few parameters only, and plain orders far worse than the window allows.
    """
    params = np.random.default_rng(1).standard_normal(N)
    rest = np.random.default_rng(2).standard_normal(N)
    truth = 0.5 * params + rest
    snip = noisy(truth, 0.30, 3)
    scores = {
        "snip": snip,
        "nwot": noisy(snip, 0.02, 4),
        "fisher": noisy(truth, 0.45, 5),
        "zen": noisy(rest + 0.1 * params, 0.1, 6),
        "plain": noisy(truth, 5.0, 7),
    }
    return Table(scores, truth, params)


class TestLibra:
    def test_it_chooses_the_planted_three(self, planted):
        found = combiners.get("libra").fit([planted])
        assert found.proxies == ("snip", "nwot", "fisher")
        choice = found.choice
        assert choice.window == 0.1 and not choice.widened
        assert set(choice.candidates) == {"nwot", "fisher", "zen"}
        rho = {
            name: spearmanr(column, planted.accuracies).statistic for name, column in planted.scores.items()
        }
        assert choice.rho == pytest.approx(rho)
        assert choice.gain["nwot"] == min(choice.gain.values())
        biases = {
            name: spearmanr(column, planted.params).statistic for name, column in planted.scores.items()
        }
        assert choice.bias == pytest.approx(biases)
        assert choice.bias_of_accuracy == pytest.approx(
            spearmanr(planted.accuracies, planted.params).statistic
        )

    @pytest.mark.parametrize(
        ("name", "chosen"),
        [
            ("libra[binning=equal_count]", ("snip", "nwot", "fisher")),
            ("libra[third=none]", ("snip", "nwot")),
            ("libra[third=smallest]", ("snip", "nwot", "zen")),
            ("best_proxy", ("snip",)),
            ("two_gradient_free", ("nwot", "zen")),
            ("two_gradient_based", ("snip", "fisher")),
            ("one_of_each", ("nwot", "snip")),
        ],
    )
    def test_the_ablations_choose_theirs(self, planted, name, chosen):
        assert combiners.get(name).fit([planted]).proxies == chosen

    def test_the_most_gain_is_anothers(self, planted):
        found = combiners.get("libra[second=most,third=none]").fit([planted])
        gain = found.choice.gain
        assert found.proxies[1] == max(gain, key=gain.get) != "nwot"

    def test_every_proxy_is_a_candidate_in_a_window_of_two(self, planted):
        found = combiners.get("libra[window=2,third=none]").fit([planted])
        assert set(found.choice.candidates) == set(planted.proxies) - {"snip"}

    def test_the_window_is_open_below(self):
        truth = np.arange(N, dtype=float)
        params = truth[::-1]
        table = Table({"a": truth, "b": noisy(truth, 50, 0), "c": noisy(truth, 80, 1)}, truth, params)
        rho = combiners.get("libra").fit([table]).choice.rho
        exact = 1.0 - rho["c"]
        narrow = combiners.get(f"libra[window={exact!r},third=none]").fit([table]).choice
        wider = combiners.get(f"libra[window={exact + 1e-9!r},third=none]").fit([table]).choice
        assert narrow.candidates == ("b",) and wider.candidates == ("b", "c")

    def test_an_empty_window_is_widened_and_said(self, planted, caplog):
        lonely = planted.only(["snip", "plain"])
        with caplog.at_level(logging.INFO):
            found = combiners.get("libra").fit([lonely])
        assert found.proxies == ("snip", "plain")
        assert found.choice.widened and found.choice.candidates == ("plain",)
        assert lonely_gap(found.choice) < found.choice.window <= lonely_gap(found.choice) + 0.05
        assert "window widened from 0.1 to" in caplog.text

    def test_the_second_keeps_to_the_window_when_only_the_third_has_nobody(self, planted):
        found = combiners.get("libra").fit([planted.only(["snip", "fisher", "plain"])])
        assert found.proxies == ("snip", "fisher", "plain") and found.choice.widened
        assert set(found.choice.gain) == {"fisher"}

    def test_a_single_proxy_is_itself(self, planted):
        alone = planted.only(["zen"])
        found = combiners.get("libra").fit([alone])
        assert found.proxies == ("zen",)
        assert np.array_equal(ranks(found.rank(alone)), ranks(alone.scores["zen"]))

    def test_a_proxy_that_orders_nothing_is_never_chosen(self, planted):
        constant = Table({**planted.scores, "synflow": np.zeros(N)}, planted.accuracies, planted.params)
        found = combiners.get("libra[window=2]").fit([constant])
        assert "synflow" not in found.choice.candidates and "synflow" not in found.proxies

    def test_a_low_rho_is_low_however_strong(self, planted):
        against = Table({"a": planted.scores["plain"], "b": -planted.truth}, planted.truth, planted.params)
        assert combiners.get("best_proxy").fit([against]).proxies == ("a",)

    def test_ties_go_to_the_name(self, planted):
        snip = planted.scores["snip"]
        table = Table({"c": snip, "b": snip, "a": snip}, planted.accuracies, planted.params)
        assert combiners.get("libra").fit([table]).proxies == ("a", "b", "c")

    def test_on_several_tasks_means_decide(self, planted):
        # fisher orders the second task perfectly and snip does not order it at all.
        other = Table(
            {**planted.scores, "fisher": planted.truth, "snip": noisy(np.zeros(N), 1, 8)},
            planted.truth,
            planted.params,
        )
        both = combiners.get("libra").fit([planted, other])
        each = [combiners.get("libra").fit([table]).choice.rho for table in (planted, other)]
        assert both.proxies[0] == "fisher"
        assert both.choice.rho["snip"] == pytest.approx(np.mean([rho["snip"] for rho in each]))

    def test_it_needs_params(self, planted):
        with pytest.raises(ProxyError, match="The table has no params"):
            combiners.get("libra").fit([Table(planted.scores, planted.accuracies)])


def lonely_gap(choice):
    return choice.rho["snip"] - choice.rho["plain"]


# Strictly increasing, and exact enough that no two scores fall together.
MONOTONE = {"exp": np.exp, "cube": lambda x: x**3, "line": lambda x: 7 * x - 3, "arctan": np.arctan}


class TestInvariance:
    @pytest.mark.parametrize("name", [*sorted(set(EVERY) - {"libra"}), "libra[binning=equal_count]"])
    @pytest.mark.parametrize("transform", MONOTONE)
    def test_monotone_transforms_change_nothing(self, everyone, name, transform):
        bent = Table(
            {proxy: MONOTONE[transform](scores) for proxy, scores in everyone.scores.items()},
            np.tanh(everyone.truth),
            np.exp(everyone.params),
        )
        before, after = (combiners.get(name).combine(table) for table in (everyone, bent))
        assert np.array_equal(before, after)

    def test_bins_of_equal_width_are_not_invariant(self, planted):
        """One far-off score makes the rest one bin, which tells nothing: it is then the second."""
        stretched = planted.scores["zen"].copy()
        stretched[stretched.argmax()] = 1e6
        far = Table({**planted.scores, "zen": stretched}, planted.accuracies, planted.params)
        assert np.array_equal(ranks(stretched), ranks(planted.scores["zen"]))
        assert combiners.get("libra").fit([far]).proxies[1] == "zen"
        assert combiners.get("libra[binning=equal_count]").fit([far]).proxies[1] == "nwot"

    @pytest.mark.parametrize("name", EVERY)
    def test_the_order_of_rows_changes_nothing(self, everyone, name):
        order = np.random.default_rng(5).permutation(N)
        before, after = (combiners.get(name).combine(table) for table in (everyone, everyone.rows(order)))
        assert spearman(before[order], after) > (0.98 if name == TREES else 1 - 1e-9)

    def test_merging_one_proxy_is_that_proxy(self, everyone):
        alone = everyone.only(["snip"])
        for name in ("rank_sum", "log_rank_sum", "vote[voters=all]", "best_proxy", "linear"):
            assert np.array_equal(ranks(combiners.get(name).combine(alone)), ranks(alone.scores["snip"])), (
                name
            )


class TestContract:
    @pytest.mark.parametrize("name", EVERY)
    def test_blind_ones_never_see_accuracies_and_fitted_ones_do(self, everyone, name):
        other = Table(everyone.scores, -everyone.truth, everyone.params)
        before, after = (combiners.get(name).combine(table) for table in (everyone, other))
        assert np.array_equal(before, after) != combiners.get(name).fits

    @pytest.mark.parametrize("name", sorted(set(EVERY) - set(REGRESSIONS)))
    def test_an_architecture_best_everywhere_comes_first_and_worst_last(self, everyone, name):
        best, worst = 17, 23
        scores = {proxy: column.copy() for proxy, column in everyone.scores.items()}
        for column in scores.values():
            column[best], column[worst] = 100, -100
        combined = combiners.get(name).combine(Table(scores, everyone.truth, everyone.params))
        assert combined[best] == combined.max() and combined[worst] == combined.min()

    @pytest.mark.parametrize("name", EVERY)
    def test_a_failed_score_ranks_last(self, everyone, name):
        failed = [3, 7, 11]
        with_nan, with_lowest = ({}, {})
        for proxy, column in everyone.scores.items():
            with_nan[proxy], with_lowest[proxy] = column.copy(), column.copy()
            with_nan[proxy][failed] = np.nan, -np.inf, np.inf
            with_lowest[proxy][failed] = column.min() - 1
        about = everyone.truth, everyone.params
        found = combiners.get(name).combine(Table(with_nan, *about))
        assert np.isfinite(found).all()
        if name != "libra":  # whose bins see that they failed
            assert np.array_equal(found, combiners.get(name).combine(Table(with_lowest, *about)))

    def test_architectures_without_an_accuracy_are_ranked_but_not_fitted_on(self, everyone):
        truth = everyone.truth.copy()
        truth[:50] = np.nan
        table = Table(everyone.scores, truth, everyone.params)
        fitted = combiners.get("linear").fit([table])
        only = combiners.get("linear").fit([everyone.rows(np.arange(50, N))])
        assert np.array_equal(fitted.rank(table), only.rank(table))

    def test_random_choices_follow_their_generator(self, everyone):
        drawn = {
            combiners.get("two_random").fit([everyone], np.random.default_rng(s)).proxies for s in range(40)
        }
        again = combiners.get("two_random").fit([everyone], np.random.default_rng(0)).proxies
        assert len(drawn) > 20 and again == combiners.get("two_random").fit([everyone]).proxies

    def test_a_random_third_is_any_that_is_left(self, planted):
        libra = combiners.get("libra[third=random]")
        thirds = {libra.fit([planted], np.random.default_rng(s)).proxies[2] for s in range(30)}
        assert thirds == {"fisher", "zen", "plain"}


class TestMerging:
    def test_ranks_sum_as_by_hand(self):
        scores = np.array([[1.0, 9.0], [2.0, 9.0], [3.0, np.nan]])
        assert np.array_equal(ranks(scores), [[1, 2.5], [2, 2.5], [3, 1]])
        assert rank_sum(scores) == pytest.approx([3.5 / 3, 4.5 / 3, 4 / 3])
        assert log_rank_sum(scores) == pytest.approx(np.log([2.5 / 9, 5 / 9, 3 / 9]))

    def test_az_nas_is_the_log_rank_sum_of_its_four(self, everyone):
        four = everyone.matrix(EVERYONE[:4])
        expected = np.log(rankdata(four, axis=0) / N).sum(axis=1)
        assert combiners.get("az_nas").combine(everyone) == pytest.approx(expected)
        three = everyone.only([name for name in EVERYONE if name != "az_progressivity"])
        expected = np.log(rankdata(four[:, [0, 2, 3]], axis=0) / N).sum(axis=1)
        assert combiners.get("az_nas[progressivity=false]").combine(three) == pytest.approx(expected)

    def test_te_nas_is_the_rank_sum_of_its_two(self, everyone):
        expected = rankdata(everyone.scores["ntk_cond"]) + rankdata(everyone.scores["linear_regions"])
        assert combiners.get("te_nas").combine(everyone) * N == pytest.approx(expected)

    def test_votes_are_counted_on_pairs(self, everyone):
        few = everyone.rows(np.arange(30))
        votes = few.matrix(["synflow", "jacov", "snip"])
        won = [sum(np.sign(np.sign(mine - other).sum()) for other in votes) for mine in votes]
        assert np.array_equal(combiners.get("vote").combine(few), won)

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
    @settings(max_examples=50, deadline=None)
    def test_spearman_is_scipys(self, pairs):
        x, y = np.array(pairs, dtype=float).T
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(spearman(x, y))
        else:
            assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


class TestInformation:
    def test_entropies_by_hand(self):
        coin = np.array([0, 0, 1, 1])
        other = np.array([0, 1, 0, 1])
        assert entropy(coin) == pytest.approx(1) and entropy(coin, other) == pytest.approx(2)
        assert conditional_entropy(coin, other) == pytest.approx(1)
        assert conditional_entropy(coin, coin) == pytest.approx(0)
        assert entropy(coin, corrected=True) == pytest.approx(1 + 1 / (8 * np.log(2)))

    @pytest.mark.parametrize(("n", "count"), [(1000, 24), (200, 19), (724, 23)])
    def test_as_many_bins_as_the_source_takes(self, n, count):
        assert set(equal_width(np.arange(float(n)))) == set(range(count))

    def test_the_bins_are_numpys(self):
        values = np.random.default_rng(0).standard_normal(500)
        edges = np.histogram_bin_edges(values, bins=round(1 + 3.322 * np.log(500)))
        edges[-1] += 1
        assert np.array_equal(equal_width(values), np.digitize(values, edges) - 1)

    def test_bins_of_equal_count_hold_equally_many_and_keep_ties_together(self):
        for n, count in ((2560, 8), (2559, 7), (400, 4), (80, 2), (20, 2)):
            held = np.bincount(equal_count(np.arange(float(n))))
            assert len(held) == count and np.ptp(held) <= 1
        assert len(set(equal_count(np.ones(80)))) == 1

    @pytest.mark.parametrize("bins", [equal_width, equal_count])
    def test_failed_values_are_a_bin_of_their_own(self, bins):
        values = np.arange(20.0)
        values[[4, 5, 6]] = np.nan, np.inf, -np.inf
        binned = bins(values)
        assert set(binned[4:7]) == {-1} and (np.delete(binned, [4, 5, 6]) >= 0).all()
        assert set(bins(np.full(5, np.nan))) == {-1}

    @pytest.mark.parametrize("binning", ["equal_width", "equal_count"])
    def test_store_has_the_same_gain_under_the_same_name(self, planted, binning):
        y, first = planted.truth, planted.scores["snip"]
        second = np.round(planted.scores["nwot"], 1)  # with ties
        scores, none = np.column_stack([first, second]), np.empty(0)
        cell = Cell({}, y, planted.sizes, scores, none, none, none, np.isfinite(scores), scores)
        bits, _, _ = gains(cell, binning, None)
        ours = information_gain(y, first, second, binning)
        assert ours == pytest.approx(bits[0, 1, 1] - bits[0, 1, 2], abs=1e-12)

    def test_what_tells_nothing_new_gains_nothing(self, planted):
        y, snip, noise = planted.truth, planted.scores["snip"], noisy(np.zeros(N), 1, 0)
        for binning in ("equal_width", "equal_count"):
            assert information_gain(y, snip, snip, binning) == pytest.approx(0, abs=1e-9)
            assert information_gain(y, snip, np.zeros(N), binning) == pytest.approx(0, abs=1e-9)
            assert information_gain(y, noise, y, binning) > 1
        # 400 architectures cannot fill 21 x 21 x 21 bins: noise seems to tell a lot.
        assert information_gain(y, snip, noise) > 0.8
        assert abs(information_gain(y, snip, noise, "equal_count")) < 0.1 < information_gain(y, snip, noise)


class TestJudging:
    def test_a_blind_combiner_is_not_optimistic(self, everyone):
        found = combiners.judge("log_rank_sum", {"one": everyone, "two": everyone})["one"]
        assert found.on_all == found.across_architectures == found.across_tasks
        rho = spearmanr(combiners.get("log_rank_sum").combine(everyone), everyone.truth).statistic
        assert found.on_all == pytest.approx(rho)

    def test_trees_that_learn_noise_by_heart_are_found_out(self):
        draws = np.random.default_rng(0)

        def task():
            scores = {name: draws.standard_normal(N) for name in ("a", "b", "c")}
            return Table(scores, draws.standard_normal(N))

        found = combiners.judge(
            TREES.replace("10", "100"), {"one": task(), "two": task()}, draws=1, only="one"
        )["one"]
        assert found.on_all > 0.7
        assert abs(found.across_architectures) < 0.15 and abs(found.across_tasks) < 0.15
        assert found.optimism > 0.5 and found.optimism_of_task > 0.5

    def test_a_choice_that_stays_the_same_is_not_optimistic(self, planted):
        clear = planted.only(["snip", "plain"])
        found = combiners.judge("best_proxy", {"one": clear}, draws=3)["one"]
        assert found.optimism == pytest.approx(0, abs=1e-12)
        assert np.isnan(found.across_tasks) and found.architectures == N

    def test_a_new_task_is_judged_by_the_others_alone(self, planted):
        # In all other tasks plain is best, so that it is chosen for this one.
        plain = Table({**planted.scores, "plain": planted.truth}, planted.truth, planted.params)
        found = combiners.judge("best_proxy", {"here": planted, "there": plain}, draws=1)["here"]
        assert found.across_tasks == pytest.approx(spearman(planted.scores["plain"], planted.truth))

    def test_tasks_without_all_proxies_are_no_help(self, planted):
        lacking = planted.only(["snip", "zen"])
        found = combiners.judge("best_proxy", {"here": planted, "there": lacking}, draws=1)
        assert np.isnan(found["here"].across_tasks) and not np.isnan(found["there"].across_tasks)

    def test_one_task_of_several(self, planted):
        assert list(combiners.judge("rank_sum", {"a": planted, "b": planted}, only="b")) == ["b"]

    def test_a_seed_gives_the_same_numbers(self, everyone):
        tables = {"one": everyone.rows(np.arange(40))}
        first, again, other = (
            combiners.judge("libra[third=random]", tables, seed=s, draws=2) for s in (0, 0, 1)
        )
        assert repr(first) == repr(again) != repr(other)


class TestNames:
    def test_one_definition_has_one_name(self):
        assert (
            combiners.get("libra[merge=rank_sum,binning=equal_count]").name
            == "libra[binning=equal_count,merge=rank_sum]"
        )
        assert combiners.get("libra[binning=equal_width]").name == "libra"
        assert combiners.resolve(["libra[binning=equal_width]", "libra"]) == ["libra"]
        assert combiners.resolve(["all"]) == combiners.names()

    @pytest.mark.parametrize(
        ("written", "line"),
        [
            ("libre", "Unknown combiner 'libre'. Did you mean 'libra'?"),
            ("rank_sum[x=1]", "Combiner 'rank_sum' has no options; expected rank_sum."),
            ("libra[bining=equal_count]",
             "Combiner 'libra': Unknown option 'bining'. Did you mean 'binning'?"),
            ("libra[binning=wide]",
             "Combiner 'libra': binning is 'wide'; expected one of equal_width, equal_count."),
            ("libra[window=inf]", "Combiner 'libra': window is 'inf'; expected a number."),
            ("vote[voters=all",
             "Combiner 'vote[voters=all' has no closing bracket; expected vote[option=value,...]."),
        ],
    )  # fmt: skip
    def test_a_mistake_is_one_line(self, written, line):
        with pytest.raises(ProxyError) as caught:
            combiners.get(written)
        assert str(caught.value) == line

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            (lambda: Table({}), "A table without a score cannot be combined; expected at least one proxy."),
            (lambda: Table({"a": [1, 2], "b": [1]}), "Column 'b' has shape (1,); expected (2,)."),
            (lambda: combiners.get("te_nas").combine(Table({"snip": [1, 2]})),
             "No scores by ntk_cond, linear_regions; expected ntk_cond, linear_regions. Score them first."),
            (lambda: combiners.get("linear").combine(Table({"snip": [1, 2]})),
             "The table has no accuracies; a combiner that fits, and its judge, need them."),
            (lambda: combiners.get("linear").combine(Table({"snip": [1, 2]}, [np.nan, 1])),
             "1 architectures have an accuracy; expected at least 3."),
            (lambda: combiners.get("best_proxy").combine(Table({"snip": [1, 1, 1]}, [1, 2, 3])),
             "No proxy orders the architectures: all scores, or the accuracies, are the same."),
            (lambda: combiners.judge("linear", {}, folds=1),
             "folds is 1 and draws is 5; expected at least 2 and at least 1."),
            (lambda: combiners.judge("linear", {"svhn": Table({"snip": [1]})}, only="svh"),
             "Unknown task 'svh'. Did you mean 'svhn'?"),
            (lambda: combiners.get("linear").fit([]),
             "Combiner 'linear' got no table; expected at least one."),
        ],
    )  # fmt: skip
    def test_what_a_table_lacks_is_one_line(self, wrong, line):
        with pytest.raises(ProxyError) as caught:
            wrong()
        assert str(caught.value) == line

    def test_without_scikit_learn_only_regressions_fail(self, everyone, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
        with pytest.raises(ProxyError, match=r"needs scikit-learn .* pip install scikit-learn\.$"):
            combiners.get("linear").combine(everyone)
        assert len(combiners.get("libra").combine(everyone)) == N

    def test_a_name_is_taken_once(self):
        with pytest.raises(
            ProxyError, match=r"'libra' is already registered, by proxies\.combiners\.fitted\.libra"
        ):
            combiners.combiner("libra", source="", fits=True)(lambda tables, generator: None)

    def test_the_kinds_of_proxies_are_those_of_their_folders(self):
        for name in proxies.names():
            folder, module = proxies.get(name).function.__module__.split(".")[1:]
            assert module == name
            assert statistics.gradient_based([f"{name}[x=1]"]) == [f"{name}[x=1]"] * (
                folder == "gradient_based"
            )
            assert statistics.gradient_free([name]) == [name] * (folder != "gradient_based")
        assert not statistics.gradient_free(["mine"]) and not statistics.gradient_based(["mine"])


def test_the_page_is_up_to_date():
    assert WRITTEN.read_text() == page(), "run make docs"


def test_combining_needs_neither_torch_nor_scikit_learn():
    code = (
        "import sys, proxies.combiners as c; c.names();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'pandas', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("values", [[1e17] * 30, [1.0, np.nextafter(1.0, 2)] * 15, [-1e308, 1e308] * 15])
def test_bins_of_one_width_hold_whatever_the_range(values):
    found = equal_width(np.array(values))
    assert set(np.unique(found)) <= {0, round(1 + 3.322 * np.log(30)) - 1}


def test_a_few_architectures_are_enough_for_trees():
    accuracies = np.linspace(0.1, 0.9, 20)
    table = combiners.Table({"a": accuracies, "b": accuracies**2}, accuracies=accuracies)
    found = combiners.get("gradient_boosted").fit([table]).rank(table)
    assert np.corrcoef(found, accuracies)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gradient_boosted[trees=0]", "gradient_boosted needs at least 1 tree of 2 leaves; got 0 of 8."),
        ("libra[window=-1]", "A window of rho is above 0 and at most 2; got window = -1."),
    ],
)
def test_options_out_of_range_are_a_line(name, message):
    values = np.linspace(0.1, 0.9, 20)
    table = combiners.Table(dict.fromkeys("abc", values), accuracies=values, params=values)
    with pytest.raises(ProxyError) as caught:
        combiners.get(name).fit([table])
    assert str(caught.value) == message

"""Strategies on planted objectives, the table as ground, and the job: resumed, repeated, mistaken."""

import contextlib
import io
import random
import sys

import numpy as np
import pytest

import spaces
from builder.__main__ import main
from builder.errors import BuilderError
from builder.jobs.search import gain
from builder.search import strategy as strategies
from builder.search.candidates import Candidates
from builder.search.members import Members, leaves
from builder.search.objective import BudgetedObjective
from builder.search.rankers import Ranker
from store import Benchmark
from store.write import write_part
from tests.builder.test_jobs import parts, rows
from tests.builder.test_kill import kill_when, start
from tests.store.planted import accuracy_row

SPACE = spaces.get("autoformer-small")


def run_once(*arguments):
    """Run a command line outside of a test, for fixtures of a module; returns standard output."""
    out, given = io.StringIO(), sys.argv
    sys.argv = ["vitzero", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            main()
    finally:
        sys.argv = given
    return out.getvalue()


def worth(architecture):
    """A planted quality: every gene adds to it, wide networks are best, deep ones are not."""
    values = architecture.values
    blocks = np.mean(values["mlp_ratio"]) - 0.5 * np.mean(values["num_heads"])
    return values["embed_dim"] / 64 + 4 * blocks - values["depth"]


class Planted(Ranker):
    name = "planted"

    def __init__(self, value=worth, seconds=0.5):
        self.value, self.seconds, self.asked = value, seconds, []

    def evaluate(self, architectures):
        self.asked += architectures
        return [self.seconds] * len(architectures)

    def values(self, architectures, population):
        assert set(architectures) <= set(population)
        return [self.value(architecture) for architecture in architectures]


def searched(name, budget=150, seed=0, ranker=None, candidates=None, seconds=None):
    """Run a strategy; returns its objective and what it settled on."""
    objective = BudgetedObjective(ranker or Planted(), budget, seconds, 16, lambda _: None, {})
    found = strategies.settle(
        strategies.get(name).function, candidates or Candidates(SPACE), objective, random.Random(seed)
    )
    return objective, found


def test_five_strategies_are_found_by_being_there():
    assert strategies.names() == ["evolution", "local_search", "pruning", "random", "regularised_evolution"]
    assert all(
        strategies.get(name).source and strategies.get(name).function.__doc__ for name in strategies.names()
    )


@pytest.mark.parametrize("name", strategies.names())
def test_each_candidate_is_a_member_inside_the_window_and_evaluated_once(name):
    window = (20e6, 24e6)
    ranker = Planted()
    objective, found = searched(name, ranker=ranker, candidates=Candidates(SPACE, window))
    assert len(ranker.asked) == len(set(ranker.asked)) == len(objective.evaluated) <= 150
    assert name == "pruning" or len(ranker.asked) == 150
    for architecture in ranker.asked:
        SPACE.validate(architecture)
        assert window[0] <= SPACE.params(architecture) <= window[1]
    assert (found or objective.best()) in objective.evaluated


@pytest.mark.parametrize("name", strategies.names())
def test_a_seed_and_the_values_decide_everything(name):
    first, again, other = (list(searched(name, seed=seed)[0].evaluated) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("name", sorted(set(strategies.names()) - {"random", "pruning"}))
def test_strategies_beat_random_search_where_there_is_something_to_learn(name):
    beaten = 0
    for seed in range(5):
        objective, _ = searched(name, 300, seed)
        baseline, _ = searched("random", 300, seed)
        beaten += worth(objective.best()) > worth(baseline.best())
    assert beaten == 5


def test_pruning_settles_on_the_planted_optimum_with_the_evaluations_it_says():
    objective, found = searched("pruning[rounds=30]", 1000)
    values = found.values
    assert (values["embed_dim"], values["depth"]) == (448, 12)
    # 3 choices, then 2, 30 times each; the last evaluation is of what is left.
    assert 30 * (3 + 2) <= len(objective.evaluated) <= 30 * (3 + 2) + 1
    drawn = [worth(SPACE.draw(random.Random(seed))) for seed in range(300)]
    assert worth(found) > np.quantile(drawn, 0.99)


@pytest.mark.parametrize("name", strategies.names())
def test_failed_evaluations_are_below_everything_and_do_not_stop_a_search(name):
    def sometimes(architecture):
        return None if architecture.values["depth"] == 12 else worth(architecture)

    objective, _ = searched(name, ranker=Planted(sometimes))
    assert None in objective.values.values() and objective.best().values["depth"] > 12
    nothing, _ = searched(name, 40, ranker=Planted(lambda _: None))
    assert nothing.best() is None


def test_time_ends_a_search_too():
    objective, _ = searched("random", 150, ranker=Planted(seconds=0.5), seconds=5.0)
    assert len(objective.evaluated) == 10 and objective.seconds == 5.0


@pytest.fixture(scope="module")
def table():
    return SPACE.sample(60, 0)


@pytest.mark.parametrize("name", strategies.names())
def test_among_a_table_only_its_architectures_are_proposed_and_all_can_be(name, table):
    objective, found = searched(name, 1000, candidates=Candidates(SPACE, None, table))
    assert set(objective.evaluated) <= set(table)
    assert name == "pruning" or set(objective.evaluated) == set(table)
    assert found is None or found in set(table)


def test_the_nearest_member_differs_least_and_is_taken_once(table):
    members = Members(table)
    assert all(members.nearest(member) == member for member in table)
    asked = SPACE.draw(random.Random(1))
    near = members.nearest(asked)
    members.remove(near)
    assert members.nearest(asked) not in (near, None) and near not in members.left
    assert members.nearest(asked, among_all=True) == near

    def apart(member):
        a, b = dict(leaves(member.values)), dict(leaves(asked.values))
        every = {place: [dict(leaves(m.values)).get(place) for m in table] for place in {**a, **b}}
        total = 0.0
        for field in asked.values:
            places = [place for place in every if place[0] == field]
            for place in places:
                known = [choice for choice in every[place] if choice is not None]
                span = (max(known) - min(known)) or 1
                one_has = (place in a) != (place in b)
                total += (1.0 if one_has else min(1.0, abs(a[place] - b[place]) / span)) / len(places)
        return total

    deep = [member for member in table if member.values["depth"] >= asked.values["depth"]]
    assert apart(near) <= min(map(apart, deep)) + 1e-9


def test_choices_that_are_no_numbers_differ_or_do_not():
    cells = [
        spaces.Architecture("cells", f'{{"edges": ["{a}", "{b}"]}}')
        for a in ("conv", "skip")
        for b in ("conv", "none")
    ]
    members = Members(cells)
    members.remove(cells[0])
    assert {members.nearest(cells[0])} <= {cells[1], cells[2]}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("evoluton", "Unknown strategy 'evoluton'. Did you mean 'evolution'?"),
        ("evolution[populaton=3]", "Unknown option 'populaton'. Did you mean 'population'?"),
        ("evolution[population=0]", "population is '0'; expected a whole number above 0"),
        ("evolution[population=many]", "population is 'many'; expected a whole number above 0"),
        ("pruning[sharpness=inf]", "sharpness is 'inf'; expected a number above 0"),
        ("evolution[population=3", "has no closing bracket"),
    ],
)
def test_mistaken_strategies_are_told(name, message):
    with pytest.raises(BuilderError) as caught:
        strategies.get(name)
    assert message in str(caught.value)


def test_one_definition_has_one_name():
    assert strategies.get("evolution[population=50]").name == "evolution"
    assert strategies.get("evolution[parents=5,population=9]").name == "evolution[population=9,parents=5]"


def test_the_gain_is_that_of_pairs_with_an_interval_over_seeds():
    def pair(found, beside, **other):
        return {"accuracy": found, "value": 1.0} | other, {"accuracy": beside, "value": 3.0} | other

    what, gains, mean, low, high = gain([pair(0.5, 0.4), pair(0.7, 0.7), pair(0.6, 0.4)], 2000, 0)
    assert (what, mean) == ("accuracy", pytest.approx(0.1)) and gains == pytest.approx([0.1, 0.0, 0.2])
    assert 0.0 <= low < 0.1 < high <= 0.2
    what, _, mean, low, _ = gain([pair(None, 0.4)], 2000, 0)
    assert (what, mean) == ("value", -2.0) and np.isnan(low)


QUICK = (
    "score.batch_size=4",
    "score.block=3",
    "score.memory_gib=null",
    "threads=1",
    "search.seeds=[0,1]",
    "search.draws=50",
)
SEARCH = (
    *QUICK,
    "job=search",
    "search.budget=6",
    "search.rankers=[snip]",
    "search.strategies=[local_search]",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    window = ("sample.params_low=20000", "sample.params_high=60000")
    return root, run_once(f"root={root}", *SEARCH, *window), window


def test_a_search_writes_what_it_found_and_everything_it_looked_at(found):
    root, out, _ = found
    searches, scores = rows(root, "searches"), rows(root, "scores")
    made = {(row["strategy"], row["seed"]) for row in searches}
    assert made == {("local_search", 0), ("local_search", 1), ("random", 0), ("random", 1)}
    values = {row["arch_id"]: row["value"] for row in scores}
    with Benchmark.open(root) as benchmark:
        params = {row["arch_id"]: row["params"] for row in benchmark.architectures().to_pylist()}
    for row in searches:
        assert row["evaluations"] == len(set(row["evaluated"])) == 6 and row["status"] == "done"
        assert row["evaluated_values"] == [values[name] for name in row["evaluated"]]
        assert row["value"] == max(row["evaluated_values"]) == values[row["arch_id"]]
        assert row["accuracy"] is None and row["gpu_days"] is None and row["device"] == "cpu"
        assert all(20_000 <= params[name] <= 60_000 for name in row["evaluated"])
        assert row["strategy"] == "random" or row["arch_id"] in out
    assert "gain over random search: " in out and "95 % over 2 seeds" in out


def test_searching_again_does_nothing(found, vitzero):
    root, out, window = found
    before = parts(root)
    code, again, _ = vitzero(f"root={root}", *SEARCH, *window)
    assert code == 0 and parts(root) == before and again == out


def test_scores_are_those_of_the_score_job(found, vitzero, tmp_path):
    _, _, window = found
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=6", *window)
    names = {row["arch_id"] for row in rows(tmp_path, "architectures")}
    vitzero(f"root={tmp_path}", *QUICK, "job=score", "proxies.names=[snip]")
    alone = {row["arch_id"]: row["value"] for row in rows(tmp_path, "scores")}
    assert vitzero(f"root={tmp_path}", *SEARCH, "search.among=table")[0] == 0
    assert {row["arch_id"]: row["value"] for row in rows(tmp_path, "scores")} == alone
    write_part(tmp_path / "new", "architectures", rows(tmp_path, "architectures"), "part")
    vitzero(f"root={tmp_path / 'new'}", *SEARCH, "search.among=table", "search.strategies=[evolution]")
    searched_values = {row["arch_id"]: row["value"] for row in rows(tmp_path / "new", "scores")}
    assert searched_values == alone and set(alone) == names


def test_a_killed_search_goes_on_and_ends_as_one_left_alone(found, tmp_path):
    root, _, window = found
    arguments = [argument for argument in (*SEARCH, *window) if argument != "job=search"]
    process = start(tmp_path, "search", *arguments)
    kill_when(process, lambda: len(list(tmp_path.glob("scores/*.parquet"))) >= 2)
    assert {row["status"] for row in rows(tmp_path, "searches")} <= {"running", "done"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("scores/*.parquet")}
    run_once(f"root={tmp_path}", *SEARCH, *window)
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())

    def facts(place):
        apart = ("evaluated_seconds", "run_id", "seconds")
        return [{k: v for k, v in row.items() if k not in apart} for row in rows(place, "searches")]

    assert facts(tmp_path) == facts(root)


@pytest.fixture
def known(vitzero, tmp_path):
    """Architectures of the micro space with accuracies that grow with their parameters."""
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=30")
    with Benchmark.open(tmp_path) as benchmark:
        table = benchmark.architectures().to_pylist()
    most = max(row["params"] for row in table)
    accuracies = [accuracy_row(row["arch_id"], 0.9 * row["params"] / most, run_id="x") for row in table]
    write_part(tmp_path, "accuracies", accuracies, "part")
    return tmp_path


TABLE = (*QUICK, "job=search", "search.among=table", "search.budget=30")


def test_accuracy_is_the_upper_row_and_needs_no_network(known, vitzero):
    code, out, _ = vitzero(
        f"root={known}", *TABLE, "search.rankers=[accuracy]", "search.strategies=[evolution]"
    )
    assert code == 0 and "accuracies by scratch (micro)" in out and "the best is 90" in out
    assert not (known / "scores").exists()
    assert {row["accuracy"] for row in rows(known, "searches")} == {0.9}  # 30 of 30 were evaluated


def test_an_accuracy_that_is_known_later_is_reported_without_searching_again(vitzero, tmp_path):
    search = (f"root={tmp_path}", *SEARCH, "search.budget=4", "search.seeds=[0]", "search.rankers=[params]")
    assert vitzero(*search)[0] == 0
    (row,) = [row for row in rows(tmp_path, "searches") if row["strategy"] == "local_search"]
    accuracies = [accuracy_row(name, 0.5, run_id="x") for name in row["evaluated"]]
    write_part(tmp_path, "accuracies", accuracies, "part")
    assert vitzero(*search)[0] == 0
    assert 0.5 in {row["accuracy"] for row in rows(tmp_path, "searches")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search.rankers=[accuracy]", "search.among=space"], "Add search.among=table"),
        (["search.rankers=[acuracy]"], "Did you mean 'accuracy'?"),
        (["search.strategies=[evoluton]"], "Did you mean 'evolution'?"),
        (["search.protocol=supernet"], "but scratch (micro)"),
        (["search.among=nowhere"], "search.among is 'nowhere', expected space or table"),
        (["search.budget=0"], "search.budget is 0, expected at least 1"),
        (["search.seconds=0"], "search.seconds is 0.0"),
        (["search.rankers=[]"], "the number of search.rankers is 0"),
        (["search.rankers=[snp]"], "Did you mean 'snip'?"),
        (["task=flowers102", "search.rankers=[accuracy]"], "no accuracies of autoformer-micro on flowers102"),
    ],
)
def test_mistakes_are_one_line(known, vitzero, arguments, message):
    code, out, err = vitzero(f"root={known}", *TABLE, *arguments)
    assert (code, out) == (2, "")
    assert message in err and err.startswith("vitzero: ") and err.count("\n") == 1


def test_two_recipes_are_never_mixed(known, vitzero):
    with Benchmark.open(known) as benchmark:
        name = benchmark.architectures()["arch_id"][0].as_py()
    write_part(known, "accuracies", [accuracy_row(name, 0.5, recipe="other", run_id="x")], "other")
    code, _, err = vitzero(f"root={known}", *TABLE, "search.rankers=[accuracy]")
    assert code == 2 and "Say which with search.protocol= and search.recipe=" in err
    assert vitzero(f"root={known}", *TABLE, "search.rankers=[accuracy]", "search.recipe=micro")[0] == 0


@pytest.mark.parametrize("name", ["log_rank_sum", "libra"])
def test_a_combiner_ranks_among_what_was_evaluated(known, vitzero, name):
    asked = ("proxies.names=[params,macs,depth,width]", f"search.rankers=[{name}]")
    if name == "libra":
        code, _, err = vitzero(f"root={known}", *TABLE, *asked)
        assert code == 2 and "nothing to fit a combiner on" in err
        vitzero(f"root={known}", *QUICK, "job=score", asked[0])
    code, out, _ = vitzero(f"root={known}", *TABLE, *asked, "search.strategies=[regularised_evolution]")
    assert code == 0 and f"search: {name} reads" in out
    assert {row["accuracy"] for row in rows(known, "searches")} == {0.9}

"""Every page but the ranking, over a planted benchmark, without a browser."""

import html
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from leaderboard import combining, frame
from leaderboard.page.architectures import yaml
from leaderboard.selection import Filters
from proxies import combiners
from store import Benchmark
from store.front import front
from store.write import write_part
from tests.leaderboard.conftest import Open, give_each_task_a_recipe, go, query, table
from tests.store.planted import score_row

SCRATCH = {"space": "autoformer-micro", "task": "digits", "accuracy": "scratch/micro"}
WHERE = {"task": "digits", "protocol": "scratch", "recipe": "micro", "space": "autoformer-micro"}
NAMES = (
    "proxy", "tasks", "combine", "layers", "cost", "architectures", "search", "yours", "about",
)  # fmt: skip


def metrics(page: AppTest) -> dict[str, str]:
    assert not page.exception and not page.error
    return {one.label: one.value for one in page.metric}


def text(page: AppTest) -> str:
    return html.unescape("\n".join(one.value for one in (*page.markdown, *page.caption)))


@pytest.mark.parametrize("name", NAMES)
def test_every_page_is_drawn_and_its_address_opens_it_again(benchmark: Path, visit: Open, name: str) -> None:
    known = {} if name in ("search", "about") else SCRATCH
    page = visit(benchmark, name, **known)
    assert not page.exception and not page.error and not page.warning
    again = visit(benchmark, name, **query(page))
    assert query(again) == query(page) and not again.warning
    assert [one.value for one in again.title] == [one.value for one in page.title]


@pytest.mark.parametrize("name", ["proxy", "tasks", "combine", "cost", "architectures", "yours"])
def test_a_space_of_another_kind_is_drawn_too(benchmark: Path, visit: Open, name: str) -> None:
    page = visit(benchmark, name, space="nasbench201")
    assert not page.exception and not page.error and not page.warning


def test_what_was_chosen_is_kept_from_page_to_page(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "proxy", **SCRATCH, proxy="snip")
    page.selectbox(key="task").set_value("flowers").run()
    page.query_params.clear()  # as Streamlit's menu does
    go(page, "combine")
    assert query(page)["task"] == "flowers" and page.selectbox(key="accuracy").value == "scratch/micro"
    page.query_params.clear()
    assert go(page, "proxy").title[0].value == "snip"


def test_a_choice_that_a_page_does_not_offer_is_kept_for_those_that_do(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "cost", **(SCRATCH | {"task": "all"}))
    for where in ("proxy", "cost"):
        page.query_params.clear()
        go(page, where)
    assert query(page)["task"] == "all"
    page.query_params.clear()
    go(page, "proxy").selectbox(key="task").set_value("flowers").run()
    page.query_params.clear()
    assert query(go(page, "cost"))["task"] == "flowers"


def test_a_filter_that_a_page_does_not_read_is_not_drawn_but_kept(benchmark: Path, visit: Open) -> None:
    chosen = {"params": "2000000-", "seeds": "1", "scores_from": "flowers"}
    page = visit(benchmark, "tasks", **SCRATCH, **chosen)
    assert not page.select_slider and {"seeds", "scores_from"}.isdisjoint(box.key for box in page.selectbox)
    assert chosen.items() <= query(page).items()
    page.query_params.clear()
    assert chosen.items() <= query(go(page, "cost")).items()


def test_an_address_is_written_once_a_visit(
    benchmark: Path, visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = QueryParams._send_query_param_msg
    monkeypatch.setattr(
        QueryParams, "_send_query_param_msg", lambda self: (written.append(self.to_dict()), write(self))
    )
    page = visit(benchmark, "combine")
    assert [len(address) > 4 for address in written] == [True]
    page.run()
    assert len(written) == 1
    page.selectbox(key="task").set_value("flowers").run()
    assert [address["task"] for address in written] == ["digits", "flowers"]


def test_a_proxy_has_its_definition_its_numbers_and_its_failures(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "proxy", **SCRATCH, proxy="grasp")
    with Benchmark.open(benchmark) as planted:
        row = planted.rank(**WHERE, proxies=["grasp"]).to_pylist()[0]
    assert metrics(page)["rho"] == f"{row['rho']:.2f}"
    assert "**Formula.**" in text(page) and "Hessian" in text(page)
    (failed,) = table(page).to_dict("records")
    assert (failed["status"], failed["scores"], failed["architectures"]) == ("oom", 6, 3)


def test_a_proxy_that_the_package_does_not_define_is_shown_too(benchmark: Path, visit: Open) -> None:
    with Benchmark.open(benchmark) as planted:
        assert "jacobian" in planted.proxies()
    page = visit(benchmark, "proxy", **SCRATCH, proxy="jacobian")
    assert "jacobian" in page.warning[0].value  # it has no rho: another is shown, and that is said


def test_the_bars_by_task_are_of_the_scores_chosen(
    benchmark: Path, visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {}
    monkeypatch.setattr(frame, "chart", lambda where, draw, *of, **how: drawn.setdefault(how["alt"], of))
    page = visit(benchmark, "proxy", **SCRATCH, proxy="snip", seeds="1")
    assert page.selectbox(key="seed").options == ["1"]
    by_task = drawn["By task, scratch"][0].set_index("task")
    assert metrics(page)["rho"] == f"{by_task.loc['digits', 'rho']:.2f}"
    assert set(by_task["seeds"]) == {1}


def test_the_tasks_page_tells_noise_and_levels(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "tasks", **SCRATCH)
    with Benchmark.open(benchmark) as planted:
        expected = planted.noise(protocol="scratch", space="autoformer-micro", split="test").to_pandas()
    noise = table(page)
    assert noise["task"].tolist() == ["digits", "flowers"]
    assert noise["ceiling"].tolist() == expected["ceiling"].tolist()
    assert "No level is out of line" in text(page)


def test_a_combination_is_judged_by_what_it_has_not_seen(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "combine", **SCRATCH)
    filters = Filters("autoformer-micro", ("digits",), "scratch", "micro", None)
    with Benchmark.open(benchmark) as planted:
        tables = {task: combining.met(planted, filters.on(task), task)[1] for task in ("digits", "flowers")}
    told = combiners.judge("libra", tables, only="digits")["digits"]
    assert metrics(page) == {
        "rho as published": f"{told.on_all:.2f}",
        "rho on unseen architectures": f"{told.across_architectures:.2f}",
        "rho on an unseen task": f"{told.across_tasks:.2f}",
    }
    assert "1. **zico** has the highest rho" in text(page)
    assert table(page, 1)["chosen"].iloc[0] == "1: highest rho"


def test_the_order_of_the_architectures_is_that_of_the_combination(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "combine", **SCRATCH, combiner="rank_sum")
    order = table(page)
    assert len(order) == 60 and order["place"].iloc[0] == 1
    assert order["score"].is_monotonic_decreasing and order["place"].is_monotonic_increasing
    assert metrics(page)["rho"] == f"{order['score'].corr(order['accuracy'], method='spearman'):.2f}"


def test_another_task_is_one_with_a_recipe_of_its_own(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    give_each_task_a_recipe(root)
    where = {"space": "autoformer-micro", "task": "digits", "accuracy": "supernet/one"}
    assert metrics(visit(root, "combine", **where))["rho on an unseen task"] != "–"


def test_a_combination_of_many_is_held_against_the_best(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    for place in range(12):
        rows = [
            score_row(name, float(int(name, 16) * (place + 3) % 97), proxy=f"a{place:02}") for name in names
        ]
        write_part(root, "scores", rows, f"a{place:02}")
    page = visit(root, "combine", **SCRATCH, combiner="rank_sum")
    assert metrics(page) and re.search(r"It reads: .* and \d+ more\.", text(page))
    # The best but one by rho, and one of the last by name.
    assert "**synflow**" in "\n".join(one.value for one in page.markdown)


def test_proxies_are_picked_for_a_combination(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "combine", **SCRATCH, combiner="rank_sum", chosen="snip zico nothing")
    assert "nothing" in page.warning[0].value
    assert query(page)["chosen"] == "snip zico"
    assert "**snip**, **zico**" in text(page)
    page.multiselect(key="chosen").set_value(["snip", "zico", "params"]).run()
    assert query(page)["chosen"] == "snip zico params" and list(metrics(page)) == ["rho"]


def test_a_combiner_that_lacks_its_proxies_says_which(benchmark: Path, visit: Open) -> None:
    (warning,) = visit(benchmark, "combine", **SCRATCH, combiner="az_nas").warning
    assert html.unescape(warning.value).startswith("No scores by az_")


def test_layers_tell_the_chosen_intervals(benchmark: Path, visit: Open) -> None:
    told = text(visit(benchmark, "layers", **SCRATCH))
    assert "tenths 4 to 5" in told and "All layers, tenths 0 to 9" in told
    told = visit(benchmark, "layers", **(SCRATCH | {"task": "flowers"})).info[0].value
    assert "No layers were measured for flowers" in told


def test_the_front_is_that_of_the_ranking(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, "cost", **SCRATCH))
    with Benchmark.open(benchmark) as planted:
        rows = planted.overall(**WHERE, draws=0).to_pandas().dropna(subset=["rho", "seconds"])
    best = rows[front(rows["seconds"].to_numpy(), rows["rho"].to_numpy())]
    assert set(shown["proxy"]) == set(best["proxy"])


def test_architectures_are_found_and_sorted_and_one_is_shown_whole(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "architectures", **SCRATCH, find='"depth": 3', sort="params", rising="yes")
    found = table(page)
    assert len(found) == 12 and found["depth"].eq(3).all() and found["params"].is_monotonic_increasing
    with Benchmark.open(benchmark) as planted:
        wanted = planted.architectures("autoformer-micro").to_pylist()[7]
        near = planted.neighbours(wanted["arch_id"], count=8)["arch_id"].to_pylist()
        scores = len(planted.scores(wanted["arch_id"]).group_by(["task", "proxy"]).aggregate([]))
    page = visit(benchmark, "architectures", **SCRATCH, arch=wanted["arch_id"])
    assert page.subheader[-1].value == f"Architecture {wanted['arch_id']}"
    assert table(page, 2)["arch_id"].tolist() == near
    assert len(table(page, 3)) == scores
    assert not page.code
    page.session_state["copy"] = True  # the box is opened
    copies = [block.value for block in page.run().code]
    genome = json.loads(wanted["genome"])
    assert json.dumps({"space": "autoformer-micro", "genome": genome}) in copies
    assert any(repr(wanted["genome"]) in copy for copy in copies)
    assert yaml("autoformer-micro", genome) in copies


def test_rows_in_another_order_are_another_table(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "architectures", **SCRATCH)
    before = page.dataframe[0].proto.id
    assert page.run().dataframe[0].proto.id == before
    page.toggle(key="rising").set_value(True).run()
    assert page.dataframe[0].proto.id != before


def test_the_yaml_of_an_architecture_reads_back() -> None:
    from omegaconf import OmegaConf

    genome = {"depth": 2, "mlp_ratio": [3.0, 4.0], "name": "a: b # c"}
    assert OmegaConf.to_object(OmegaConf.create(yaml("some-space", genome))) == {
        "space": "some-space",
        "genome": genome,
    }


def test_searches_tell_what_was_found(benchmark: Path, visit: Open) -> None:
    found = table(visit(benchmark, "search"))
    assert found["strategy"].tolist() == ["evolution", "evolution", "random", "random"]


def test_a_search_opens_on_a_ranker_that_is_no_oracle(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        rows = planted.sql("SELECT * FROM searches").to_pylist()
    oracle = [row | {"search_id": f"by-accuracy-{row['search_id']}", "ranker": "accuracy"} for row in rows]
    write_part(root, "searches", oracle, "oracle")
    page = visit(root, "search")
    assert "accuracy" in page.selectbox(key="ranker").options
    assert page.selectbox(key="ranker").value == rows[0]["ranker"]


def test_about_defines_and_counts(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, "about")
    with Benchmark.open(benchmark) as planted:
        rows = planted.sql("SELECT count(*) AS rows FROM scores")["rows"][0].as_py()
    counts = table(page).set_index("table")["rows"]
    assert counts["scores"] == rows
    assert "**ceiling**" in text(page)


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    return page.file_uploader(key="file").set_value([(name, content, "text/csv")]).run()


def csv_of(benchmark: Path, correlation: float) -> tuple[bytes, pd.DataFrame]:
    """Scores whose rank correlation with the accuracies is about so high."""
    with Benchmark.open(benchmark) as planted:
        rows = planted.accuracy(**WHERE).to_pandas()
    noise = np.random.default_rng(1).standard_normal(len(rows))
    quality = rows["accuracy"].rank() / len(rows)
    rows["value"] = correlation * quality + (1 - correlation) * noise
    return rows[["arch_id", "value"]].to_csv(index=False).encode(), rows


def test_your_proxy_is_ranked_beside_the_others(benchmark: Path, visit: Open) -> None:
    content, rows = csv_of(benchmark, 0.99)
    before = {path: path.stat().st_mtime_ns for path in benchmark.rglob("*")}
    page = upload(visit(benchmark, "yours", **SCRATCH), "mine.csv", content)
    assert page.success[0].value.startswith("60 rows taken")
    assert page.subheader[0].value.startswith("mine: place 1")
    pairs = table(page).set_index("b")
    assert pairs.loc["params", "verdict"] == "better"
    with Benchmark.open(benchmark) as planted:
        own = planted.with_scores(rows[["arch_id", "value"]], proxy="mine", task="digits")
        expected = own.compare("mine", "params", **WHERE).to_pylist()[0]
    assert pairs.loc["params", ["difference", "low", "high"]].tolist() == [
        expected[name] for name in ("difference", "low", "high")
    ]
    assert {path: path.stat().st_mtime_ns for path in benchmark.rglob("*")} == before


def test_scores_of_a_seed_that_is_not_chosen_are_no_rank(benchmark: Path, visit: Open) -> None:
    content, _ = csv_of(benchmark, 0.9)
    page = upload(visit(benchmark, "yours", **SCRATCH, seeds="1"), "mine.csv", content)
    assert not page.exception
    assert "none has the proxy seed chosen" in page.warning[0].value


def test_your_proxy_in_a_window_without_architectures_is_one_line(benchmark: Path, visit: Open) -> None:
    content, _ = csv_of(benchmark, 0.9)
    page = visit(benchmark, "yours", **SCRATCH)
    least, _ = page.select_slider[0].value
    page = upload(visit(benchmark, "yours", **SCRATCH, params=f"-{least}"), "mine.csv", content)
    assert not page.exception
    assert page.error[0].value.startswith("No architecture of these params")


def test_scores_are_still_there_after_a_look_at_another_page(benchmark: Path, visit: Open) -> None:
    content, _ = csv_of(benchmark, 0.99)
    page = upload(visit(benchmark, "yours", **SCRATCH), "mine.csv", content)
    page.text_input(key="own name").set_value("theirs").run()
    go(page, "about")
    go(page, "yours")
    assert page.subheader[0].value.startswith("theirs: place 1") and "mine.csv" in text(page)
    page.button(key="forget").click().run()
    assert not page.subheader and page.text_input(key="own name").value == "mine"
    assert page.code


def test_your_points_are_those_of_the_window(
    benchmark: Path, visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {}
    monkeypatch.setattr(frame, "chart", lambda where, draw, *of, **how: drawn.setdefault(how["key"], of))
    with Benchmark.open(benchmark) as planted:
        params = planted.architectures("autoformer-micro")["params"].to_pandas()
    middle = int(params.median())
    content, _ = csv_of(benchmark, 0.99)
    page = upload(visit(benchmark, "yours", **SCRATCH, params=f"{middle}-"), "mine.csv", content)
    assert not page.exception and len(drawn["own scatter"][0]) == int((params >= middle).sum())


def test_bad_rows_are_shown_with_their_reason_and_the_others_ranked(benchmark: Path, visit: Open) -> None:
    content, rows = csv_of(benchmark, 0.9)
    first = rows["arch_id"][0]
    content += f"nothing,1\n{first},2\n{rows['arch_id'][1]}x,=1+1\n".encode()
    page = upload(visit(benchmark, "yours", **SCRATCH), "mine.csv", content)
    bad = table(page)
    assert bad["row"].tolist() == [61, 62, 63]
    assert bad["reason"].str.contains("Unknown architecture|stand in an earlier row").tolist() == [True] * 3
    assert page.subheader[0].value.startswith("mine: place")


def test_a_genome_names_an_architecture_too(benchmark: Path, visit: Open) -> None:
    with Benchmark.open(benchmark) as planted:
        genomes = planted.architectures("autoformer-micro")["genome"].to_pylist()
    table_of = pd.DataFrame({"genome": genomes, "score": range(60), "seed": 3})
    file = io.BytesIO()
    table_of.to_parquet(file)
    page = upload(visit(benchmark, "yours", **SCRATCH), "mine.parquet", file.getvalue())
    assert page.success[0].value.startswith("60 rows taken")


def test_a_name_that_is_taken_or_none_is_refused(benchmark: Path, visit: Open) -> None:
    content, _ = csv_of(benchmark, 0.9)
    page = upload(visit(benchmark, "yours", **SCRATCH), "mine.csv", content)
    for name, reason in (("snip", "already"), ("libra", "already"), ("=cmd|' /C'!A0", "A name is a letter")):
        page.text_input(key="own name").set_value(name).run()
        assert reason in html.unescape(page.error[0].value)

"""What strangers may send: addresses and files that mean harm, shown as text or refused in a sentence."""

import html
import io
import tracemalloc
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaderboard import upload
from leaderboard.state import NAMES
from leaderboard.words import plain
from store import Benchmark, write_part
from tests.leaderboard.conftest import Open, query
from tests.store.planted import score_row

STRANGE = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "![x](http://127.0.0.1:9/x.png)",
    "[x](javascript:alert(1))",
    "'; DROP TABLE scores; --",
    "' OR 1=1 --",
    "${7*7} {{7*7}} $$x^2$$ :red[x]",
    "%00\x00\x1b[31m",
    "A" * 100_000,
    "9" * 5_000,
    "-" * 50,
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
]


@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
def test_a_hostile_address_is_shown_as_text_or_dropped(benchmark: Path, visit: Open, value: str) -> None:
    shown = visit(benchmark, "architectures", **dict.fromkeys(NAMES, value))
    assert not shown.exception and not shown.error
    for warning in shown.warning:
        assert "\n" not in warning.value and len(warning.value) < 2_000
        assert "<script" not in warning.value and "](" not in warning.value and "$" not in warning.value
    for name in ("space", "task", "accuracy", "sort", "rising", "arch", "params", "data"):
        assert query(shown).get(name) != value


@pytest.mark.parametrize("page", ["ranking", "combine", "search"])
def test_other_pages_take_no_harm_either(benchmark: Path, visit: Open, page: str) -> None:
    shown = visit(benchmark, page, **dict(zip(NAMES, STRANGE * 2, strict=False)))
    assert not shown.exception and not shown.error


@pytest.mark.parametrize(
    "name, value",
    [
        ("task", "imagenet"),
        ("seed", "7"),
        ("controls", "perhaps"),
        ("params", "big-small"),
        ("params", "²-³"),
    ],
)
def test_what_an_address_cannot_have_is_told_in_one_line(
    benchmark: Path, visit: Open, name: str, value: str
) -> None:
    page = visit(benchmark, **{"combiners": "no", name: value})
    (warning,) = page.warning
    told = html.unescape(warning.value)
    assert name in told and value in told and "\n" not in told
    assert query(page).get(name) != value
    assert not page.run().warning


def test_an_unknown_name_in_the_address_is_told(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, proxies="snip", **{"<b>": "1"})
    told = sorted(html.unescape(warning.value) for warning in page.warning)
    assert told == [
        "The address sets '<b>', which is no filter; it is ignored.",
        "The address sets 'proxies', which is no filter; it is ignored.",
    ]
    assert "proxies" not in page.query_params


def test_an_address_of_other_data_says_so(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, data="0badcafe", combiners="no")
    assert "made on data version '0badcafe'" in page.warning[0].value
    assert query(page)["data"] != "0badcafe"


def test_names_in_the_data_are_text(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    import shutil

    root = shutil.copytree(benchmark, tmp_path / "copy")
    evil = "<img src=x onerror=alert(1)>![x](http://127.0.0.1:9/)"
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    rows = [score_row(name, float(place), proxy=evil) for place, name in enumerate(names)]
    write_part(root, "scores", rows, "evil")
    for page in ("ranking", "proxy", "combine"):
        shown = visit(root, page, space="autoformer-micro", task="digits", proxy=evil)
        assert not shown.exception and not shown.error
        for element in (*shown.markdown, *shown.caption, *shown.warning, *shown.title, *shown.subheader):
            assert "<img" not in element.value and "![x]" not in element.value


def test_plain_text_says_the_same_and_marks_nothing_up() -> None:
    for value in STRANGE:
        assert not set("<>[]()`*_$\\!") & set(plain(value).replace("&#", "").replace(";", ""))
    assert html.unescape(plain("a_b <c> [d](e) $f$")) == "a_b <c> [d](e) $f$"
    assert plain("a\nb\u202ec") == "a bc"


# The files: name, content, what the refusal says.


def rows_of(count: int) -> bytes:
    return b"arch_id,value\n" + b"".join(b"%016x,%d\n" % (place, place) for place in range(count))


def parquet_of(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def bomb(cells: int, length: int, **how: object) -> bytes:
    """A Parquet file of a few kB that unpacks to one long text, over and over."""
    file = io.BytesIO()
    text = pa.array(["x" * length]).take(pa.array([0] * cells, pa.int64()))
    pq.write_table(
        pa.table({"arch_id": text, "value": pa.array(range(cells))}), file, compression="zstd", **how
    )
    return file.getvalue()


MEMORY = "too much memory|more than can be read|too long"
REFUSED = {
    "no columns": (b"", "needs a column"),
    "other columns": (b"a,b\n1,2\n", "needs a column"),
    "a heading alone": (b"arch_id,value\n", "has no rows"),
    "a million columns": (b"arch_id,value," + b",".join(b"c%d" % n for n in range(200_000)), "20 columns"),
    "a column twice": (b"arch_id,value,value\na,1,2\n", "names a column twice"),
    "a short row": (b"arch_id,value\na\n", "Row 1 has 1 cells"),
    "a long row": (b"arch_id,value\na,1" + b",1" * 500 + b"\n", "too many columns"),
    "a long cell": (b"arch_id,value\n" + b"a" * 100_000 + b",1\n", "cell that is too long"),
    "an endless quote": (b'arch_id,value\n"' + b"a\n" * 200_000, "is no CSV"),
    "bad UTF-8": (b"arch_id,value\n\xff\xfe,1\n", "is not UTF-8"),
    "UTF-16": ("arch_id,value\na,1\n".encode("utf-16"), "UTF-8"),
    "zero bytes": (b"arch_id,value\n\0\0,1\n", "zero bytes"),
    "too many bytes": (b"arch_id,value\n" + b"a,1\n" * 600_000, "bytes; at most"),
    "too many rows": (rows_of(60_000), "more than 50,000 rows"),
    "a zip": (b"PK\x03\x04" + zlib.compress(b"0" * 10_000_000), "UTF-8"),
    "a pickle": (b"\x80\x04\x95cos\nsystem\n(S'touch /tmp/pwned'\ntR.", "UTF-8"),
    "half a Parquet file": (parquet_of(arch_id=["a"], value=[1])[:-20], "no whole Parquet file"),
    "Parquet's four letters": (b"PAR1", "no whole Parquet file"),
    "a Parquet bomb": (bomb(500, 1_000_000, use_dictionary=False), MEMORY),
    "a Parquet bomb by dictionary": (bomb(10_000, 100_000), MEMORY),
    "a Parquet bomb of one cell": (bomb(1, 600_000_000), MEMORY),
    "Parquet of many columns": (parquet_of(**{f"c{n}": [1] for n in range(3_000)}), "3,000 columns"),
    "Parquet of many rows": (parquet_of(arch_id=["a"] * 60_000, value=[1] * 60_000), "60,000 rows"),
    "Parquet of lists": (parquet_of(arch_id=["a"], value=[[1, 2]]), "is of type list"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_in_a_sentence(name: str) -> None:
    content, expected = REFUSED[name]
    tracemalloc.start()
    with pytest.raises(upload.UploadError, match=expected) as refusal:
        upload.read("mine.csv", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300
    assert peak < 100 * 2**20


def test_formulas_text_and_infinities_are_bad_rows_not_values() -> None:
    cells = {
        "=1+1": "formula", "+cmd|' /C calc'!A0": "formula", "@SUM(A1)": "formula", "-2+3": "formula",
        "<script>": "no number", "0x10": "no number", "1e5": None, "-1": None, " 2 ": None, "": None,
        "nan": None, "inf": None, "1" * 400: None,
    }  # fmt: skip
    rows = pd.DataFrame({"architecture": [f"a{place}" for place in range(len(cells))], "value": list(cells)})
    checked = upload.check(rows, lambda name: name)
    reasons = dict(zip(checked.bad["value"], checked.bad["reason"], strict=True))
    for cell, reason in cells.items():
        assert (cell in reasons) == (reason is not None), cell
        assert reason is None or reason in reasons[cell]
    assert checked.good["value"].isna().sum() == 4  # empty, NaN and two infinities: failed scores


def test_what_a_spreadsheet_writes_is_read() -> None:
    text = "\ufeffarch_id;value;seed;note\r\na;1.5;0;=x\r\n\r\nb;-2;;y\r\n"
    found = upload.read("mine.csv", text.encode())
    assert found.to_dict("list") == {"architecture": ["a", "b"], "value": ["1.5", "-2"], "seed": ["0", ""]}
    checked = upload.check(found, lambda name: name)
    assert checked.good["seed"].tolist() == [0, 0] and checked.bad.empty

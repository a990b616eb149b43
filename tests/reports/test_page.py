from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from reports.causes import causes
from reports.content import Content, Picture
from reports.frames import results_frame
from reports.headline import headline_metrics
from reports.leaderboard import boards
from reports.markdown import report
from reports.page import marked_up, page
from reports.palette import styles
from tests.reports.test_reports import row

EVIL = "<script>alert(1)</script> a|b **c** & `d`"


class Outline(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def content(rows, **more) -> Content:
    frame = results_frame(rows)
    tuning = {"objectives": ["mcn"], "limits": [], "limited": [], "trials": 3, "seeds": [100]}
    return Content(frame, boards(frame, set(), tuning=tuning), **more)


def scores(method="a", dataset="roll", mcn=1.0, **more):
    return [row(method, dataset, seed=s, value=mcn + 0.01 * s, **more) for s in range(3)]


def test_text_from_names_reasons_and_parameters_stays_text(tmp_path):
    rows = [*scores(EVIL), row("b", seed=0, value=None, status="failed", reason=EVIL)]
    selections = [
        {"dataset": "roll", "method": EVIL, "note": EVIL, "params": {"hidden": EVIL}, "trials": (), "scores": {}}
    ]
    text = page(content(rows, selections=selections), tmp_path)
    found = Outline(text)
    assert len(found.all("script")) == 1 and found.text.count("<script>alert(1)</script>") >= 3
    markdown = report(content(rows, selections=selections))
    assert "<script" not in re.sub(r"`` .*? ``", "", markdown) and "a\\|b" in markdown


def test_a_picture_is_made_small_once_and_again_where_it_was_drawn_anew(tmp_path):
    from PIL import Image

    def shown(colour: str | None = None) -> tuple[str, int]:
        if colour:
            Image.new("RGB", (40, 30), colour).save(tmp_path / "x.png")
        text = page(content(scores(), pictures=[Picture("title", "alt", "x.png")]), tmp_path)
        return str(Outline(text).all("img")[0]["src"]), (tmp_path / "x.webp").stat().st_mtime_ns

    red, again, blue = shown("red"), shown(), shown("blue")
    assert red == again and blue[0] != red[0] and blue[1] > red[1]


def test_the_page_needs_no_network_and_is_the_same_bytes_again(tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), "red").save(tmp_path / "x.png")
    picture = Picture("a title", "what is seen", "x.png", "roll")
    made = [page(content(scores() + scores("b", mcn=2.0), embeddings=[picture]), tmp_path) for _ in range(2)]
    assert made[0] == made[1]
    found = Outline(made[0])
    assert not found.all("link")[1:] and not re.findall(r"(?:src|href)=\"(?!data:)|url\(|@import", made[0])
    (image,) = found.all("img")
    assert image["alt"] == "what is seen" and str(image["src"]).startswith("data:image/webp;base64,")


def test_tables_are_tables_for_a_screen_reader(tmp_path):
    found = Outline(page(content(scores() + scores("b", mcn=2.0)), tmp_path))
    assert all(head["scope"] in ("col", "row", "colgroup") for head in found.all("th"))
    assert len(found.all("caption")) == len(found.all("table")) >= 2
    best = [cell for cell in found.all("td") if cell.get("class") == "best"]
    assert best and "mcn" in str(best[0]["title"]) and "[" not in str(best[0]["data-sort"])


def test_a_foreign_frame_and_an_empty_one_give_a_page(tmp_path):
    frame = results_frame([row(metric="taste", better="higher")])
    assert "taste" in page(Content(frame, boards(frame, set())), tmp_path)
    empty = results_frame([])
    assert "no results" in page(Content(empty), tmp_path)


def test_marks_become_markup_and_nothing_else_does():
    assert marked_up("**0.1 =** ~~2~~ `x` a\\|b <b>") == (
        "<strong>0.1 =</strong> <s>2</s> <code>x</code> a|b &lt;b&gt;"
    )


def test_headline_is_what_was_tuned_for_and_one_of_each_question():
    names = [
        "trustworthiness",
        "knn_preservation",
        "mcn",
        "metric_variance",
        "reconstruction_mse",
        "mine",
        "knn_accuracy",
    ]
    rows = [row(metric=name, value=None if name == "knn_accuracy" else 1.0, status="ok") for name in names]
    assert headline_metrics(content(rows).boards) == (
        "mcn",
        "knn_preservation",
        "reconstruction_mse",
        "metric_variance",
    )


def test_the_verdict_names_winners_ties_and_what_is_no_result():
    rows = []
    for dataset in ("roll", "digits"):
        rows += scores("good", dataset, 1.0) + scores("bad", dataset, 5.0) + scores("near", dataset, 1.001)
        rows += scores("flat", dataset, 0.001, status="collapsed", reason="explained variance 0.1, below 0.5")
    rows += [row("bad", seed=9, value=None, status="timeout", reason="too slow")]
    finding, warnings, certainty = content(rows).verdict
    assert finding == "mcn ↓ (tuned): best is good = near on digits (1.01) and roll (1.01)."
    assert "collapsed, flat on digits and roll" in warnings and "1 models or scores failed (bad)" in warnings
    assert certainty.startswith("3 seeds: what other seeds would give is not known") and "not tuned" in certainty
    assert content([]).verdict == []


def test_a_winner_on_all_data_sets_is_said_once():
    rows = []
    for at, dataset in enumerate(("a", "b", "c")):
        rows += scores("good", dataset, 1.0 + at) + scores("bad", dataset, 9.0)
    assert content(rows).verdict[0] == "mcn ↓ (tuned): best is good on all 3 data sets (1.01 to 3.01)."


def test_a_cause_is_told_once_with_its_cells():
    rows = [row("a", seed=s, value=None, status="failed", reason="why\nmore") for s in range(3)]
    rows += [row("a", seed=4, value=None, status="oom", reason="why"), row("b"), row("b", seed=7, status="pruned")]
    first, second = causes(results_frame(rows))
    assert (first.method, first.status, first.reason, len(first.cells)) == ("a", "failed", "why", 3)
    assert second.status == "oom" and second.cells == ("roll final seed 4",)


def test_every_method_has_a_style_of_its_own():
    found = styles([f"m{at}" for at in range(16)])
    assert len(set(found.values())) == 16
    # Naming a method again, as a suite and its boards do, changes nobody's.
    assert styles([*found, "m3", "m0"]) == found


def test_the_report_of_a_run_is_the_same_again_and_has_other_formats(bench, write_suite, tmp_path: Path):
    from tests.conftest import SMALL_SUITE

    write_suite(SMALL_SUITE)
    done = bench("run", "--out", "out")
    assert done.returncode == 0 and "out/report.html" in done.stdout
    first = (tmp_path / "out" / "report.html").read_bytes()
    assert bench("report", "out", "--figures", "svg").returncode == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == first
    assert {path.stem for path in (tmp_path / "out" / "figures").glob("*.svg")} >= {"quality-time"}
    refused = bench("report", "out", "--figures", "jpg")
    assert refused.returncode == 2 and "--figures: unknown format 'jpg'" in refused.stderr


def test_an_axis_is_a_column_that_sorts():
    shown = page(content([row(method=f"ae[latent_dim={d}]", seed=s) for d in (2, 16) for s in (0, 1)]), Path())
    cells = [cell.get("data-sort") for cell in Outline(shown).all("td")]
    assert ">latent_dim</button>" in shown and {"2", "16"} <= set(cells)
    assert "latent_dim" not in page(content([row(method="ae")]), Path())

from __future__ import annotations

import csv
import io

from reports.paper import comma_separated, latex, markdown
from tests.reports.test_page import content, scores
from tests.reports.test_reports import row


def boards():
    rows = scores("good_one", "roll", 1.0) + scores("bad", "roll", 5.0) + scores("near", "roll", 1.001)
    rows += scores("good_one", "digits", 2.0) + scores("flat", "roll", 0.1, status="collapsed", reason="too little")
    return content(rows).boards


def test_latex_has_rules_bold_ties_and_no_bare_special_character():
    text = latex(boards(), ["mcn"])
    assert text.startswith(r"\begin{tabular}{lrr}") and all(rule in text for rule in (r"\toprule", r"\bottomrule"))
    assert r"\multicolumn{1}{c}{roll}" in text and r"mcn $\downarrow$" in text
    (good,) = [line for line in text.splitlines() if line.startswith(r"good\_one")]
    assert r"\textbf{1.01}$^{=}$" in good and good.count("&") == 2
    assert r"0.11$^{x}$" in text and "bad & -- & 5.01" in text


def test_csv_is_tidy_and_exact():
    rows = list(csv.DictReader(io.StringIO(comma_separated(boards(), ["mcn"]))))
    (good,) = [line for line in rows if line["method"] == "good_one" and line["dataset"] == "roll"]
    assert float(good["mean"]) == 1.01 and good["best"] == "yes" and good["tied with"] == "near"
    (flat,) = [line for line in rows if line["method"] == "flat"]
    assert flat["status"] == "collapsed" and flat["best"] == "no"


def test_markdown_has_a_table_for_each_data_set():
    text = markdown(boards(), ["mcn"])
    assert text.count("| --- |") == 2 and "**1.01=**" in text


def test_the_command_prints_only_a_table_and_names_what_it_does_not_know(bench, tmp_path):
    from reports.frames import results_frame, write_frame

    write_frame(results_frame([row("a", seed=s) for s in range(3)] + [row("b", value=3.0)]), tmp_path / "f.parquet")
    done = bench("report", "out", "--from", "f.parquet", "--table", "csv", "--methods", "a")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2 and not (tmp_path / "out").exists()
    for option, value in (("--metrics", "mcm"), ("--methods", "c"), ("--table", "html")):
        refused = bench("report", "out", "--from", "f.parquet", *(["--table", "csv"] if option != "--table" else []),
                        option, value)  # fmt: skip
        assert refused.returncode == 2 and f"{option}: unknown" in refused.stderr and "Traceback" not in refused.stderr

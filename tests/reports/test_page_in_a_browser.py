"""report.html as a person uses it, in headless Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.content import Picture
from reports.page import page
from tests.reports.test_page import content, scores

pytestmark = pytest.mark.slow


@pytest.fixture
def report(browser, tmp_path: Path):
    """The page of three methods on two data sets, opened."""
    from PIL import Image

    Image.new("RGB", (900, 300), "red").save(tmp_path / "x.png")
    rows = []
    for dataset, values in (("roll", {"ae": 3.0, "vae": 1.0, "pca": 2.0}), ("digits", {"ae": 1.0, "vae": 2.0})):
        for method, value in values.items():
            rows += scores(method, dataset, value)
    pictures = [Picture(f"Embeddings of {name}", "points", "x.png", name) for name in ("roll", "digits")]
    (tmp_path / "report.html").write_text(page(content(rows, embeddings=pictures), tmp_path), encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    return browser


def found(browser, selector: str) -> list:
    return [element for element in browser.find_elements("css selector", selector) if element.is_displayed()]


def methods(browser) -> list[str]:
    return [head.text for head in found(browser, "#headline tbody th")]


def test_a_column_sorts_by_its_values_best_first_and_then_the_other_way(report):
    roll = next(b for b in found(report, "#headline th button") if b.get_attribute("title") == "sort by mcn on roll")
    roll.click()
    assert methods(report) == ["vae", "pca", "ae"]
    roll.click()
    assert methods(report) == ["ae", "pca", "vae"]
    digits = next(b for b in found(report, "#headline th button") if "digits" in b.get_attribute("title"))
    digits.click()
    # What has no score comes last either way.
    assert methods(report) == ["ae", "vae", "pca"]
    digits.click()
    assert methods(report) == ["vae", "ae", "pca"]


def test_the_switch_and_the_filter_show_one_data_set_and_some_methods(report):
    assert len(found(report, "figure img")) == 2
    next(radio for radio in found(report, "input[name=dataset]") if radio.get_attribute("value") == "digits").click()
    assert [image.get_attribute("alt") for image in found(report, "figure img")] == ["points"]
    assert {cell.get_attribute("data-set") for cell in found(report, "#headline td")} == {"digits"}
    found(report, "input[name=filter]")[0].send_keys("ae")
    assert methods(report) == ["ae", "vae"]


def test_a_phone_scrolls_the_table_and_never_the_page(report, tmp_path):
    report.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    report.get((tmp_path / "report.html").as_uri())
    for details in report.find_elements("css selector", "details"):
        report.execute_script("arguments[0].open = true", details)
    assert report.execute_script("return document.documentElement.scrollWidth") <= 390
    assert report.execute_script("return document.querySelector('input[name=dataset]:checked').value") == "digits"


def test_dark_is_dark_and_the_console_is_silent(report):
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    report.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    paper = report.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(22, 24, 27)"
    assert report.get_log("browser") == []
    assert report.switch_to.active_element.tag_name == "body"

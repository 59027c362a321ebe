"""The pages in a real browser: keyboard, print, a narrow window, colours, and nothing loaded."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctcnv.cli import sample
from ctcnv.report import cohort as page_of_cohort
from tests.browser import Page, browser
from tests.test_cohort import TRACKS
from tests.test_cohort_page import CLINICAL, frames, page
from tests.test_report import CASES, page_of, with_mutations

#: Gives every control that can be seen a number, and their number.
NUMBERED = """(() => {
  const all = [...document.querySelectorAll('a[href],button,input,select,summary,[tabindex="0"]')]
    .filter((node) => node.checkVisibility());
  all.forEach((node, i) => { node.dataset.control = i; });
  return all.map((node) => node.outerHTML.slice(0, 80));
})()"""
#: The number of the control that has the focus, and how thick its outline is.
FOCUSED = """(() => {
  const node = document.activeElement, style = getComputedStyle(node);
  const outline = style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth);
  return [node.dataset.control === undefined ? -1 : Number(node.dataset.control), outline];
})()"""
#: Words whose contrast with what lies behind them is too low to read (WCAG 2 AA: 4.5), with it.
FAINT = """(() => {
  const parts = (colour) => (colour.match(/[0-9.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, said = walk.currentNode.textContent.trim();
    if (!said || ['SCRIPT', 'STYLE'].includes(node.tagName) || node.closest('title,desc')) continue;
    const style = getComputedStyle(node), drawn = node.closest('svg') !== null;
    const ink = parts(drawn ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(ink), light(drawn ? [255, 255, 255] : behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${said.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient's report and the cohort's page, where the workflow puts them."""
    root = tmp_path_factory.mktemp("pages")
    fake = CASES["responder"]
    report = page_of(fake, samples=with_mutations(fake, reason="a warning"))
    made = {"patients/P01/report.html": report, "cohort/cohort.html": page(frames(CLINICAL))}
    for name, text in made.items():
        path = root / "results" / name
        path.parent.mkdir(parents=True)
        path.write_text(sample.with_inputs(text, {"track.P01": "sha256:" + "0" * 64}))
    return root


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def report(shown: Page, folder: Path) -> Page:
    """The browser with the patient's report."""
    shown.open(folder / "results/patients/P01/report.html")
    return shown


@pytest.fixture
def cohort(shown: Page, folder: Path) -> Page:
    """The browser with the cohort's page."""
    shown.open(folder / "results/cohort/cohort.html")
    return shown


@pytest.fixture(params=["report", "cohort"])
def either(request: pytest.FixtureRequest) -> Page:
    """The browser with each of the pages."""
    return request.getfixturevalue(request.param)


def test_a_page_asks_for_nothing_but_itself_and_breaks_no_policy(either: Page) -> None:
    asked = [url for url in either.requested() if not url.startswith("data:")]
    assert asked == [either.value("location.href")]
    assert either.complaints() == []


def test_the_report_runs_its_script(report: Page) -> None:
    assert report.value("document.documentElement.dataset.script") == "ran"
    assert report.value("document.querySelector('.card .word').textContent") == "Amplified"
    assert report.value("document.querySelector('.zoom').checkVisibility()")


def test_every_control_is_reached_by_tab_and_shows_that_it_is(either: Page) -> None:
    either.value("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    controls = either.value(NUMBERED)
    assert len(controls) > 10
    reached = set()
    for _ in controls:
        either.press("Tab")
        number, outline = either.value(FOCUSED)
        assert number >= 0, either.value("document.activeElement.outerHTML.slice(0, 200)")
        assert outline >= 1, f"no outline: {controls[number]}"
        reached.add(number)
    missed = [name for number, name in enumerate(controls) if number not in reached]
    assert missed == []


@pytest.mark.parametrize("key", ["Enter", " "])
def test_keys_zoom_and_unfold(report: Page, key: str) -> None:
    pressed = "document.querySelector('button[data-zoom=\"16\"]').ariaPressed"
    report.value("document.querySelector('button[data-zoom=\"16\"]').focus()")
    report.press(key)
    assert report.value(pressed) == "true"
    assert report.value("document.querySelectorAll('svg.zoomed').length") == 2
    report.press("Escape")
    assert report.value(pressed) == "false"
    assert report.value("document.querySelectorAll('svg.zoomed').length") == 0
    report.value("document.querySelector('summary').focus()")
    report.press(key)
    assert report.value("document.querySelector('details').open")


def test_keys_sort_and_find_patients(cohort: Page) -> None:
    rows = "[...document.querySelectorAll('#patients tbody tr')].filter((row) => !row.hidden)"
    names = f"{rows}.map((row) => row.cells[0].textContent)"
    cohort.value("document.querySelector('#patients th button').focus()")
    cohort.press("Enter")
    assert cohort.value(names) == sorted(TRACKS)
    cohort.press("Enter")
    assert cohort.value(names) == sorted(TRACKS, reverse=True)
    name = sorted(TRACKS)[1]
    cohort.value("document.querySelector('input[type=search]').focus()")
    cohort.ask("Input.insertText", text=name.lower())
    assert cohort.value(names) == [name]
    assert cohort.value("document.querySelector('output').textContent") == f"1 of {len(TRACKS)}"


def test_print_unfolds_all_but_the_long_tables_and_folds_them_again(report: Page) -> None:
    opened = "document.querySelectorAll('details[open]').length"
    before = report.value(opened)
    report.value(
        "window.addEventListener('beforeprint', () => {"
        " window.printed = [...document.querySelectorAll('details:not([open])')]"
        ".map((node) => node.className); })"
    )
    data = base64.b64decode(report.ask("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 2 <= len(re.findall(rb"/Type /Page\b(?!s)", data)) <= 9
    assert set(report.value("window.printed")) == {"bulk"}
    assert report.value(opened) == before


def test_nothing_hangs_out_of_a_narrow_window(either: Page) -> None:
    either.ask("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1,
               mobile=False)  # fmt: skip
    try:
        width, whole = either.value(
            "(({clientWidth, scrollWidth}) => [clientWidth, scrollWidth])(document.documentElement)"
        )
        assert whole == width <= 400
    finally:
        either.ask("Emulation.clearDeviceMetricsOverride")


def test_all_words_stand_out_from_what_lies_behind_them(either: Page) -> None:
    either.value("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert either.value(FAINT) == []


def test_every_picture_is_told_in_words(either: Page) -> None:
    silent = either.value(
        "[...document.querySelectorAll('img, svg')].filter((node) => node.tagName === 'IMG'"
        " ? !node.alt : !node.closest('[aria-hidden]') && !(node.getAttribute('role') === 'img'"
        " && node.getAttribute('aria-labelledby'))).map((node) => node.outerHTML.slice(0, 80))"
    )
    assert silent == []


def test_a_patient_called_script_does_nothing(shown: Page, tmp_path: Path) -> None:
    name = "<script>document.documentElement.dataset.evil = 1</script>"
    path = tmp_path / "report.html"
    path.write_text(page_of(CASES["responder"], patient=name))
    shown.open(path)
    assert shown.value("document.querySelector('h1').textContent") == f"Patient {name}"
    assert shown.value("document.documentElement.dataset.evil === undefined")
    assert shown.complaints() == []


def test_a_browser_runs_no_other_script_and_loads_nothing(
    shown: Page, folder: Path, tmp_path: Path
) -> None:
    evil = (
        "<script>document.body.dataset.evil = 1</script>"
        "<p id=q onclick='1'>x</p><img src='file:///etc/hostname' onerror='document.title = 1'>"
        "<p style='color: red'>x</p>"
    )
    text = (folder / "results/patients/P01/report.html").read_text()
    path = tmp_path / "report.html"
    path.write_text(text.replace("</body>", f"{evil}</body>"))
    shown.open(path)
    assert shown.value("document.documentElement.dataset.script") == "ran"
    assert shown.value("document.body.dataset.evil === undefined")
    refused = " ".join(shown.complaints())
    for directive in ("script-src", "img-src", "style-src"):
        assert directive in refused, refused


OWN = page_of_cohort.in_archive(page_of_cohort.PLACE)


@pytest.mark.parametrize(
    ("place", "leads"),
    [
        ("results/cohort", "results/patients/{}/report.html"),
        (f"r/data/raw/{OWN}", "r/data/raw/{archived}/report.html"),  # `snakemake --report`
        ("data/raw/0f3a", None),
        ("mail", None),
    ],
)
def test_names_lead_to_the_reports_where_there_are_any(
    shown: Page, folder: Path, tmp_path: Path, place: str, leads: str | None
) -> None:
    path = tmp_path / place / "cohort.html"
    path.parent.mkdir(parents=True)
    path.write_text((folder / "results/cohort/cohort.html").read_text())
    shown.open(path)
    links = shown.value("[...document.querySelectorAll('#patients a')].map((node) => node.href)")
    wanted = [
        (tmp_path / leads.format(name, archived=page_of_cohort.in_archive(
            f"results/patients/{name}/report.html"))).as_uri()
        for name in TRACKS
    ] if leads else []  # fmt: skip
    assert sorted(links) == sorted(wanted)
    assert shown.value("document.querySelector('.leads').hidden") == (leads is None)
    assert all(name in shown.value("document.body.textContent") for name in TRACKS)

"""The cohort's page and figures, and the command that writes them."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ctcnv import cli, cohort, outcome, plots, report, schema
from ctcnv.cli.cohort import figures
from ctcnv.io import tables
from ctcnv.io.trials import read_trials
from ctcnv.plots import cohort as draw
from tests import fakes, plasma
from tests.test_cohort import GENES, QC, SETTINGS, TRACKS, patients

CLINICAL = pd.DataFrame(
    {
        "patient": sorted(TRACKS),
        "arm": [["TP", "CETIRI"][i % 2] for i in range(len(TRACKS))],
        "response": [["PR", "SD", "PD", "CR"][i % 4] for i in range(len(TRACKS))],
        "pfs_days": [40.0 + 17 * i for i in range(len(TRACKS))],
        "pfs_event": [i % 3 != 0 for i in range(len(TRACKS))],
    }
).reindex(columns=["patient", *cohort.CLINICAL])
CLINICAL = CLINICAL.astype(object).where(CLINICAL.notna(), None)


def frames(given: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    people = patients(given)
    return {
        "samples": cohort.samples(TRACKS, QC), "patients": people,
        "genes": cohort.genes(people, GENES),
        "statistics": outcome.analyse(people, settings=SETTINGS),
    }  # fmt: skip


def page(made: dict[str, pd.DataFrame], *, qc: pd.DataFrame = QC) -> str:
    trials = read_trials()
    return report.cohort_page(
        samples=made["samples"], patients=made["patients"], statistics=made["statistics"], qc=qc,
        trials=trials, figures=figures(made, trials, SETTINGS), settings=SETTINGS, target_day=21,
        window_days=7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def with_outcome() -> dict[str, pd.DataFrame]:
    return frames(CLINICAL)


@pytest.fixture(scope="module")
def full(with_outcome: dict[str, pd.DataFrame]) -> str:
    return page(with_outcome)


def words_of(text: str) -> str:
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def test_every_patient_has_a_row_and_a_link_to_the_report(full: str) -> None:
    for name in TRACKS:
        link = (
            rf'<a href="\.\./patients/{name}/report\.html" data-archive="[0-9a-f]{{16}}">{name}</a>'
        )
        assert len(re.findall(link, full)) == 1


def test_every_analysis_is_on_the_page_with_what_to_know_of_it(
    full: str, with_outcome: dict[str, pd.DataFrame]
) -> None:
    said = words_of(full)
    tests = int(with_outcome["statistics"]["p_value"].notna().sum())
    assert f"{tests} p-values" in said
    assert full.count('<td data-sort="hazard">') == int(
        (with_outcome["statistics"]["analysis"] == "hazard").sum()
    )
    for caution in ("Exploratory", "Many tests", "Few patients", "Thresholds", "Who is left out"):
        assert caution in said


def test_without_a_clinical_table_there_are_no_statistics(tmp_path: Path) -> None:
    said = words_of(page(frames(None)))
    assert "All analyses" not in said
    assert "Kaplan" not in said
    assert "Change in ctDNA fraction" in said


def test_columns_of_the_clinical_table_are_there_where_it_tells_them(full: str) -> None:
    """No death is told in it; without it the table of patients has none of its columns."""

    def heads(text: str) -> list[str]:
        table = text[text.index('id="patients"') :]
        return re.findall(r'<th scope="col">(.*?)</th>', table[: table.index("</thead>")])

    assert heads(full)[-4:] == ["Arm", "Response", "PFS, days", "Quality"]
    bare = page(frames(None))
    assert heads(bare)[-2:] == ["ERBB2 excess", "Quality"]
    table = bare[bare.index('id="patients"') : bare.index("</table>")]
    assert table.count("<td ") == len(TRACKS) * len(heads(bare))


def test_the_page_loads_nothing_and_says_what_it_is_for(full: str) -> None:
    assert not re.search(r'(src|href)="(?!data:|\.\./patients/)', full)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', full)
    assert policy is not None
    rules = html.unescape(policy[1])
    assert rules.startswith("default-src 'none'; ")
    for name in ("style", "script"):
        found = re.search(rf"<{name}>(.*?)</{name}>", full, re.S)
        assert found is not None
        assert f"{name}-src {report.assets.digest(found[1])};" in rules
    assert full.count("For research use only. Not for diagnosis.") == 2


def test_text_from_outside_is_escaped(with_outcome: dict[str, pd.DataFrame]) -> None:
    evil = "<img src=x onerror=alert(1)>"
    qc = QC.assign(status="warn", reason=evil)
    people = with_outcome["patients"].assign(arm=evil)
    text = page(with_outcome | {"patients": people}, qc=qc)
    assert evil not in text
    assert html.escape(evil) in text


def test_what_is_not_known_is_empty_and_sorts_last(with_outcome: dict[str, pd.DataFrame]) -> None:
    people = with_outcome["patients"].assign(
        erbb2_copies=float("nan"), erbb2_copies_low=7.7, erbb2_copies_high=float("nan")
    )
    statistics = outcome.analyse(people, settings=SETTINGS)
    text = page(with_outcome | {"patients": people, "statistics": statistics})
    assert '<td data-sort="">at least 7.7</td>' in text
    assert "nan" not in words_of(text).lower().split()


def test_the_same_tables_give_the_same_page(
    full: str, with_outcome: dict[str, pd.DataFrame]
) -> None:
    assert page(with_outcome) == full


# Figures -------------------------------------------------------------------------------------


def test_nobody_is_missing_in_the_figures(with_outcome: dict[str, pd.DataFrame]) -> None:
    people = with_outcome["patients"]
    for figure in (
        draw.waterfall(people), draw.swimmer(people, with_outcome["samples"]),
        draw.matrix(with_outcome["genes"], people),
    ):  # fmt: skip
        text = plots.render(figure, "svg").decode()
        for name in people["patient"]:
            assert f">{name}<" in text


def squares(figure: Figure) -> list[tuple[float, float]]:
    """Where the matrix marks a mutation."""
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "s"]
    return [place for line in lines for place in line.get_xydata().tolist()]


def test_the_matrix_marks_mutated_genes_also_those_whose_copies_are_not_tested(
    with_outcome: dict[str, pd.DataFrame],
) -> None:
    people, genes = with_outcome["patients"], with_outcome["genes"]
    first, second = people["patient"].tolist()[:2]
    names = ["ERBB2", "TP53", "TP53"]
    assert "TP53" not in genes.loc[genes["call"].isin(["amplified", "gained", "lost"]), "gene"]
    mutated = pd.DataFrame({"patient": [first, first, second], "gene": names})
    figure = draw.matrix(genes, people, mutated)
    rows = [label.get_text().split()[0] for label in figure.axes[0].get_yticklabels()]
    columns = {int(text.xy[0]): text.get_text() for text in figure.axes[0].texts}
    assert sorted((columns[int(x)], rows[int(y)]) for x, y in squares(figure)) == sorted(
        zip(mutated["patient"], names, strict=True)
    )
    tp53 = next(t.get_text() for t in figure.axes[0].get_yticklabels() if "TP53" in t.get_text())
    assert tp53.endswith(f" 2/{len(people)}")
    assert rows[:2] == ["ERBB2", "TP53"], "those that are mutated stand first"
    assert ">Mutated<" in plots.render(figure, "svg").decode()
    assert ">Mutated<" not in plots.render(draw.matrix(genes, people), "svg").decode()


def test_only_mutations_that_are_used_count_once_a_gene() -> None:
    table = pd.DataFrame(
        {"gene": ["TP53", "TP53", "KRAS", None], "used": [True, True, False, True]}
    )
    people = pd.DataFrame({"patient": ["P1", "P2"], "first_sample": ["a", "b"]})
    found = cohort.mutated(people, {"a": table, "c": table})
    assert found.to_numpy().tolist() == [["P1", "TP53"]]


def test_the_end_of_a_life_that_goes_on_is_marked() -> None:
    people = patients().iloc[:2].copy()
    people[["pfs_days", "pfs_event"]] = [[100.0, True], [100.0, True]]
    people[["os_days", "os_event"]] = [[300.0, False], [200.0, True]]
    axes = draw.swimmer(people, cohort.samples(TRACKS, QC)).axes[0]
    ends = {line.get_marker(): line.get_xdata().tolist() for line in axes.lines
            if line.get_marker() in ">x" and len(line.get_xdata())}  # fmt: skip
    assert ends == {">": [300.0], "x": [200.0]}


def test_a_bound_alone_is_a_hollow_bar_and_nothing_at_all_a_cross() -> None:
    people = patients().iloc[:3].copy()
    people["follow_up_ratio"] = [0.4, float("nan"), float("nan")]
    people["follow_up_ratio_low"] = float("nan")
    people["follow_up_ratio_high"] = [0.6, 0.3, float("nan")]
    axes = draw.waterfall(people).axes[0]
    assert sorted(round(bar.get_height(), 2) for bar in axes.patches) == [-0.7, -0.6]
    hollow = [bar for bar in axes.patches if bar.get_facecolor()[:3] == (1, 1, 1)]
    assert [round(bar.get_height(), 2) for bar in hollow] == [-0.7]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 1


def test_a_large_rise_is_cut_and_says_how_much() -> None:
    people = patients().iloc[:1].copy()
    people["follow_up_ratio"] = 7.0
    axes = draw.waterfall(people).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [1.0]
    words = [text.get_text() for text in axes.texts]
    assert [word for word in words if word.endswith("%")] == ["+600 %"]


def test_figures_of_one_patient_and_of_nothing_known_are_drawn() -> None:
    people = patients().iloc[:1]
    nothing = people.assign(
        follow_up_ratio=float("nan"), follow_up_ratio_low=float("nan"),
        follow_up_ratio_high=float("nan"), fraction=float("nan"), erbb2_copies=float("nan"),
    )  # fmt: skip
    samples = cohort.samples(TRACKS, QC)
    for figure in (
        draw.waterfall(nothing), draw.swimmer(nothing, samples), draw.by_response(nothing),
        draw.matrix(schema.COHORT_GENES.empty(), nothing),
        draw.roc(nothing, schema.STATISTICS.empty()),
        draw.kaplan_meier(nothing, [], schema.STATISTICS.empty(), of="pfs"),
    ):  # fmt: skip
        assert plots.render(figure, "svg").startswith(b"<?xml")


def test_numbers_at_risk_are_those_followed_to_the_tick_or_longer() -> None:
    people = patients().iloc[[0] * 6].assign(
        pfs_days=[10.0, 20, 20, 30, 40, 40], pfs_event=[True, True, False, True, False, True]
    )  # fmt: skip
    label = np.array(["A", "A", "A", "B", "B", "B"], dtype=object)
    group = outcome.Group("arm", label)
    axes = draw.kaplan_meier(people, [group], schema.STATISTICS.empty(), of="pfs").axes[0]
    assert axes.get_xticks().tolist() == [0, 10, 20, 30, 40]
    of_a, of_b = ([3, 3, 2, 0, 0], [3, 3, 3, 3, 2])
    shown = [text.get_text() for text in axes.texts if text.get_text().isdigit()]
    assert shown == [str(n) for n in [*of_a, *of_b]]


def test_a_fraction_that_is_not_detected_is_no_point() -> None:
    people = patients(CLINICAL)
    detected = int(((people["status"] == "detected") & people["fraction"].notna()).sum())
    assert 0 < detected < len(people), "the cases hold both"
    axes = draw.by_response(people).axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in points) == detected


# The command ---------------------------------------------------------------------------------


def command(folder: Path, *more: str) -> list[str]:
    """The words of ``ctcnv cohort`` for two fake patients whose tables are written here."""
    words = ["cohort", "--quiet", "--tracks"]
    genes = []
    rows = []
    for fake in list(fakes.cases(atom_bp=5_000_000).values())[:2]:
        paths = fakes.write(fake, folder / fake.name)
        words.append(str(paths["track"][0]))
        genes += [str(path) for path in paths["genes"]]
        rows += [sample.tables["qc"][0] for sample in fake.samples]
    tables.write(folder / "qc.tsv", schema.QC, pd.concat(rows, ignore_index=True))
    words += ["--genes", *genes, "--qc", str(folder / "qc.tsv")]
    words += ["--config", str(Path(__file__).parent.parent / "config" / "config.yaml")]
    for name in ("samples", "patients", "genes", "statistics"):
        words += [f"--output-{name}", str(folder / "out" / f"{name}.tsv")]
    return [*words, "--output", str(folder / "out" / "cohort.html"), *more]


def run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    return int(left.value.code or 0)


def test_the_command_writes_four_tables_and_a_page(tmp_path: Path) -> None:
    words = command(tmp_path)
    assert run(words) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "cohort.html", "genes.tsv", "patients.tsv", "samples.tsv", "statistics.tsv",
    ]  # fmt: skip
    people = tables.read(out / "patients.tsv", schema.COHORT_PATIENTS)
    assert len(people.frame) == 2
    assert tables.read(out / "statistics.tsv", schema.STATISTICS).frame.empty
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run(words) == 0
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_quality_table_without_a_sample_of_a_track_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path)
    whole = tables.read(tmp_path / "qc.tsv", schema.QC).frame
    tables.write(tmp_path / "qc.tsv", schema.QC, whole.iloc[1:].reset_index(drop=True))
    assert run(words) == 2
    missing = whole["sample"].iloc[0]
    said = capsys.readouterr().err
    assert f"qc.tsv: no row of sample {missing!r}, which is in a track; make it again" in said
    assert not (tmp_path / "out").exists()


def test_mutations_reach_the_matrix_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path)
    assert run(words) == 0
    page, people = (tmp_path / "out" / name for name in ("cohort.html", "patients.tsv"))
    assert "A square: mutated" not in page.read_text()
    first = tables.read(people, schema.COHORT_PATIENTS).frame["first_sample"].iloc[0]
    row = dict.fromkeys(schema.MUTATIONS.names) | {
        "chrom": "chr17", "start": 7_500_000, "end": 7_500_001, "ref": "C", "alt": "T",
        "gene": "TP53", "used": True,
    }  # fmt: skip
    path = tmp_path / f"{first}.mutations.tsv"
    tables.write(path, schema.MUTATIONS, pd.DataFrame([row]), meta={"sample": first})
    assert run([*words, "--mutations", str(path)]) == 0
    assert "A square: mutated, as far as variants were given" in page.read_text()
    stored = tables.read(people, schema.COHORT_PATIENTS)
    assert stored.require(f"input.mutations.{first}").endswith(tables.sha256_file(path))
    assert run([*words, "--mutations", str(tmp_path / "{sample}.mutations.tsv")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_the_clinical_table_reaches_the_statistics(tmp_path: Path) -> None:
    path = tmp_path / "clinical.tsv"
    names = [fake.name for fake in list(fakes.cases(atom_bp=5_000_000).values())[:2]]
    path.write_text("patient\tresponse\n" + "".join(f"{name}\tPR\n" for name in names))
    assert run(command(tmp_path, "--clinical", str(path))) == 0
    found = tables.read(tmp_path / "out" / "statistics.tsv", schema.STATISTICS)
    assert found.frame.iloc[0][["analysis", "n", "events"]].tolist() == ["response rate", 2, 2]
    assert found.meta["input.clinical"].startswith("sha256:")


def test_a_patient_of_the_clinical_table_without_a_sample_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clinical.tsv"
    known = next(iter(fakes.cases(atom_bp=5_000_000).values())).name
    path.write_text(f"patient\tresponse\nP99\tPR\n{known}\tPR\n")
    assert run(command(tmp_path, "--clinical", str(path))) == 0
    assert "no sample of P99; left out, check the names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "text"),
    [("--clinical", "patient\tresponse\nP99\tPR\n"),
     ("--treatments", "patient\tday\ttreatment\nP99\t0\tT\n")],
)  # fmt: skip
def test_a_table_of_which_no_patient_has_a_sample_is_refused(
    flag: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "others.tsv"
    path.write_text(text)
    assert run(command(tmp_path, flag, str(path))) == 2
    assert f"{path}: none of its 1 patients has a plasma sample, first 'P99'" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_a_wrong_clinical_table_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clinical.tsv"
    path.write_text("patient\tresponse\nP01\tgood\n")
    assert run(command(tmp_path, "--clinical", str(path))) == 2
    said = capsys.readouterr().err
    assert "clinical.tsv row 1 (patient P01): response is 'good'; write the best" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_settings_are_those_of_the_config() -> None:
    assert plasma.SETTINGS["cohort"].copies == (6.0, 20.0, 25.82)

"""Days of treatment: the table, the course of a patient, the lanes of a cohort."""

from __future__ import annotations

import pandas as pd
import pytest

from ctcnv.io import treatments
from ctcnv.plots import cohort as draw
from tests import fakes
from tests.plasma import ROOT
from tests.test_report import page_of

SCHEMA = ROOT / "workflow" / "schemas" / "treatments.schema.yaml"
HEADER = "patient\tday\ttreatment\n"


def table(tmp_path, text):
    path = tmp_path / "treatments.tsv"
    path.write_text(text)
    return path


def test_a_patient_has_its_days_in_order_and_names_where_they_are_given(tmp_path):
    path = table(tmp_path, HEADER + "P2\t21\t\nP1\t0\tT-DXd 5.4 mg/kg\nP2\t0\ttrastuzumab\n")
    read = treatments.read(path, schema=SCHEMA)
    assert treatments.of_patient(read, "P2") == [(0, "trastuzumab"), (21, "")]
    assert treatments.of_patient(read, "P1") == [(0, "T-DXd 5.4 mg/kg")]
    assert treatments.of_patient(read, "P3") == []
    bare = treatments.read(table(tmp_path, "patient\tday\nP1\t0\n"))
    assert treatments.of_patient(bare, "P1") == [(0, "")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("P1\tx\t", r"row 1 \(patient P1\): day is 'x'"),
        ("P1\t1.5\t", r"row 1 \(patient P1\): day is '1.5'"),
        ("P1\t\t", r"row 1 \(patient P1\): day"),
        ("\t0\t", r"row 1: patient"),
        ("P1\t0\t<script>", r"row 1 \(patient P1\): treatment is '<script>'"),
    ],
)
def test_a_wrong_row_is_named_with_its_remedy(tmp_path, row, problem):
    with pytest.raises(ValueError, match=problem):
        treatments.read(table(tmp_path, f"{HEADER}{row}\n"), schema=SCHEMA)


def test_without_a_schema_a_row_is_checked_for_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"row 1 .*day is 'x'; write whole days"):
        treatments.read(table(tmp_path, HEADER + "P1\tx\t\n"))
    with pytest.raises(ValueError, match="row 1: patient is missing"):
        treatments.read(table(tmp_path, HEADER + "\t0\t\n"))


def test_the_course_shows_each_day_of_treatment_and_escapes_its_name():
    fake = fakes.patient()
    bare = page_of(fake)
    page = page_of(fake, treatments=[(0, "T-DXd"), (21, "<b>"), (42, "")])
    assert "T-DXd, day 0" in page
    assert "&lt;b&gt;, day 21" in page
    assert "<b>, day 21" not in page
    assert "treatment on day 0, 21 and 42" in page
    assert "treatment on day" not in bare


def test_the_lanes_of_a_cohort_show_the_days_of_treatment_of_their_patients():
    patients = pd.DataFrame({
        "patient": ["P1", "P2"], "day": [0, 0], "last_day": [40, 60], "response": [None, None],
        "pfs_days": [float("nan")] * 2, "os_days": [float("nan")] * 2, "pfs_event": [None] * 2,
        "os_event": [None] * 2,
    })  # fmt: skip
    samples = pd.DataFrame({"patient": ["P1", "P2"], "day": [0, 0], "status": ["detected"] * 2})
    doses = pd.DataFrame({"patient": ["P2", "P2", "other"], "day": [0, 21, 5],
                          "treatment": [None] * 3})  # fmt: skip

    def labels(figure):
        return [text.get_text() for legend in figure.legends for text in legend.get_texts()]

    shown = draw.swimmer(patients, samples, doses)
    assert "treatment" in labels(shown)
    marks = [line for line in shown.axes[0].lines if line.get_marker() == "^"]
    assert [line.get_xdata().tolist() for line in marks] == [[0, 21]]
    assert "treatment" not in labels(draw.swimmer(patients, samples))

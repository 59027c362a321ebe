"""The figures: what is drawn, and that the same tables give the same bytes."""

from __future__ import annotations

import sys

import pytest

from ctcnv import cli, plots
from tests import fakes

FAKES = fakes.cases(atom_bp=500_000)


def tables_of(name: str) -> dict:
    return {key: frame for key, (frame, _) in FAKES[name].samples[0].tables.items()}


def genome(name: str):
    t = tables_of(name)
    return plots.genome(t["profile"], t["segments"], t["fraction"], t["genes"], sample="S1")


def chr17(name: str):
    t = tables_of(name)
    return plots.chr17(t["profile"], t["segments"], t["genes"], sample="S1")


def words_of(figure) -> str:
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts]
    return " ".join(text.get_text() for text in texts)


def test_the_genome_has_every_chromosome_points_and_segments():
    axes = genome("responder").axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [*map(str, range(1, 23)), "X"]
    assert axes.get_ylabel() == "plasma copy number"
    assert axes.get_xlabel() == "chromosome"
    assert sum(len(line.get_xdata()) for line in axes.lines) > 1000


def test_the_genome_says_tumor_fraction_and_call():
    title = genome("responder").axes[0].get_title(loc="left")
    assert title == "S1: tumor fraction 30.0% (27.5% to 32.8%); ERBB2 amplified"


def test_a_sample_without_tumor_is_said_to_be_not_detected():
    assert "tumor fraction not detected; ERBB2 indeterminate" in genome("unclear").axes[
        0
    ].get_title(loc="left")


def test_erbb2_is_marked_with_its_plasma_copies():
    pcn = tables_of("responder")["genes"]["pcn"].iloc[0]
    assert f"ERBB2 {pcn:.3g}" in words_of(genome("responder"))


def test_the_amplicon_fits_on_the_axis():
    pcn = tables_of("responder")["genes"]["pcn"].iloc[0]
    assert genome("responder").axes[0].get_ylim()[1] > pcn


def test_chromosome_17_has_two_panels_and_the_genes_near_erbb2():
    figure = chr17("responder")
    whole, near, strip = figure.axes
    assert whole.get_xlim()[1] > near.get_xlim()[1]
    assert near.get_xlabel() == "position on chromosome 17 (Mb)"
    assert {"ERBB2", "CDK12", "TOP2A"} <= {text.get_text() for text in strip.texts}
    assert "amplicon 0.8 Mb" in words_of(figure)


def test_a_small_genome_gets_a_small_neighbourhood():
    _, near, _ = chr17("scaled").axes
    low, high = near.get_xlim()
    assert 0.2e6 < high - low < 1e6


def test_a_failed_sample_says_that_it_is_not_evaluable():
    assert "not evaluable" in words_of(genome("failed"))
    assert "not evaluable" in words_of(chr17("failed"))


def test_genes_without_erbb2_are_refused():
    t = tables_of("failed")
    with pytest.raises(ValueError, match="genes of 'S1': ERBB2 is missing"):
        plots.chr17(t["profile"], t["segments"], t["genes"].iloc[1:], sample="S1")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_tables_give_the_same_bytes(kind):
    assert plots.render(chr17("scaled"), kind) == plots.render(chr17("scaled"), kind)


def test_no_picture_carries_a_date_or_the_program_that_made_it():
    drawn = plots.render(chr17("scaled"), "svg").decode()
    assert "<dc:date>" not in drawn
    assert "Matplotlib" not in drawn
    assert b"Software" not in plots.render(chr17("scaled"), "png")


def test_pyplot_is_not_used():
    assert "matplotlib.pyplot" not in sys.modules or not hasattr(plots, "plt")


def test_the_command_writes_four_pictures(tmp_path):
    paths = fakes.write(FAKES["scaled"], tmp_path)
    outputs = {
        "--output-genome": tmp_path / "genome.svg", "--output-genome-png": tmp_path / "genome.png",
        "--output-chr17": tmp_path / "chr17.svg", "--output-chr17-png": tmp_path / "chr17.png",
    }  # fmt: skip
    given = [word for name in ("profile", "segments", "fraction", "genes")
             for word in (f"--{name}", str(paths[name][0]))]  # fmt: skip
    given += [word for flag, path in outputs.items() for word in (flag, str(path))]
    with pytest.raises(SystemExit) as end:
        cli.main(["plot", "--sample", "P08_d000", *given])
    assert end.value.code == 0
    assert outputs["--output-genome"].read_bytes().startswith(b"<?xml")
    assert outputs["--output-chr17-png"].read_bytes().startswith(b"\x89PNG")

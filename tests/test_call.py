"""The commands of a sample, a panel and a patient on files: right and whole, or one line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ctcnv import cli, fraction, schema
from ctcnv.io import tables
from ctcnv.schema import chrom_key
from tests import plasma

OUTPUTS = {
    "profile": ("profile.tsv.gz", schema.PROFILE),
    "segments": ("segments.tsv", schema.SEGMENTS),
    "fraction": ("fraction.tsv", schema.FRACTION),
    "grid": ("fraction.grid.tsv.gz", schema.GRID),
    "solutions": ("solutions.tsv", schema.SOLUTIONS),
    "genes": ("genes.tsv", schema.GENES),
    "qc": ("qc.tsv", schema.QC),
}
PANEL = {
    "": ("pon.tsv.gz", schema.PON),
    "-dispersion": ("pon.dispersion.tsv", schema.DISPERSION),
    "-donors": ("pon.donors.tsv", schema.DONORS),
    "-genes": ("pon.genes.tsv", schema.PON_GENES),
    "-normals": ("pon.normals.tsv.gz", schema.NORMALS),
    "-waves": ("pon.waves.tsv.gz", schema.WAVES),
}
#: The tables of each time point that track reads.
PARTS = ("fraction", "grid", "profile", "segments", "genes")
FILTERS = {"min_mapq": 20, "source": "test"}


def run(*words: object) -> int | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as left, plasma.quick():
        cli.main([str(word) for word in words])
    return left.value.code


def write_counts(path, frame, *, sample, bins=None, filters=FILTERS):
    identity = tables.bins_id(plasma.bins()) if bins is None else bins
    meta = {"sample": sample, "bins": identity, "settings.count": filters}
    tables.write(path, schema.COUNTS, frame, meta=meta)
    return path


def pon_words(folder, counts, to, **changes):
    files = {"bins": folder / "bins.tsv.gz", "genes": folder / "genes.tsv",
             "config": folder / "config.yaml"} | changes  # fmt: skip
    named = [word for name, path in files.items() for word in (f"--{name}", path)]
    outputs = [word for flag, (name, _) in PANEL.items() for word in (f"--output{flag}", to / name)]
    return ["pon", "--counts", *counts, *named, *outputs]


def call_words(folder, sample, to, **changes):
    files = {
        "sample": sample, "counts": folder / f"{sample}.counts.tsv.gz",
        "bins": folder / "bins.tsv.gz", "genes": folder / "genes.tsv",
        "pon": folder / "pon.tsv.gz", "waves": folder / "pon.waves.tsv.gz",
        "dispersion": folder / "pon.dispersion.tsv",
        "normals": folder / "pon.normals.tsv.gz",
        "pon-genes": folder / "pon.genes.tsv",
        "config": folder / "config.yaml",
    } | changes  # fmt: skip
    named = [word for name, path in files.items() if path is not None
             for word in (f"--{name}", path)]  # fmt: skip
    outputs = [word for name, (file, _) in OUTPUTS.items()
               for word in (f"--output-{name}", to / file)]  # fmt: skip
    return ["call", *named, *outputs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A cohort on disk: reference, six normals and their panel, three samples called."""
    folder = tmp_path_factory.mktemp("cohort")
    config = yaml.safe_load((plasma.ROOT / "config" / "config.yaml").read_text())
    config["fraction"] = plasma.FAST.as_dict()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    tables.write(folder / "bins.tsv.gz", schema.BINS, plasma.bins())
    tables.write(folder / "genes.tsv", schema.GENE_TABLE, plasma.gene_table())
    normals = [
        write_counts(folder / f"{name}.counts.tsv.gz", frame, sample=name)
        for name, frame in plasma.normals(6).items()
    ]
    assert run(*pon_words(folder, normals, folder)) == 0
    drawn = {
        "001": plasma.counts(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5),
        "later": plasma.counts(tumor=plasma.AMPLIFIED, fraction=0.1, seed=6),
        "thin": plasma.counts(seed=1).assign(fragments=1, short=0),
    }
    for sample, frame in drawn.items():
        write_counts(folder / f"{sample}.counts.tsv.gz", frame, sample=sample)
        assert run(*call_words(folder, sample, folder / sample)) == 0
    return folder


def read(folder, sample, name):
    file, table = OUTPUTS[name]
    return tables.read(folder / sample / file, table)


def error(capsys) -> str:
    """The one line on stderr that is the error; nothing is on stdout."""
    said = capsys.readouterr()
    assert said.out == ""
    last = said.err.strip().splitlines()[-1]
    assert ": error: " in last
    return last


# --- call ---


@pytest.mark.parametrize("name", ["segments", "fraction", "grid", "genes"])
def test_the_command_writes_what_the_steps_compute(folder, name):
    made = plasma.sample(tumor=plasma.AMPLIFIED, fraction=0.3, seed=5)
    wanted = {"segments": made.segments, "grid": made.fraction.grid, "genes": made.genes,
              "fraction": fraction.table(made.fraction, sample="001")}[name]  # fmt: skip
    table = OUTPUTS[name][1]
    found = read(folder, "001", name).frame
    # the panel went through a file, which keeps seven digits
    for column in table.columns:
        if column.kind == "float":
            np.testing.assert_allclose(
                found[column.name].astype(float),
                wanted[column.name].astype(float),
                rtol=2e-3,
                atol=2e-3,
            )
        elif column.name != "reason":
            assert [None if pd.isna(v) else v for v in found[column.name]] == [
                None if pd.isna(v) else v for v in table.check(wanted[table.names])[column.name]
            ]


def test_solutions_have_the_copies_of_erbb2(folder):
    solutions = read(folder, "001", "solutions").frame
    erbb2 = read(folder, "001", "genes").frame.set_index("gene").loc["ERBB2"]
    assert solutions["erbb2_copies"].notna().all()
    assert solutions["erbb2_copies"].iloc[0] == pytest.approx(erbb2["copies"], rel=0.1)


def test_a_name_of_digits_stays_a_name(folder):
    assert read(folder, "001", "fraction").frame["sample"].tolist() == ["001"]
    assert read(folder, "001", "qc").frame["sample"].tolist() == ["001"]


def test_every_table_tells_where_it_comes_from(folder):
    digest = tables.sha256_file(folder / "pon.tsv.gz")
    waves = tables.sha256_file(folder / "pon.waves.tsv.gz")
    normals = tables.sha256_file(folder / "pon.normals.tsv.gz")
    for name in OUTPUTS:
        stored = read(folder, "001", name)
        assert stored.require("sample") == "001"
        assert stored.require("bins") == tables.bins_id(plasma.bins())
        assert stored.require("sex") == "female"
        assert stored.require("pon") == digest
        assert stored.require("n_normals") == "6"
        assert stored.require("input.pon") == f"sha256:{digest}"
        assert stored.require("input.waves") == f"sha256:{waves}"
        assert stored.require("input.normals") == f"sha256:{normals}"
        assert json.loads(stored.require("settings.fraction")) == plasma.FAST.as_dict()
        assert json.loads(stored.require("settings.count")) == FILTERS
        assert int(stored.require("fragments")) > 10**6


def test_the_same_input_gives_the_same_bytes(folder, tmp_path):
    assert run(*call_words(folder, "001", tmp_path)) == 0
    for file, _ in OUTPUTS.values():
        assert (tmp_path / file).read_bytes() == (folder / "001" / file).read_bytes(), file


def test_nothing_is_written_to_stdout(folder, tmp_path, capsys):
    assert run(*call_words(folder, "thin", tmp_path)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "too few to say anything" in said.err


def test_a_library_with_too_few_fragments_is_failed_in_every_table(folder):
    assert read(folder, "thin", "fraction").frame["status"].tolist() == ["failed"]
    assert set(read(folder, "thin", "genes").frame["call"]) == {"failed"}
    assert read(folder, "thin", "profile").frame["expected"].isna().all()
    for name in ("segments", "grid", "solutions"):
        assert len(read(folder, "thin", name).frame) == 0
    row = read(folder, "thin", "qc").frame.iloc[0]
    assert row["status"] == "failed"
    assert read(folder, "thin", "profile").require("sex") == "unknown"


def test_a_sample_is_called_without_a_panel(folder, tmp_path):
    words = call_words(folder, "001", tmp_path, pon=None, waves=None, dispersion=None,
                       normals=None, **{"pon-genes": None})  # fmt: skip
    assert run(*words) == 0
    stored = tables.read(tmp_path / "genes.tsv", schema.GENES)
    assert stored.require("pon") == "none"
    assert stored.require("n_normals") == "0"
    assert stored.frame.set_index("gene").loc["ERBB2", "call"] == "amplified"


def test_the_steps_by_hand_give_what_call_gives(folder, tmp_path):
    config, profile = folder / "config.yaml", tmp_path / "profile.tsv.gz"
    panel = ["--dispersion", folder / "pon.dispersion.tsv", "--config", config]
    assert run("normalize", "--sample", "001", "--counts", folder / "001.counts.tsv.gz", "--bins",
               folder / "bins.tsv.gz", "--pon", folder / "pon.tsv.gz", "--waves",
               folder / "pon.waves.tsv.gz", "--config", config,
               "--output", profile) == 0  # fmt: skip
    assert run("segment", "--profile", profile, *panel, "--output", tmp_path / "segments.tsv") == 0
    assert run("fraction", "--profile", profile, *panel, "--normals",
               folder / "pon.normals.tsv.gz", "--output", tmp_path / "fraction.tsv",
               "--output-grid", tmp_path / "fraction.grid.tsv.gz", "--output-solutions",
               tmp_path / "solutions.tsv") == 0  # fmt: skip
    assert run("genes", "--profile", profile, "--fraction", tmp_path / "fraction.tsv", "--grid",
               tmp_path / "fraction.grid.tsv.gz", "--genes", folder / "genes.tsv", *panel,
               "--pon-genes", folder / "pon.genes.tsv", "--output",
               tmp_path / "genes.tsv") == 0  # fmt: skip
    for name in ("profile", "segments", "fraction", "genes"):
        file, table = OUTPUTS[name]
        by_hand, at_once = tables.read(tmp_path / file, table), read(folder, "001", name)
        for column in table.columns:
            if column.kind == "float":
                np.testing.assert_allclose(
                    by_hand.frame[column.name].astype(float),
                    at_once.frame[column.name].astype(float), rtol=2e-3, atol=2e-3,
                )  # fmt: skip
            elif column.name != "reason":
                pd.testing.assert_series_equal(by_hand.frame[column.name],
                                               at_once.frame[column.name])  # fmt: skip
        assert by_hand.require("sample") == "001"
        assert by_hand.require("pon") == at_once.require("pon")


@pytest.mark.parametrize("missing", ["dispersion", "normals"])
def test_fraction_alone_needs_dispersion_and_normals_or_neither(folder, tmp_path, capsys, missing):
    given = {"dispersion": folder / "pon.dispersion.tsv", "normals": folder / "pon.normals.tsv.gz"}
    words = [
        word for name, path in given.items() if name != missing for word in (f"--{name}", path)
    ]
    outputs = ["--output", tmp_path / "fraction.tsv", "--output-grid", tmp_path / "grid.tsv.gz",
               "--output-solutions", tmp_path / "solutions.tsv"]  # fmt: skip
    profile = ["--profile", folder / "001" / OUTPUTS["profile"][0], "--config",
               folder / "config.yaml"]  # fmt: skip
    assert run("fraction", *profile, *words, *outputs) == 2
    said = error(capsys)
    assert said == ("ctcnv fraction: error: --dispersion and --normals go together: give both or "
                    "neither")  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_fraction_alone_refuses_normals_of_other_bins(folder, tmp_path, capsys):
    other = with_meta(folder / "pon.normals.tsv.gz", tmp_path / "n.tsv.gz", bins="beef")
    assert run("fraction", "--profile", folder / "001" / OUTPUTS["profile"][0], "--dispersion",
               folder / "pon.dispersion.tsv", "--normals", other, "--config",
               folder / "config.yaml", "--output", tmp_path / "fraction.tsv", "--output-grid",
               tmp_path / "grid.tsv.gz", "--output-solutions",
               tmp_path / "solutions.tsv") == 2  # fmt: skip
    assert "n.tsv.gz: made on other bins (beef) than the sample" in error(capsys)
    assert list(tmp_path.iterdir()) == [other]


# --- call with mutations ---

HEAD = "chrom\tpos\tref\talt\tdepth\talt_reads\tgene\torigin\n"
#: Clonal on one of two copies at 0.3, on three of four, on the one left; of blood; on X.
READS = (
    "chr3\t50000001\tA\tC\t1000\t150\tPIK3CA\t\n"
    "chr8\t100000001\tG\tT\t1000\t346\t\t\n"
    "chr17\t7500001\tC\tT\t1000\t176\tTP53\tsomatic\n"
    "chr2\t25000001\tC\tT\t1000\t40\tDNMT3A\t\n"
    "chrX\t25000001\tC\tT\t1000\t40\t\t\n"
)


def with_variants(folder, sample, to, text, **changes):
    """The exit code of a call with these variants."""
    path = to / "given.tsv"
    to.mkdir(exist_ok=True)
    path.write_text(text)
    words = call_words(folder, sample, to, variants=path, **changes)
    return run(*words, "--output-mutations", to / "mutations.tsv")


def test_mutations_have_a_part_in_every_table(folder, tmp_path):
    assert with_variants(folder, "001", tmp_path, HEAD + READS) == 0
    stored = tables.read(tmp_path / "mutations.tsv", schema.MUTATIONS)
    found = stored.frame
    assert found["start"].tolist() == [50_000_000, 100_000_000, 7_500_000, 25_000_000, 25_000_000]
    assert found["used"].tolist() == [True, True, True, False, False]
    assert found["reason"].tolist()[3:] == ["gene of clonal haematopoiesis", "sex chromosome"]
    assert found["copies"].tolist()[:3] == [2, 4, 1]
    assert found["fraction"][:3].tolist() == pytest.approx([0.3, 0.3, 0.3], abs=0.01)
    digest = tables.sha256_file(tmp_path / "given.tsv")
    assert stored.require("input.variants") == f"sha256:{digest}"
    before = read(folder, "001", "fraction").frame.iloc[0]
    row = tables.read(tmp_path / "fraction.tsv", schema.FRACTION).frame.iloc[0]
    assert row["method"] == "copy number + mutations"
    assert row["low"] <= 0.3 <= row["high"]
    for old, new in (("fraction", "cn_fraction"), ("low", "cn_low"), ("high", "cn_high")):
        assert row[new] == before[old]
    assert pd.isna(before["cn_fraction"])
    assert pd.isna(before["n_mutations"])
    assert row["n_mutations"] == 3
    assert row["agreement"] > 1
    grid = tables.read(tmp_path / "fraction.grid.tsv.gz", schema.GRID).frame
    assert grid["probability"].sum() == pytest.approx(1, abs=1e-4)
    solutions = tables.read(tmp_path / "solutions.tsv", schema.SOLUTIONS).frame
    assert solutions["erbb2_copies"].notna().all()


def test_the_same_variants_give_the_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        assert with_variants(folder, "001", tmp_path / name, HEAD + READS) == 0
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_file_without_variants_changes_no_number(folder, tmp_path):
    assert with_variants(folder, "001", tmp_path, HEAD) == 0
    row = tables.read(tmp_path / "fraction.tsv", schema.FRACTION).frame.iloc[0]
    before = read(folder, "001", "fraction").frame.iloc[0]
    for name in ("fraction", "low", "high", "ploidy", "p_value", "status", "method"):
        assert row[name] == before[name]
    assert row["n_mutations"] == 0
    assert row["cn_fraction"] == row["fraction"]
    genes = tables.read(tmp_path / "genes.tsv", schema.GENES).frame
    pd.testing.assert_frame_equal(genes, read(folder, "001", "genes").frame)


def test_a_failed_sample_tells_its_mutations_and_stays_failed(folder, tmp_path):
    assert with_variants(folder, "thin", tmp_path, HEAD + READS) == 0
    row = tables.read(tmp_path / "fraction.tsv", schema.FRACTION).frame.iloc[0]
    assert row["status"] == "failed"
    assert 0.1 < row["mutation_fraction"] < 0.6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + READS.replace("150", "1500"), r"given.tsv row 1: alt_reads is 1500 at a depth"),
        (HEAD + READS.replace("100000001", "900000001"), "chr8:900000001 lies beyond the end"),
        (HEAD.replace("gene", "Gene"), "given.tsv: unknown column 'Gene'"),
    ],
)
def test_wrong_variants_are_refused_and_nothing_is_written(
    folder, tmp_path, capsys, text, message
):  # fmt: skip
    assert with_variants(folder, "001", tmp_path, text) == 2
    assert re.search(message, error(capsys))
    assert [path.name for path in tmp_path.iterdir()] == ["given.tsv"]


def test_variants_need_a_place_for_their_table(folder, tmp_path, capsys):
    path = tmp_path / "given.tsv"
    path.write_text(HEAD)
    assert run(*call_words(folder, "001", tmp_path / "out", variants=path)) == 2
    assert "--variants needs --output-mutations" in error(capsys)


def other_bins(to):
    frame = plasma.bins().iloc[:-1]
    tables.write(to, schema.BINS, frame)
    return to


def with_meta(path, to, **changes):
    """A copy of a table with other preamble values."""
    name = path.name.removesuffix(".gz").removesuffix(".tsv")
    table = {"pon": schema.PON, "pon.dispersion": schema.DISPERSION,
             "pon.normals": schema.NORMALS, "pon.waves": schema.WAVES,
             "pon.genes": schema.PON_GENES}[name]  # fmt: skip
    stored = tables.read(path, table)
    meta = {k: v for k, v in stored.meta.items() if not k.startswith("ctcnv.")} | changes
    tables.write(to, table, stored.frame, meta=meta)
    return to


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("other sample", r"of sample 'later', expected '001'"),
        ("other bins", r"made on other bins \(\w+\) than"),
        ("panel of other bins", r"pon.tsv.gz: made on other bins \(beef\) than the sample"),
        ("panel of other filters", r"counted with min_mapq 20, the panel .* with 30; count both"),
        ("dispersion of other bins", r"d.tsv: made on other bins \(beef\) than the sample"),
        ("waves of other bins", r"w.tsv.gz: made on other bins \(beef\) than the sample"),
        (
            "waves of other windows",
            r"w.tsv.gz: .*not have the same windows for every wave, .* pon$",
        ),
        ("normals of other bins", r"n.tsv.gz: made on other bins \(beef\) than the sample"),
        (
            "normals of other windows",
            r"n.tsv.gz: .*not have the same windows for every normal, .* pon$",
        ),
        ("panel without dispersion", "--pon and --dispersion go together: give both or neither"),
        ("panel without normals", "--pon and --normals go together: give both or neither"),
        ("panel without genes", "--pon and --pon-genes go together: give both or neither"),
        ("genes of other bins", r"g.tsv: made on other bins \(beef\) than the sample"),
        ("normals alone", "--pon and --normals go together: give both or neither"),
        ("dispersion alone", "--pon and --dispersion go together: give both or neither"),
        ("waves as normals", r"pon.waves.tsv.gz: .*a 'pon_waves' table; expected 'pon_normals'"),
        ("panel without waves", "--pon and --waves go together: give both or neither"),
        ("waves alone", "--pon and --waves go together: give both or neither"),
        ("damaged counts", r"c.tsv.gz: damaged"),
        ("swapped tables", r"a 'pon_dispersion' table; expected 'pon'"),
        ("swapped panel and waves", r"pon.waves.tsv.gz: .*a 'pon_waves' table; expected 'pon'"),
        ("normals as waves", r"pon.normals.tsv.gz: .*a 'pon_normals' table; expected 'pon_waves'"),
        ("no settings", "no settings for 'normalize'|no settings for"),
        ("missing file", "none.tsv: No such file or directory"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    folder, tmp_path, capsys, case, message
):
    given, out = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    pon, dispersion = folder / "pon.tsv.gz", folder / "pon.dispersion.tsv"
    waves, normals = folder / "pon.waves.tsv.gz", folder / "pon.normals.tsv.gz"
    changes = {}
    if case == "other sample":
        changes = {"counts": folder / "later.counts.tsv.gz"}
    elif case == "other bins":
        changes = {"bins": other_bins(given / "b.tsv.gz")}
    elif case == "panel of other bins":
        changes = {"pon": with_meta(pon, given / "pon.tsv.gz", bins="beef")}
    elif case == "panel of other filters":
        other = json.dumps(FILTERS | {"min_mapq": 30})
        changes = {"pon": with_meta(pon, given / "p.tsv.gz", **{"settings.count": other})}
    elif case == "dispersion of other bins":
        changes = {"dispersion": with_meta(dispersion, given / "d.tsv", bins="beef")}
    elif case == "waves of other bins":
        changes = {"waves": with_meta(waves, given / "w.tsv.gz", bins="beef")}
    elif case == "waves of other windows":
        stored = tables.read(waves, schema.WAVES)
        short = stored.frame.drop(index=7)
        tables.write(given / "w.tsv.gz", schema.WAVES, short, meta={"bins": stored.meta["bins"]})
        changes = {"waves": given / "w.tsv.gz"}
    elif case == "panel without dispersion":
        changes = {"dispersion": None}
    elif case == "panel without waves":
        changes = {"waves": None}
    elif case == "normals of other bins":
        changes = {"normals": with_meta(normals, given / "n.tsv.gz", bins="beef")}
    elif case == "normals of other windows":
        stored = tables.read(normals, schema.NORMALS)
        short = stored.frame.drop(index=7)
        tables.write(given / "n.tsv.gz", schema.NORMALS, short, meta={"bins": stored.meta["bins"]})
        changes = {"normals": given / "n.tsv.gz"}
    elif case == "panel without normals":
        changes = {"normals": None}
    elif case == "panel without genes":
        changes = {"pon-genes": None}
    elif case == "genes of other bins":
        other = with_meta(folder / "pon.genes.tsv", given / "g.tsv", bins="beef")
        changes = {"pon-genes": other}
    elif case == "waves as normals":
        changes = {"normals": waves}
    elif case.endswith(" alone"):
        only = case.removesuffix(" alone")
        four = ("pon", "dispersion", "waves", "normals", "pon-genes")
        changes = {name: None for name in four if name != only}
    elif case == "swapped panel and waves":
        changes = {"pon": waves, "waves": pon}
    elif case == "normals as waves":
        changes = {"waves": folder / "pon.normals.tsv.gz"}
    elif case == "damaged counts":
        data = (folder / "001.counts.tsv.gz").read_bytes()
        (given / "c.tsv.gz").write_bytes(data[: len(data) // 2])
        changes = {"counts": given / "c.tsv.gz"}
    elif case == "swapped tables":
        changes = {"pon": dispersion, "dispersion": pon}
    elif case == "no settings":
        changes = {"config": None}
    else:
        changes = {"genes": given / "none.tsv"}
    assert run(*call_words(folder, "001", out, **changes)) == 2
    said = error(capsys)
    assert said.startswith("ctcnv call: error: ")
    assert re.search(message, said), said
    assert not out.exists() or list(out.iterdir()) == []


# --- pon ---


def normals(folder, n=6):
    return [folder / f"N{i + 1:02d}.counts.tsv.gz" for i in range(n)]


def test_the_panel_is_that_of_the_step(folder):
    stored = tables.read(folder / "pon.tsv.gz", schema.PON)
    wanted = plasma.build_panel(plasma.normals(6))
    np.testing.assert_allclose(stored.frame["factor"], wanted.pon["factor"], rtol=1e-6)
    assert stored.require("n_normals") == "6"
    assert json.loads(stored.require("settings.count")) == FILTERS
    assert all(f"input.counts.N{i:02d}" in stored.meta for i in range(1, 7))
    for _, (file, table) in PANEL.items():
        assert tables.read(folder / file, table).require("bins") == stored.require("bins")


def test_a_panel_of_one_normal_is_built(folder, tmp_path):
    assert run(*pon_words(folder, normals(folder, 1), tmp_path)) == 0
    assert tables.read(tmp_path / "pon.tsv.gz", schema.PON).require("n_normals") == "1"


def renamed(folder, tmp_path):
    """Bins and normals named 1, 2, ... X, Y; the gene table keeps its names."""

    def bare(frame):
        return frame.assign(chrom=frame["chrom"].map(chrom_key))

    tables.write(tmp_path / "bins.tsv.gz", schema.BINS, bare(plasma.bins()))
    identity = tables.bins_id(bare(plasma.bins()))
    counts = [
        write_counts(tmp_path / f"{name}.tsv.gz", bare(frame), sample=name, bins=identity)
        for name, frame in plasma.normals(1).items()
    ]
    return counts, tmp_path / "bins.tsv.gz"


def test_bins_and_genes_may_name_chromosomes_in_either_way(folder, tmp_path):
    counts, bins = renamed(folder, tmp_path)
    assert run(*pon_words(folder, counts, tmp_path, bins=bins)) == 0


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("twice", "normal 'N01' is given twice; names must be unique"),
        ("other filters", "counted with min_mapq 30, normal N01 with 20"),
        ("other bins", r"made on other bins \(beef\) than the reference"),
        ("too few fragments", "no normal can be used for the panel: thin: too few fragments"),
        ("no ERBB2 in the table", "the gene table has no ERBB2"),
        ("no atom at ERBB2", r"leaves no usable atom at ERBB2 \(masked\)"),
    ],
)
def test_a_panel_that_cannot_be_is_refused_in_one_line(folder, tmp_path, capsys, case, message):
    given, out = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    counts, changes = normals(folder, 2), {}
    frame = plasma.normals(1)["N01"]
    if case == "twice":
        counts = [counts[0], shutil.copy(counts[0], given / "copy.tsv.gz")]
    elif case == "other filters":
        other = FILTERS | {"min_mapq": 30}
        counts[1] = write_counts(given / "o.tsv.gz", frame, sample="o", filters=other)
    elif case == "other bins":
        counts[1] = write_counts(given / "o.tsv.gz", frame, sample="o", bins="beef")
    elif case == "too few fragments":
        counts = [folder / "thin.counts.tsv.gz"]
    elif case == "no ERBB2 in the table":
        table = plasma.gene_table()
        tables.write(given / "g.tsv", schema.GENE_TABLE, table[table["gene"] != "ERBB2"])
        changes = {"genes": given / "g.tsv"}
    else:
        bins = plasma.bins().copy()
        at = (bins["chrom"] == "chr17") & (bins["start"] == 39_000_000)
        bins.loc[at, ["usable", "reason"]] = [False, "masked"]
        tables.write(given / "b.tsv.gz", schema.BINS, bins)
        counts, changes = counts[:1], {"bins": given / "b.tsv.gz"}
    assert run(*pon_words(folder, counts, out, **changes)) == 2
    said = error(capsys)
    assert re.search(message, said), said
    assert not out.exists() or list(out.iterdir()) == []


# --- track ---


def track_words(folder, of, to, **changes):
    lists = {"samples": of, "days": [0, 21, 42][: len(of)]}
    lists |= {part: [folder / sample / OUTPUTS[part][0] for sample in of] for part in PARTS}
    named = [word for name, values in (lists | changes).items() for word in (f"--{name}", *values)]
    return ["track", "--patient", "P", *named, "--dispersion", folder / "pon.dispersion.tsv",
            "--config", folder / "config.yaml", "--output", to]  # fmt: skip


def test_a_patient_is_followed_over_files(folder, tmp_path):
    path = tmp_path / "track.tsv"
    assert run(*track_words(folder, ["001", "later", "thin"], path)) == 0
    stored = tables.read(path, schema.TRACK)
    table = stored.frame
    assert table["sample"].tolist() == ["001", "later", "thin"]
    assert table["change"].tolist() == ["baseline", "decrease", "not_evaluable"]
    assert table["erbb2_call"].tolist() == ["amplified", "amplified", "failed"]
    assert table["ratio"][1] == pytest.approx(1 / 3, rel=0.1)
    assert stored.require("patient") == "P"
    assert "input.genes.001" in stored.meta


def test_the_normals_of_the_panel_reach_the_track(folder, tmp_path):
    path, normals = tmp_path / "track.tsv", folder / "pon.normals.tsv.gz"
    words = track_words(folder, ["001", "later"], path)
    assert run(*words, "--normals", normals) == 0
    stored = tables.read(path, schema.TRACK)
    assert stored.require("input.normals").endswith(tables.sha256_file(normals))
    other = with_meta(normals, tmp_path / "other.tsv.gz", bins="beef")
    assert run(*words, "--normals", other) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"days": [0]}, "--days has 1 values for 2 samples"),
        ({"samples": ["later", "001"]}, "of sample '001', expected 'later'"),
        ({"days": [0, 0], "samples": ["001", "001"]}, "of sample 'later', expected '001'"),
    ],
)
def test_a_patient_whose_files_do_not_fit_is_refused(folder, tmp_path, capsys, changes, message):
    path = tmp_path / "track.tsv"
    assert run(*track_words(folder, ["001", "later"], path, **changes)) == 2
    assert message in error(capsys)
    assert not path.exists()


def test_a_gene_table_without_erbb2_cannot_be_followed(folder, tmp_path, capsys):
    stored = read(folder, "001", "genes")
    table = stored.frame[stored.frame["gene"] != "ERBB2"]
    meta = {"sample": "001", "bins": stored.require("bins")}
    tables.write(tmp_path / "g.tsv", schema.GENES, table, meta=meta)
    words = track_words(folder, ["001"], tmp_path / "t.tsv", genes=[tmp_path / "g.tsv"])
    assert run(*words) == 2
    assert "g.tsv: 0 rows of ERBB2; the gene table must hold it once" in error(capsys)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("fraction", lambda frame: frame.iloc[:0], r"x.tsv: 0 rows; expected one, make the file"),
        ("fraction", lambda frame: frame.iloc[[0, 0]], r"x.tsv: 2 rows; expected one"),
        ("fraction", lambda frame: frame.assign(low=-0.5), r"x.tsv row 1: low is -0.5; expected 0"),
        ("grid", lambda frame: frame.iloc[:0], "nothing in it, but the tumor fraction of 001 is"),
        ("genes", lambda frame: frame.assign(end=frame["start"]), r"x.tsv row 1: the region is"),
        ("genes", lambda frame: frame.iloc[[0, 0]], r"x.tsv: 2 rows of ERBB2"),
    ],
)
def test_a_table_that_somebody_changed_is_refused(
    folder, tmp_path, capsys, part, change, message
):  # fmt: skip
    # an empty table of the fraction once ended in a traceback, a share of 1.4 in a track
    stored = read(folder, "001", part)
    path, to = tmp_path / "x.tsv", tmp_path / "track.tsv"
    meta = {"sample": "001", "bins": stored.require("bins")}
    tables.write(path, OUTPUTS[part][1], change(stored.frame).reset_index(drop=True), meta=meta)
    assert run(*track_words(folder, ["001"], to, **{part: [path]})) == 2
    assert re.search(message, error(capsys))
    assert not to.exists()


# --- track with mutations ---

#: The first three of READS at a fraction of 0.1: V = T*m / (T*C + 2*(1-T)).
LATER = (
    "chr3\t50000001\tA\tC\t1000\t50\tPIK3CA\t\n"
    "chr8\t100000001\tG\tT\t1000\t136\t\t\n"
    "chr17\t7500001\tC\tT\t1000\t53\tTP53\tsomatic\n"
)


@pytest.fixture(scope="module")
def with_reads(folder, tmp_path_factory) -> Path:
    """The three samples called with mutations; one of "later" was not looked for in "thin"."""
    to = tmp_path_factory.mktemp("reads")
    shutil.copytree(folder, to, dirs_exist_ok=True)
    for sample, text in (("001", READS), ("later", LATER), ("thin", LATER.splitlines()[0] + "\n")):
        assert with_variants(folder, sample, to / sample, HEAD + text) == 0
    return to


def mutation_words(folder, of, to, *, files=None):
    given = files or [folder / sample / "mutations.tsv" for sample in of]
    return [*track_words(folder, of, to), "--normals", folder / "pon.normals.tsv.gz",
            "--mutations", *given]  # fmt: skip


def test_mutations_are_followed_over_files(with_reads, tmp_path):
    path, of = tmp_path / "track.tsv", ["001", "later", "thin"]
    assert run(*mutation_words(with_reads, of, path)) == 0
    stored = tables.read(path, schema.TRACK)
    table = stored.frame.set_index("sample")
    for sample in of:
        digest = tables.sha256_file(with_reads / sample / "mutations.tsv")
        assert stored.require(f"input.mutations.{sample}") == f"sha256:{digest}"
    assert "molecules" in stored.require("settings.mutations")
    # the fraction by mutations alone, of the sample's own call
    for sample, true in (("001", 0.3), ("later", 0.1)):
        row, own = table.loc[sample], tables.read(with_reads / sample / "fraction.tsv",
                                                  schema.FRACTION).frame.iloc[0]  # fmt: skip
        for name in ("mutation_fraction", "mutation_low", "mutation_high"):
            assert row[name] == own[name]
        assert row["mutation_low"] <= true <= row["mutation_high"]
    # mean of three, without the gene of blood cells and X
    assert table["vaf"].tolist()[:2] == pytest.approx([(150 + 346 + 176) / 3e3, 239 / 3e3])
    assert table["vaf_n"].tolist()[:2] == [3, 3]
    later = table.loc["later"]
    assert later["vaf_ratio"] == pytest.approx(239 / 672)
    assert later["vaf_ratio_low"] < 239 / 672 < later["vaf_ratio_high"]
    assert "; mean VAF: 0.36 of baseline (95 % interval 0." in later["reason"]
    assert "mutations: 3 mutations have a part in the change" in later["reason"]
    # and they sharpen the change
    alone = tmp_path / "alone.tsv"
    assert run(*mutation_words(with_reads, of, alone)[:-4]) == 0
    before = tables.read(alone, schema.TRACK).frame.set_index("sample").loc["later"]
    assert np.isnan(before["vaf"])
    assert later["ratio_high"] - later["ratio_low"] < before["ratio_high"] - before["ratio_low"]
    # what was not looked for is not zero
    thin = table.loc["thin"]
    assert np.isnan(thin["vaf_ratio"])
    assert "mean VAF: not evaluable, chr8:100000001 and 1 more of the baseline not listed here" in (
        thin["reason"])  # fmt: skip


def test_a_pattern_stands_for_the_mutations_of_every_sample(with_reads, tmp_path):
    of, path, named = ["001", "later"], tmp_path / "a.tsv", tmp_path / "b.tsv"
    assert run(*mutation_words(with_reads, of, path)) == 0
    pattern = [with_reads / "{sample}" / "mutations.tsv"]
    assert run(*mutation_words(with_reads, of, named, files=pattern)) == 0
    assert path.read_bytes() == named.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[[0, 1, 0]], r"x.tsv row 3: chr3:50000001 is there twice; make"),
        (lambda frame: frame.assign(alt_reads=2000), r"x.tsv row 1: chr3:50000001 has more reads"),
    ],
)
def test_a_table_of_mutations_that_somebody_changed_is_refused(
    with_reads, tmp_path, capsys, change, message
):
    stored = tables.read(with_reads / "later" / "mutations.tsv", schema.MUTATIONS)
    frame = change(stored.frame).reset_index(drop=True)
    meta = {"sample": "later", "bins": stored.require("bins")}
    tables.write(tmp_path / "x.tsv", schema.MUTATIONS, frame, meta=meta)
    given = [with_reads / "001" / "mutations.tsv", tmp_path / "x.tsv"]
    words = mutation_words(with_reads, ["001", "later"], tmp_path / "track.tsv", files=given)
    assert run(*words) == 2
    assert re.search(message, error(capsys))
    assert not (tmp_path / "track.tsv").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["001/mutations.tsv", "gone.tsv"], r"gone.tsv: No such file or directory$"),
        (["001/mutations.tsv"], r"--mutations has 1 values for 2 samples; give one for each"),
        (["001/mutations.tsv", "thin/mutations.tsv"],
         r"thin/mutations.tsv: of sample 'thin', expected 'later'$"),
        (["later/mutations.tsv", "001/mutations.tsv"], r"of sample 'later', expected '001'$"),
        (["001/mutations.tsv", "later/genes.tsv"], r"a 'genes' table; expected 'mutations'$"),
        (["001/mutations.tsv", "elsewhere.tsv"], r"elsewhere.tsv: made on other bins \(beef\)"),
    ],
)  # fmt: skip
def test_mutations_that_do_not_fit_are_refused_and_nothing_is_written(
    with_reads, tmp_path, capsys, files, message
):
    stored = tables.read(with_reads / "later" / "mutations.tsv", schema.MUTATIONS)
    tables.write(with_reads / "elsewhere.tsv", schema.MUTATIONS, stored.frame,
                 meta={"sample": "later", "bins": "beef"})  # fmt: skip
    given = [with_reads / name for name in files]
    words = mutation_words(with_reads, ["001", "later"], tmp_path / "track.tsv", files=given)
    assert run(*words) == 2
    assert re.search(message, error(capsys))
    assert list(tmp_path.iterdir()) == []


def write_sites(path, sample, alleles, *, listed="one"):
    """One read of the first or second allele at each of many common sites."""
    frame = pd.DataFrame({
        "chrom": "chr1", "start": np.arange(len(alleles)) * 50_000, "ref": "A", "alt": "G",
        "frequency": 0.5, "ref_reads": 1 - alleles, "alt_reads": alleles,
    })  # fmt: skip
    tables.write(path, schema.SITES, frame, meta={"sample": sample}, inputs={"sites": listed})
    return path


def test_the_reads_at_common_sites_reach_the_track(folder, tmp_path, capsys):
    rng = np.random.default_rng(1)
    genotype, other = rng.binomial(2, 0.5, (2, 4000))
    first, again, alien = (
        (rng.random(4000) < g / 2).astype(int) for g in (genotype, genotype, other)
    )
    base = write_sites(tmp_path / "a.tsv.gz", "001", first)
    path = tmp_path / "track.tsv"
    words = track_words(folder, ["001", "later"], path)
    for alleles, verdict in ((again, "same"), (alien, "different")):
        later = write_sites(tmp_path / "b.tsv.gz", "later", alleles)
        assert run(*words, "--sites", base, later) == 0
        stored = tables.read(path, schema.TRACK)
        assert stored.frame["identity"].tolist() == ["baseline", verdict]
        assert stored.require("input.sites.later").endswith(tables.sha256_file(later))
    assert "sites agree in" in stored.frame["reason"][1]
    write_sites(tmp_path / "b.tsv.gz", "later", again, listed="two")
    assert run(*words, "--sites", base, tmp_path / "b.tsv.gz") == 2
    assert "made with another list of sites" in error(capsys)

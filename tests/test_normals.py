"""Libraries on common windows: the grid, the sums, the panel's table."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from ctcnv import normals as step
from ctcnv.schema import NORMALS, is_autosome
from tests import plasma

NAN = float("nan")


def atoms_of(chroms, *, bp=10):
    """Atoms of ``chroms``: name and number of atoms of each chromosome."""
    return pd.DataFrame(
        [(name, i * bp, (i + 1) * bp) for name, n in chroms for i in range(n)],
        columns=["chrom", "start", "end"],
    )


def test_windows_are_runs_of_atoms_and_the_rest_joins_the_last(monkeypatch):
    monkeypatch.setattr(step, "N_WINDOWS", 4)
    # 10 autosomal atoms in 4 windows: 2 atoms each; X takes no part
    found = step.grid_of(atoms_of([("chr1", 7), ("chr2", 3), ("chrX", 5)]))
    assert list(zip(found.chrom, found.start, found.end, strict=True)) == [
        ("chr1", 0, 20), ("chr1", 20, 40), ("chr1", 40, 70), ("chr2", 0, 30),
    ]  # fmt: skip


def test_each_atom_knows_its_window_and_those_outside_know_none(monkeypatch):
    monkeypatch.setattr(step, "N_WINDOWS", 4)
    atoms = atoms_of([("chr1", 7), ("chr2", 3), ("chrX", 2)])
    grid = step.grid_of(atoms)
    assert step.window_of(atoms, grid).tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 3, 3, -1, -1]
    # a window that was left out leaves its atoms outside
    less = grid.subset(np.array([True, False, True, True]))
    assert step.window_of(atoms, less).tolist() == [0, 0, -1, -1, 1, 1, 1, 2, 2, 2, -1, -1]


def test_sums_skip_atoms_without_an_expectation():
    profile = atoms_of([("chr1", 4)]).assign(observed=[1, 2, 4, 8], expected=[2.0, NAN, 3.0, 5.0])
    found = step.sums(profile, np.array([0, 0, 1, 1]), 3)
    assert found.atoms.tolist() == [[1, 2, 0]]
    assert found.observed.tolist() == [[1, 12, 0]]
    assert found.expected.tolist() == [[2, 8, 0]]
    np.testing.assert_allclose(found.deviation, [[-0.5, 0.5, NAN]])
    narrow = step.sums(profile, np.array([0, 0, 1, -1]), 3)
    assert narrow.observed.tolist() == [[1, 4, 0]]


@functools.cache
def panel():
    return plasma.build_panel(plasma.normals(6))


def test_the_table_of_the_panel_fits_its_schema_and_can_be_read_back():
    table = NORMALS.check(panel().normals)
    names, grid, found = step.read(table)
    assert names == [f"N{i:02d}" for i in range(1, 7)]
    assert found.observed.shape == (6, len(grid))
    assert 2500 < len(grid) <= step.N_WINDOWS
    assert is_autosome(grid.chrom).all()
    # only atoms that the panel uses
    used = is_autosome(panel().pon["chrom"]) & panel().pon["factor"].notna()
    assert found.atoms.max(axis=0).sum() <= used.sum()
    assert found.atoms.sum() > 0.99 * 6 * used.sum()


def test_only_atoms_that_the_panel_uses_are_summed_and_windows_without_any_are_left_out(
    monkeypatch,
):
    monkeypatch.setattr(step, "N_WINDOWS", 3)
    atoms = atoms_of([("chr1", 4), ("chr2", 2)])
    pon = atoms.assign(factor=[1.0, NAN, NAN, NAN, 1.0, 1.0])
    left = {
        "A": atoms.assign(observed=[1, 2, 3, 4, 5, 6], expected=1.0),
        "B": atoms.assign(observed=[7, 8, 9, 10, 11, 12], expected=[NAN, 1, 1, 1, 2, 3]),
    }
    found = NORMALS.check(step.table(left, pon))
    assert found["sample"].tolist() == ["A", "A", "B", "B"]
    assert found["chrom"].tolist() == ["chr1", "chr2"] * 2
    assert found["atoms"].tolist() == [1, 2, 0, 2]
    assert found["observed"].tolist() == [1, 11, 0, 23]
    assert found["expected"].tolist() == [1, 2, 0, 5]


def test_normals_are_corrected_by_the_others_and_scatter_around_none():
    _, _, found = step.read(panel().normals)
    total = found.observed.sum(axis=1) / found.expected.sum(axis=1)
    np.testing.assert_allclose(total, 1, atol=0.002)
    # what all share is taken out: 3 % between atoms in this world, counting noise is 3 %
    counting = np.sqrt(np.median(1 / found.expected))
    assert np.std(found.deviation) < 1.3 * counting


def test_the_table_is_the_same_whatever_the_order_of_the_normals():
    names = list(plasma.normals(6))
    turned = plasma.build_panel({name: plasma.normals(6)[name] for name in reversed(names)}).normals
    one = panel().normals.sort_values(["sample"], kind="stable").reset_index(drop=True)
    two = turned.sort_values(["sample"], kind="stable").reset_index(drop=True)
    pd.testing.assert_frame_equal(one, two, rtol=1e-9)


def test_the_window_of_an_atom_is_that_of_its_chromosome_in_which_it_begins():
    atoms = atoms_of([("chr2", 3), ("chr1", 3), ("chrX", 1)])
    first = int(atoms["end"][0])
    grid = step.Grid(  # in another order than the atoms, with a gap, and one chromosome unknown
        np.array(["chr1", "chr3", "chr2", "chr2"], dtype=object),
        np.array([0, 0, 0, 2 * first]), np.array([2 * first, first, first, 3 * first]),
    )  # fmt: skip
    assert step.window_of(atoms, grid).tolist() == [2, -1, 3, 0, 0, -1, -1]
    assert step.window_of(atoms, grid.subset(np.zeros(4, dtype=bool))).tolist() == [-1] * 7


def test_a_panel_that_left_none_out_has_no_rows():
    assert step.table({}, panel().pon).empty
    names, grid, found = step.read(NORMALS.empty())
    assert names == []
    assert len(grid) == 0
    assert len(found.observed) == 0


@pytest.mark.parametrize("wrong", ["row missing", "other window", "mixed order"])
def test_normals_on_different_windows_are_refused(wrong):
    table = panel().normals
    if wrong == "row missing":
        table = table.drop(index=5)
    elif wrong == "other window":
        table = table.assign(start=table["start"].where(table.index != len(table) - 1, 7))
    else:
        table = table.sort_values(["chrom", "start", "sample"])
    with pytest.raises(ValueError, match="does not have the same windows for every normal"):
        step.read(table.reset_index(drop=True))

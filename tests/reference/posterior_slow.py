"""The posterior on a fixed grid so fine that nothing is missed, and steepest ascent by walking."""

from __future__ import annotations

import numpy as np

from ctcnv import fraction as step


def dense(seen, fractions, ploidies, settings):
    """Centres of all cells and their posterior mass, every cell of the same size."""
    t, p = (side.ravel() for side in np.meshgrid(fractions, ploidies, indexing="ij"))
    states = step.copy_states(
        n_windows=len(seen.ratio), max_copies=settings.max_copies,
        breakpoints=settings.breakpoints, subclonal=True,
    )  # fmt: skip
    decays = [factor * settings.step_decay for factor in step.DECAY_FACTORS]
    logs = step.log_likelihoods(seen, t, p, states=states, decays=decays, settings=settings)
    logs = logs + step.log_prior(t, p, settings=settings)
    mass = np.exp(logs - logs.max())
    return t, p, mass / mass.sum()


def climb(density, neighbours, start):
    """Walk from a cell to its highest neighbour until none is higher; neighbours : list of lists,
    each with the cell itself."""
    here = start
    while True:
        best = here
        for other in neighbours[here]:
            if density[other] > density[best]:
                best = other
        if best == here:
            return here
        here = best

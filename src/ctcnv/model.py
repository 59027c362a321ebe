"""The settings of each step as frozen dataclasses: the sections of ``config.yaml``, checked once.

A field's name is the key in ``config/config.yaml``, where its value, unit and reason stand; there
are no defaults here, so that a number of science exists in one place only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all sections: built from a mapping, refuses unknown, missing and ill-typed keys."""

    section: ClassVar[str]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, source: str) -> Self:
        """The section from a mapping; ValueError names source, section, key, value and remedy."""
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise ValueError(
                    f"{source}: {cls.section}.{key} is unknown; {cls.section} has {names}"
                )
        hints = get_type_hints(cls)
        checked = {}
        for name in names:
            if name not in values:
                raise ValueError(
                    f"{source}: {cls.section}.{name} is missing; copy it from config/config.yaml"
                )
            checked[name] = _typed(values[name], hints[name], f"{source}: {cls.section}.{name}")
        return cls(**checked)

    def as_dict(self) -> dict[str, Any]:
        """The section as a plain mapping, for a table's preamble."""
        return dataclasses.asdict(self)


def _typed(value: Any, kind: type, where: str) -> Any:
    """The value as the wanted kind; a number may come as text from a command line."""
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            pass
        else:
            # A limit that is not a number would let everything through.
            if math.isfinite(number):
                return number
    elif kind is int and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    elif kind is str and isinstance(value, bool):
        return str(value).lower()
    elif kind is str and isinstance(value, str):
        return value
    raise ValueError(f"{where} is {value!r}; expected {kind.__name__}")


@dataclass(frozen=True, kw_only=True)
class BinsSettings(Settings):
    """How a reference is cut into atoms."""

    section: ClassVar[str] = "bins"
    size_bp: int
    min_callable: float
    min_mappability: float


@dataclass(frozen=True, kw_only=True)
class CountSettings(Settings):
    """Which reads count as fragments."""

    section: ClassVar[str] = "count"
    min_mapq: int
    min_length: int
    max_length: int
    short_min: int
    short_max: int
    single_end: str


@dataclass(frozen=True, kw_only=True)
class NormalizeSettings(Settings):
    """How expected fragments are computed for one library."""

    section: ClassVar[str] = "normalize"
    min_stratum: int
    curvature: float
    gc_passes: int
    regional_noise: float
    max_residual: float
    min_fragments: int
    male_min_y_to_x: float
    female_max_y_to_x: float


@dataclass(frozen=True, kw_only=True)
class PonSettings(Settings):
    """How the panel of normals is built and which normals and atoms it leaves out."""

    section: ClassVar[str] = "pon"
    max_residual: float
    min_factor: float
    max_factor: float
    max_spread: float
    max_relative_spread: float
    outlier_noise: float
    outlier_p: float
    waves: int


@dataclass(frozen=True, kw_only=True)
class SegmentSettings(Settings):
    """Windows and error rate of the segmentation."""

    section: ClassVar[str] = "segment"
    window_fragments: int
    min_window_bp: int
    max_window_bp: int
    error_rate: float
    min_windows: int


@dataclass(frozen=True, kw_only=True)
class FractionSettings(Settings):
    """Grid, priors and null of the tumor fraction."""

    section: ClassVar[str] = "fraction"
    max_windows: int
    window_fragments: int
    max_fraction: float
    min_ploidy: float
    max_ploidy: float
    ploidy_step: float
    max_copies: int
    breakpoints: float
    centromere_change: float
    step_decay: float
    ploidy_sd: float
    haploid_share: float
    doubled_share: float
    doubled_ploidy: float
    doubled_sd: float
    subclonal_share: float
    no_copy_weight: float
    tail_df: int
    misfit: float
    bag_draws: int
    prior_tumor: float
    false_positive: float
    null_draws: int
    lod_altered: float
    seed: int

    def __post_init__(self) -> None:
        """The power of the t density must be a whole number."""
        if self.tail_df < 1 or self.tail_df % 2 == 0:
            raise ValueError(f"fraction.tail_df is {self.tail_df}; expected an odd number, as 5")


@dataclass(frozen=True, kw_only=True)
class MutationsSettings(Settings):
    """Which mutations are used, and the priors of their allele state and origin."""

    section: ClassVar[str] = "mutations"
    min_depth: int
    germline_margin: float
    homozygous: float
    max_population: float
    blood_genes: str
    local_bp: int
    molecules: float
    error_rate: float
    sites: int
    single_copy: float
    clonal: float
    background: float
    quiet: float
    disagreement: float


@dataclass(frozen=True, kw_only=True)
class GenesSettings(Settings):
    """Test, thresholds and widths of the gene calls."""

    section: ClassVar[str] = "genes"
    false_positive: float
    false_discovery: float
    max_extent_bp: int
    flank_bp: int
    amplified_copies: float
    amplified_ratio: float
    target_copies: float
    false_neutral: float
    amplicon_bp: int
    germline: float


@dataclass(frozen=True, kw_only=True)
class TrackSettings(Settings):
    """What counts as a change from baseline."""

    section: ClassVar[str] = "track"
    no_change: float
    false_positive: float
    changed_p: float
    target_day: int
    window_days: int


@dataclass(frozen=True, kw_only=True)
class IdentitySettings(Settings):
    """Whether the samples of a patient come from one person."""

    section: ClassVar[str] = "identity"
    min_log10_lr: float
    sex_error: float
    germline_variants: float
    read_error: float
    min_mapq: int
    min_quality: int
    min_frequency: float
    min_distance_bp: int


@dataclass(frozen=True, kw_only=True)
class CriteriaSettings(Settings):
    """How published criteria and concurrent alterations are judged."""

    section: ClassVar[str] = "criteria"
    certainty: float
    min_fraction: float
    clonal_ccf: float
    absence_fraction: float
    assayed_genes: str


@dataclass(frozen=True, kw_only=True)
class ExportSettings(Settings):
    """How fine the tracks for other programs are."""

    section: ClassVar[str] = "export"
    window_fragments: int
    false_positive: float


@dataclass(frozen=True, kw_only=True)
class CohortSettings(Settings):
    """Groups and cautions of the cohort's statistics."""

    section: ClassVar[str] = "cohort"
    thresholds: str
    events_per_term: float
    proportional_p: float
    resamples: int
    seed: int

    @property
    def copies(self) -> tuple[float, ...]:
        """The thresholds as numbers; ValueError names the one that is none."""
        found = []
        for word in self.thresholds.split(","):
            try:
                found.append(float(word))
            except ValueError:
                raise ValueError(
                    f"cohort.thresholds is {self.thresholds!r}; expected numbers such as 6,20"
                ) from None
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class QcSettings(Settings):
    """Limits beyond which a sample is flagged."""

    section: ClassVar[str] = "qc"
    min_fragments_per_mb: float
    max_duplicates: float
    max_median_length: float
    max_noise: float
    max_panel_noise: float


SECTIONS: dict[str, type[Settings]] = {
    kind.section: kind
    for kind in (
        BinsSettings,
        CountSettings,
        NormalizeSettings,
        PonSettings,
        SegmentSettings,
        FractionSettings,
        MutationsSettings,
        GenesSettings,
        TrackSettings,
        IdentitySettings,
        CriteriaSettings,
        ExportSettings,
        CohortSettings,
        QcSettings,
    )
}

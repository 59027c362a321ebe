"""The settings of each step as frozen dataclasses: the sections of ``config.yaml``, checked once.

A field's name is the key in ``config/config.yaml``, where its value, unit and reason stand; there
are no defaults here, so that a number of science exists in one place only.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, get_type_hints


@dataclass(frozen=True)
class Range:
    """Numbers that a key may have: ``least`` and ``most`` are among them, ``above`` and ``below``
    are not."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def wanted(self, value: float) -> str | None:
        """What is expected instead of a value that is not allowed."""
        for fits, words in (
            (value >= self.least, f"at least {self.least}"),
            (value <= self.most, f"at most {self.most}"),
            (value > self.above, f"more than {self.above}"),
            (value < self.below, f"less than {self.below}"),
        ):
            if not fits:
                return words
        return None


@dataclass(frozen=True)
class Form:
    """Texts that a key may have, and how to say so."""

    pattern: str
    words: str

    def wanted(self, value: str) -> str | None:
        """What is expected instead of a value that is not allowed."""
        return None if re.fullmatch(self.pattern, value) else self.words


Share = Annotated[float, Range(least=0, most=1)]
Rate = Annotated[float, Range(above=0, below=1)]
Positive = Annotated[float, Range(above=0)]
Whole = Annotated[int, Range(least=0, most=1_000_000_000)]
Natural = Annotated[int, Range(least=1, most=1_000_000_000)]
Names = Annotated[
    str, Form(r"[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*", "names with commas between, as TP53,KRAS")
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all sections: built from a mapping, refuses unknown, missing, ill-typed and
    impossible values.

    rising : pairs of keys of which the second is not below the first.
    """

    section: ClassVar[str]
    rising: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def from_mapping(
        cls, values: Mapping[str, Any], *, source: str, flags: Mapping[str, str] | None = None,
        together: bool = True,
    ) -> Self:  # fmt: skip
        """The section from a mapping; ValueError names source, section, key, value and remedy.

        flags : of the keys that are from the command line and not from the source, the flag;
        together : whether what keys say together is looked at, too.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise ValueError(
                    f"{source}: {cls.section}.{key} is unknown; {cls.section} has {names}"
                )
        hints = get_type_hints(cls, include_extras=True)
        checked = {}
        where = {name: f"{source}: {cls.section}.{name}" for name in names} | dict(flags or {})
        for name in names:
            if name not in values:
                raise ValueError(
                    f"{source}: {cls.section}.{name} is missing; copy it from config/config.yaml"
                )
            checked[name] = _checked(values[name], hints[name], where[name])
        made = cls(**checked)
        if together:
            for problem in made.problems().values():
                raise ValueError(f"{source}: {problem}")
        return made

    def problems(self) -> dict[str, str]:
        """What keys say together that cannot be, a line for the key that is to be changed."""
        return {
            high: f"{self.section}.{high} is {getattr(self, high)}; expected at least "
            f"{self.section}.{low}, {getattr(self, low)}"
            for low, high in self.rising
            if getattr(self, high) < getattr(self, low)
        }

    def as_dict(self) -> dict[str, Any]:
        """The section as a plain mapping, for a table's preamble."""
        return dataclasses.asdict(self)


def _checked(value: Any, hint: Any, where: str) -> Any:
    """The value as the wanted kind, within its bounds."""
    bounds = getattr(hint, "__metadata__", ())
    made = _typed(value, hint.__origin__ if bounds else hint, where)
    for one in bounds:
        wanted = one.wanted(made)
        if wanted is not None:
            raise ValueError(f"{where} is {value!r}; expected {wanted}")
    return made


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
    size_bp: Natural
    min_callable: Share
    min_mappability: Share


@dataclass(frozen=True, kw_only=True)
class CountSettings(Settings):
    """Which reads count as fragments."""

    section: ClassVar[str] = "count"
    rising = (("min_length", "max_length"), ("short_min", "short_max"))
    min_mapq: Whole
    min_length: Whole
    max_length: Natural
    short_min: Whole
    short_max: Natural
    single_end: Annotated[str, Form("auto|true|false", "auto, true or false")]


@dataclass(frozen=True, kw_only=True)
class NormalizeSettings(Settings):
    """How expected fragments are computed for one library."""

    section: ClassVar[str] = "normalize"
    rising = (("female_max_y_to_x", "male_min_y_to_x"),)
    min_stratum: Natural
    curvature: Positive
    gc_passes: Natural
    regional_noise: Share
    max_residual: Positive
    min_fragments: Whole
    male_min_y_to_x: Share
    female_max_y_to_x: Share


@dataclass(frozen=True, kw_only=True)
class PonSettings(Settings):
    """How the panel of normals is built and which normals and atoms it leaves out."""

    section: ClassVar[str] = "pon"
    rising = (("min_factor", "max_factor"),)
    max_residual: Positive
    min_factor: Positive
    max_factor: Positive
    max_spread: Positive
    max_relative_spread: Positive
    outlier_noise: Positive
    outlier_p: Rate
    waves: Annotated[int, Range(least=0)]


@dataclass(frozen=True, kw_only=True)
class SegmentSettings(Settings):
    """Windows and error rate of the segmentation."""

    section: ClassVar[str] = "segment"
    rising = (("min_window_bp", "max_window_bp"),)
    window_fragments: Natural
    min_window_bp: Natural
    max_window_bp: Natural
    error_rate: Rate
    min_windows: Natural


@dataclass(frozen=True, kw_only=True)
class FractionSettings(Settings):
    """Grid, priors and null of the tumor fraction."""

    section: ClassVar[str] = "fraction"
    rising = (("min_ploidy", "max_ploidy"),)
    max_windows: Natural
    window_fragments: Natural
    max_fraction: Rate
    min_ploidy: Positive
    max_ploidy: Positive
    ploidy_step: Positive
    max_copies: Natural
    breakpoints: Positive
    centromere_change: Rate
    step_decay: Positive
    ploidy_sd: Positive
    haploid_share: Share
    doubled_share: Rate
    doubled_ploidy: Positive
    doubled_sd: Positive
    subclonal_share: Share
    no_copy_weight: Rate
    tail_df: Natural
    misfit: Positive
    bag_draws: Annotated[int, Range(least=20, most=1000)]
    prior_tumor: Rate
    false_positive: Rate
    null_draws: Natural
    lod_altered: Rate
    seed: Whole

    def problems(self) -> dict[str, str]:
        """Beside keys that rise: the power of the t density must be a whole number, and the kinds
        of genomes cannot be more than all."""
        found = super().problems()
        if self.tail_df % 2 == 0:
            found["tail_df"] = f"fraction.tail_df is {self.tail_df}; expected an odd number, as 5"
        if self.haploid_share + self.doubled_share >= 1:
            found["doubled_share"] = (
                f"fraction.doubled_share is {self.doubled_share}; expected less than 1 together "
                f"with fraction.haploid_share, {self.haploid_share}"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class MutationsSettings(Settings):
    """Which mutations are used, and the priors of their allele state and origin."""

    section: ClassVar[str] = "mutations"
    min_depth: Natural
    germline_margin: Share
    homozygous: Share
    max_population: Share
    blood_genes: Names
    local_bp: Whole
    molecules: Positive
    error_rate: Rate
    sites: Natural
    single_copy: Rate
    clonal: Rate
    background: Rate
    quiet: Rate
    disagreement: Rate


@dataclass(frozen=True, kw_only=True)
class GenesSettings(Settings):
    """Test, thresholds and widths of the gene calls."""

    section: ClassVar[str] = "genes"
    rising = (("amplicon_bp", "max_extent_bp"),)
    false_positive: Rate
    false_discovery: Rate
    max_extent_bp: Natural
    flank_bp: Natural
    amplified_copies: Positive
    amplified_ratio: Positive
    target_copies: Positive
    false_neutral: Rate
    amplicon_bp: Natural
    germline: Rate
    centromere_bp: Natural


@dataclass(frozen=True, kw_only=True)
class TrackSettings(Settings):
    """What counts as a change from baseline."""

    section: ClassVar[str] = "track"
    no_change: Rate
    false_positive: Rate
    changed_p: Rate
    target_day: Whole
    window_days: Whole
    min_vaf: Rate


@dataclass(frozen=True, kw_only=True)
class IdentitySettings(Settings):
    """Whether the samples of a patient come from one person."""

    section: ClassVar[str] = "identity"
    min_log10_lr: Positive
    sex_error: Rate
    germline_variants: Positive
    read_error: Rate
    min_mapq: Whole
    min_quality: Whole
    min_frequency: Rate
    min_distance_bp: Whole


@dataclass(frozen=True, kw_only=True)
class CriteriaSettings(Settings):
    """How published criteria and concurrent alterations are judged."""

    section: ClassVar[str] = "criteria"
    certainty: Annotated[float, Range(least=0.5, below=1)]
    min_fraction: Share
    clonal_ccf: Share
    absence_fraction: Share
    assayed_genes: Names


@dataclass(frozen=True, kw_only=True)
class ExportSettings(Settings):
    """How fine the tracks for other programs are."""

    section: ClassVar[str] = "export"
    window_fragments: Natural
    false_positive: Rate


@dataclass(frozen=True, kw_only=True)
class CohortSettings(Settings):
    """Groups and cautions of the cohort's statistics."""

    section: ClassVar[str] = "cohort"
    thresholds: Annotated[
        str, Form(r"[0-9]+([.][0-9]+)?(,[0-9]+([.][0-9]+)?)*", "numbers such as 6,20")
    ]
    events_per_term: Positive
    proportional_p: Rate
    resamples: Natural
    seed: Whole

    @property
    def copies(self) -> tuple[float, ...]:
        """The thresholds as numbers."""
        return tuple(float(word) for word in self.thresholds.split(","))


@dataclass(frozen=True, kw_only=True)
class QcSettings(Settings):
    """Limits beyond which a sample is flagged."""

    section: ClassVar[str] = "qc"
    min_fragments_per_mb: Positive
    max_duplicates: Share
    max_median_length: Positive
    max_noise: Positive
    max_panel_noise: Positive


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

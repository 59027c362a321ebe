"""Settings: what a section accepts and how it refuses."""

from __future__ import annotations

import argparse
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcnv.cli.settings import add_settings, flag, settings
from ctcnv.model import (
    SECTIONS,
    CountSettings,
    FractionSettings,
    QcSettings,
    Settings,
    TrackSettings,
)
from tests import plasma

TRACK = {"no_change": 0.3, "false_positive": 0.01, "changed_p": 0.01, "target_day": 21,
         "window_days": 7, "min_vaf": 0.003}  # fmt: skip


def made(**changes):
    return TrackSettings.from_mapping(TRACK | changes, source="here")


@pytest.mark.parametrize("text", ["0.25", "2.5e-1", " .25"])
def test_numbers_may_come_as_text(text):
    assert made(no_change=text).no_change == 0.25
    assert made(target_day="28").target_day == 28


def test_a_whole_number_does_for_a_decimal_one():
    values = plasma.SETTINGS["qc"].as_dict() | {"max_noise": 3}
    found = QcSettings.from_mapping(values, source="here").max_noise
    assert found == 3
    assert isinstance(found, float)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("no_change", "much", "float"),
        ("no_change", None, "float"),
        ("no_change", True, "float"),
        ("no_change", [0.3], "float"),
        ("target_day", 21.0, "int"),
        ("target_day", "21.5", "int"),
        ("target_day", True, "int"),
        ("target_day", "", "int"),
    ],
)
def test_a_value_of_another_kind_is_named(key, value, kind):
    with pytest.raises(ValueError, match=rf"^here: track.{key} is .*; expected {kind}$"):
        made(**{key: value})


def test_a_switch_of_yaml_is_the_word_for_it():
    count = plasma.SETTINGS["count"].as_dict()
    for value, word in ((True, "true"), (False, "false"), ("auto", "auto")):
        found = CountSettings.from_mapping(count | {"single_end": value}, source="here")
        assert found.single_end == word


def test_an_unknown_key_names_those_there_are():
    with pytest.raises(ValueError, match=r"track.targetday is unknown; track has \['no_change'"):
        made(targetday=3)


@pytest.mark.parametrize("key", TRACK)
def test_there_are_no_defaults_in_the_code(key):
    less = {k: v for k, v in TRACK.items() if k != key}
    with pytest.raises(ValueError, match=rf"track.{key} is missing; copy it from config"):
        TrackSettings.from_mapping(less, source="here")


@pytest.mark.parametrize("kind", SECTIONS.values(), ids=SECTIONS)
def test_sections_are_frozen_and_have_no_defaults(kind):
    assert issubclass(kind, Settings)
    for field in dataclasses.fields(kind):
        assert field.default is dataclasses.MISSING
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(plasma.SETTINGS[kind.section], dataclasses.fields(kind)[0].name, 1)


@pytest.mark.parametrize(
    ("section", "key", "value", "wanted"),
    [
        ("track", "no_change", "0", "more than 0"),
        ("track", "no_change", 1, "less than 1"),
        ("track", "window_days", -1, "at least 0"),
        ("track", "window_days", 10**10, "at most 1000000000"),
        ("criteria", "certainty", 2, "less than 1"),
        ("criteria", "certainty", "0.4", "at least 0.5"),
        ("criteria", "assayed_genes", "KRAS; rm", "names with commas between, as TP53,KRAS"),
        ("cohort", "thresholds", "6,x", "numbers such as 6,20"),
        ("count", "single_end", "maybe", "auto, true or false"),
        ("export", "window_fragments", 0, "at least 1"),
        ("count", "max_length", 49, "at least count.min_length, 50"),
        ("count", "short_max", "89", "at least count.short_min, 90"),
        ("normalize", "male_min_y_to_x", 0.04, "at least normalize.female_max_y_to_x, 0.05"),
        ("pon", "max_factor", 0.2, "at least pon.min_factor, 0.3"),
        ("segment", "max_window_bp", 1, "at least segment.min_window_bp, 50000"),
        ("fraction", "max_ploidy", 1, "at least fraction.min_ploidy, 1.1"),
        ("fraction", "doubled_share", 0.98, "less than 1 together with fraction.haploid_share"),
        ("genes", "max_extent_bp", 1, "at least genes.amplicon_bp, 500000"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_expected(section, key, value, wanted):
    """Once a step run by hand took what only the workflow refused."""
    values = plasma.SETTINGS[section].as_dict() | {key: value}
    with pytest.raises(ValueError, match=rf"^here: {section}\.{key} is .*; expected {wanted}"):
        SECTIONS[section].from_mapping(values, source="here")


@pytest.mark.parametrize("df", [2, 4])
def test_the_degrees_of_freedom_are_odd(df):
    values = plasma.SETTINGS["fraction"].as_dict() | {"tail_df": df}
    with pytest.raises(ValueError, match=rf"fraction.tail_df is {df}; expected an odd number"):
        FractionSettings.from_mapping(values, source="here")


@given(st.sampled_from(sorted(SECTIONS)))
def test_a_section_round_trips_through_the_preamble_of_a_table(section):
    kind, here = SECTIONS[section], plasma.SETTINGS[section]
    text = json.dumps(here.as_dict(), sort_keys=True)
    assert kind.from_mapping(json.loads(text), source="preamble") == here


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_settings(parser, TrackSettings)
    return settings(parser.parse_args(words), TrackSettings)


def test_flags_alone_are_enough():
    words = [word for key, value in TRACK.items() for word in (flag("track", key), str(value))]
    assert parsed(*words) == made()


def test_a_flag_alone_misses_the_others():
    with pytest.raises(ValueError, match=r"command line: track.false_positive is missing"):
        parsed("--track-no-change", "0.2")


@pytest.mark.parametrize("text", ["track: 3", "track: [1, 2]", "track: yes"])
def test_a_section_that_holds_no_keys_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config.yaml: track is .*; expected its keys"):
        parsed("--config", str(path))


def test_a_wrong_flag_is_named_and_not_the_config_that_it_overrules(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"track": TRACK}))
    with pytest.raises(ValueError, match=r"^--track-window-days is 'x'; expected int"):
        parsed("--config", str(path), "--track-window-days", "x")
    with pytest.raises(ValueError, match=r"^--track-no-change is '0'; expected more than 0$"):
        parsed("--config", str(path), "--track-no-change", "0")

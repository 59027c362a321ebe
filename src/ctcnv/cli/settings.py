"""Settings on the command line: ``--config FILE`` and a flag for every key.

The flag of ``fraction.max_ploidy`` is ``--fraction-max-ploidy``. The workflow passes every flag,
so that the first line of a log is the whole reproduction; by hand, ``--config`` is shorter.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ctcnv.model import Settings

S = TypeVar("S", bound=Settings)


def add_settings(parser: argparse.ArgumentParser, *kinds: type[Settings]) -> None:
    """Add ``--config`` and the flags of the sections."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="config.yaml to take the settings from"
    )
    for kind in kinds:
        group = parser.add_argument_group(f"settings of {kind.section} (see config/config.yaml)")
        for field in dataclasses.fields(kind):
            group.add_argument(flag(kind.section, field.name), metavar="VALUE")


def flag(section: str, key: str) -> str:
    """The flag of one key."""
    return f"--{section}-{key.replace('_', '-')}"


def settings(args: argparse.Namespace, kind: type[S]) -> S:
    """The section from ``--config`` and its flags; a flag wins."""
    values: dict[str, Any] = {}
    flags: dict[str, str] = {}
    source = "command line"
    if args.config is not None:
        if not hasattr(args, "config_read"):  # once for all sections
            args.config_read = read_config(args.config)
        section = args.config_read.get(kind.section) or {}
        if not isinstance(section, Mapping):
            raise ValueError(f"{args.config}: {kind.section} is {section!r}; expected its keys")
        values.update(section)
        source = str(args.config)
    for field in dataclasses.fields(kind):
        given = getattr(args, f"{kind.section}_{field.name}")
        if given is not None:
            values[field.name] = given
            flags[field.name] = flag(kind.section, field.name)
    if not values:
        raise ValueError(
            f"no settings for {kind.section!r}: pass --config config/config.yaml or its flags"
        )
    return kind.from_mapping(values, source=source, flags=flags)


def read_config(path: Path) -> Mapping[str, Any]:
    """A config file as a mapping; ValueError when it is not YAML or not a mapping."""
    from ctcnv.io import yamls

    loaded = yamls.read(path)
    if not isinstance(loaded, dict):
        raise ValueError(f"{path}: expected sections such as 'count:', found {type(loaded)}")
    return loaded

"""Check the config and the rows of the sample sheet against a JSON schema (draft 2020-12)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ctcnv.io import yamls
from ctcnv.model import SECTIONS

#: Where a value lies: section, key and so on.
Keys = tuple[str, ...]

#: Letters of a wrong value that a message shows.
LONGEST = 120
#: What to do about a key that a config lacks: most are given in parts.
COMPLETE = "; ctcnv's own config/config.yaml has it: name that file before yours"
#: What a config holds at a key that it does not have.
ABSENT = object()


@functools.cache
def load(path: Path) -> jsonschema.Draft202012Validator:
    """The validator of a schema file in YAML."""
    schema = yaml.safe_load(path.read_text())
    _Validator.check_schema(schema)
    made: jsonschema.Draft202012Validator = _Validator(schema)
    return made


def _whole(_: object, value: object) -> bool:
    """Whether a value is a whole number as the steps read it: 20, not 20.0."""
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(_: object, value: object) -> bool:
    """Whether a value is a number that can be compared: a limit of nan lets everything through."""
    return _whole(_, value) or (isinstance(value, float) and math.isfinite(value))


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _whole, "number": _finite}
    ),
)


def problems(
    validator: jsonschema.Draft202012Validator, instance: Mapping[str, Any]
) -> Iterator[str]:
    """What does not fit, each in one line with key, value and remedy.

    A subschema's ``errorMessage`` is the remedy; without one the line says what the schema wants.
    """
    for _, problem in _problems(validator, instance):
        yield problem


def _problems(
    validator: jsonschema.Draft202012Validator, instance: Mapping[str, Any], *, advice: str = ""
) -> Iterator[tuple[Keys, str]]:
    """Where a value does not fit, and the line that says so; ``advice`` is for a missing one."""
    errors = validator.iter_errors(instance)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        keys = tuple(str(part) for part in error.absolute_path)
        key = ".".join(keys)
        remedy = error.schema.get("errorMessage") if isinstance(error.schema, dict) else None
        if error.validator == "additionalProperties":
            known = sorted(error.schema["properties"])
            unknown = next(str(name) for name in error.instance if name not in known)
            where = f"{key}.{unknown}" if key else unknown
            yield (*keys, unknown), f"{where} is unknown; known are {', '.join(known)}"
        elif error.validator == "required" and remedy is None:
            missing = next(name for name in error.validator_value if name not in error.instance)
            yield (*keys, missing), f"{f'{key}.' if key else ''}{missing} is missing{advice}"
        elif remedy is None:
            yield keys, f"{key} is {shown(error.instance)}; {_wanted(error)}"
        elif key:
            yield keys, f"{key} is {shown(error.instance)}; {remedy}"
        else:
            yield keys, remedy


def shown(value: object) -> str:
    """A wrong value for a message: as it is, or its beginning."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def exists(path: str) -> bool:
    """Whether a path that a user wrote is a file; one that no system could have is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _wanted(error: jsonschema.ValidationError) -> str:
    """What the schema wants of a value, in words."""
    wanted = {
        "type": "expected {}",
        "enum": "expected one of {}",
        "minimum": "expected at least {}",
        "maximum": "expected at most {}",
        "exclusiveMinimum": "expected more than {}",
        "exclusiveMaximum": "expected less than {}",
    }
    value = error.validator_value
    listed = (
        " or ".join(map(str, value))
        if error.validator == "type" and isinstance(value, list)
        else value
    )
    return wanted.get(str(error.validator), error.message).format(listed)


def check_config(config: Mapping[str, Any], schema: Path, *, files: Sequence[Path] = ()) -> None:
    """Refuse a config that the schema does not allow or that contradicts itself.

    files : that the config was read from, each laid over the ones before; a message begins with the
    one that sets the value. Raises ValueError with the first problem in one line.
    Files are looked for as written, that is, relative to the working directory.
    """
    for keys, problem in _config_problems(config, load(schema)):
        raise ValueError(f"{_source(keys, config, files)}: {problem}")


def _config_problems(
    config: Mapping[str, Any], validator: jsonschema.Draft202012Validator
) -> Iterator[tuple[Keys, str]]:
    yield from _problems(validator, config, advice=COMPLETE)
    for section, kind in SECTIONS.items():
        made = kind.from_mapping(config[section], source="config", together=False)
        for key, problem in made.problems().items():
            yield (section, key), problem
    reference = config["reference"]
    if bool(reference["fasta"]) == bool(reference["gc_wig"]):
        found = "both are" if reference["fasta"] else "neither is"
        yield (
            ("reference", "fasta"),
            f"reference.fasta or reference.gc_wig must be set, one of the two, and {found}; "
            "with BAMs give the FASTA they were aligned to",
        )
    for key, needed in (("mappability", "fasta"), ("exclude", "fasta"), ("map_wig", "gc_wig")):
        if reference[key] and not reference[needed]:
            yield (
                ("reference", key),
                f"reference.{key} goes with reference.{needed}, which is not set",
            )
    for key, value in reference.items():
        if value and not (key == "genes" and value == "auto") and not exists(value):
            yield (
                ("reference", key),
                f"reference.{key} is {shown(value)}, which is not there; give a path "
                "that exists, absolute or relative to the working directory",
            )


def _source(keys: Keys, config: Mapping[str, Any], files: Sequence[Path]) -> str:
    """The last file that holds the key or, when none does, its section; a value that is not that of
    the file was given on the command line."""
    each = [(_near(path), yamls.read(path)) for path in reversed(files)]
    for depth in range(len(keys), 0, -1):
        wanted = _value(config, keys[:depth])
        for name, held in each:
            found = _value(held, keys[:depth])
            if found is not ABSENT:
                return name if depth < len(keys) or found == wanted else "--config"
    if each and _value(config, keys) is not ABSENT:
        return "--config"
    return each[0][0] if each else "config"


def _near(path: Path) -> str:
    """A path as the user would write it: relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _value(config: object, keys: Keys) -> object:
    """What a config holds at these keys, or ``ABSENT``."""
    for key in keys:
        if not isinstance(config, Mapping) or key not in config:
            return ABSENT
        config = config[key]
    return config

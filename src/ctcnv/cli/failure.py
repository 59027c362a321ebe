"""A sample that cannot be analysed: its tables say so and why, and the other samples go on.

By hand a step ends with exit code 2 and writes nothing. The workflow passes ``--record-failure``:
a file of one sample that is damaged, of another genome or not to be read then gives tables without
a value and with the reason, which reach ``qc.tsv``, the patient's report and the cohort's page.
What may be gone at the next try (memory, a node, the file system) fails the job as ever.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

#: The preamble key that holds the reason.
FAILED = "failed"
#: What is wrong with a file and will be at the next try; other OSErrors may pass.
OF_THE_FILE = (ValueError, FileNotFoundError, PermissionError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two flags that the workflow gives to the steps of a sample."""
    parser.add_argument(
        "--record-failure", action="store_true",
        help="when the sample's file cannot be used write tables that say why, and exit with 0",
    )  # fmt: skip
    parser.add_argument(
        "--given-up", metavar="REASON", help="look at no file of the sample; write such tables"
    )


def reason(error: Exception, *, files: Iterable[Path | None]) -> str:
    """The message of an error in one line, with the files by their names: tables hold no paths."""
    from ctcnv.cli import one_line

    text = one_line(error)
    for path in files:
        if path is not None:
            text = text.replace(str(path), path.name)
    return text


def recorded(
    args: argparse.Namespace, error: Exception, *, files: Iterable[Path | None] = ()
) -> str:
    """The reason to record; the error itself is raised again where it is not to be recorded."""
    if not args.record_failure:
        raise error
    why = reason(error, files=files)
    log.error("%s; recorded as failed", why)
    return why

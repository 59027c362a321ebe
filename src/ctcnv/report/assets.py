"""The files that every page carries, and the policy under which a browser obeys them alone."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def read(name: str) -> str:
    """The text of a file beside this module."""
    return resources.files("ctcnv.report").joinpath(name).read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """A policy under which nothing is loaded, and only our own style and script are obeyed."""
    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def digest(content: str) -> str:
    """The hash of an inline style or script as a policy names it."""
    found = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"

"""``python -m tests.knocks [SECTION ...]`` runs the knocks and writes docs/reliability.md."""

from __future__ import annotations

import sys

from tests.knocks import page

if __name__ == "__main__":
    page.write(sys.argv[1:])

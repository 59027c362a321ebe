"""Truth against result: run by hand with ``make validate``; the tables go to docs/validation.md."""

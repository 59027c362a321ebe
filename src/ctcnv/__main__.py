"""Run the command line with ``python -m ctcnv``."""

from ctcnv.cli import main

if __name__ == "__main__":
    main()

"""Entry point of `python -m proscribe.controller.cli`, which the launcher starts. See command_line.py."""

from __future__ import annotations

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m proscribe.controller.cli`, as the launcher starts it; see command_line.py."""

from __future__ import annotations

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

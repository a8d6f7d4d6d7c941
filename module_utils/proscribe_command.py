"""The entry point of commands that need no playbook, for a collection, which has no launcher.

Example: python3 .../plugins/module_utils/proscribe_command.py explain whatsapp -i inventory
"""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True  # only its installer writes into a collection, so Python writes no bytecode
    runpy.run_module("proscribe.controller.cli.command_line", run_name="__main__")

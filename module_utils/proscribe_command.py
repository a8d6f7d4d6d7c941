"""Start of a command that needs no playbook, where there is no launcher, as in a collection.

python3 .../plugins/module_utils/proscribe_command.py explain whatsapp -i inventory
"""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True  # a collection is written by its installer alone
    runpy.run_module("proscribe.controller.cli.command_line", run_name="__main__")

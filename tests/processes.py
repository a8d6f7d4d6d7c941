"""Programs that tests start."""

import subprocess
from typing import Any

# A program without input, whose output and errors are one text.
MERGED: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
MERGED["text"] = True

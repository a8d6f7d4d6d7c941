"""Programs that tests start."""

import subprocess

# A program without input, whose output and errors are one text.
MERGED = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
MERGED["text"] = True

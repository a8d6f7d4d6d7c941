"""A host over a test directory with some files and tools."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from proscribe.host.system import Host, run_tool


def make_host(root: Path, files: Mapping[str, str] = {}, tools: str = "", run: Callable[..., Any] = run_tool) -> Host:
    """Write files by their path from the root, and put empty tools into /usr/bin."""
    for path, text in {**files, **{f"usr/bin/{tool}": "" for tool in tools.split()}}.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if path.startswith("usr/bin/") else 0o644)
    return Host(str(root), run)

"""A host over a test directory with some files and tools."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from proscribe.host.system import Host, run_tool


def make_directories(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)


def write_files(root: Path, files: Mapping[str, str | bytes], programs: Iterable[str] = ()) -> None:
    """Write files by their path from the root, with the directories above them, and empty programs."""
    programs = set(programs)
    for path, content in {**files, **dict.fromkeys(programs, "")}.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(0o755 if path in programs else 0o644)


def make_host(
    root: Path, files: Mapping[str, str | bytes] = {}, tools: str = "", run: Callable[..., Any] = run_tool
) -> Host:
    """Make a host with files by their path from the root, and empty tools in /usr/bin."""
    write_files(root, files, [f"usr/bin/{tool}" for tool in tools.split()])
    return Host(str(root), run)


def apply(changes: Any) -> list[str]:
    """Apply each action of a control. Return the actions."""
    for action in changes.actions:
        action.apply()
    return [str(action) for action in changes.actions]

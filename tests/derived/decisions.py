"""The list of decisions in docs/decisions: their titles, in their order."""

from pathlib import Path

from .part import Part

FOLDER = Path(__file__).resolve().parents[2] / "docs/decisions"


def decisions():
    """A line for each. The first line of a file is `# <number>. <title>`."""
    paths = sorted(FOLDER.glob("0*.md"))
    titles = [path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for path in paths]
    lines = (f"- [{title}]({path.name})\n" for title, path in zip(titles, paths, strict=True))
    return "".join(lines)


DERIVED = (Part("docs/decisions/README.md", decisions, "decisions"),)

"""The pictures docs/pictures/*.svg, drawn from the *.dot beside them with Graphviz: `python tests/diagrams.py`.

Each names the SHA-256 of its source, which a unit test compares, since each Graphviz draws a little differently.
"""

import hashlib
import html
import re
import subprocess
import sys
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[1] / "docs/pictures"
# By class of a node or cluster in a .dot file: fill and border in light mode, then in dark mode.
COLOURS = {
    "controller": ("#ddf4ff", "#0969da", "#0c2d6b", "#58a6ff"),
    "wire": ("#fff8c5", "#9a6700", "#4b2900", "#d29922"),
    "host": ("#dafbe1", "#1a7f37", "#033a16", "#3fb950"),
    "good": ("#aceebb", "#1a7f37", "#04531b", "#3fb950"),
    "bad": ("#ffebe9", "#cf222e", "#5d0f12", "#f85149"),
    "shared": ("#f6f8fa", "#6e7781", "#21262d", "#8b949e"),
}
TEXT, LINE = ("#1f2328", "#e6edf3"), ("#57606a", "#9198a1")  # light, dark


def make_stylesheet():
    """Return the colours of both modes, which override the attributes that Graphviz writes."""

    def make_rules(dark):
        lines = [f"text{{fill:{TEXT[dark]}}}", f".edge path{{stroke:{LINE[dark]}}}"]
        lines.append(f".edge polygon{{stroke:{LINE[dark]};fill:{LINE[dark]}}}")
        for name, colours in COLOURS.items():
            fill, border = colours[2 * dark : 2 * dark + 2]
            lines.append(f".node.{name} path,.node.{name} polygon{{fill:{fill};stroke:{border}}}")
            lines.append(f".cluster.{name} polygon{{fill:none;stroke:{border};stroke-dasharray:4 3}}")
        return "\n".join(lines)

    return f"{make_rules(0)}\n@media (prefers-color-scheme:dark){{\n{make_rules(1)}\n}}"


def find_line(source, key):
    """Return the text of the line `// title: ...` or `// desc: ...` of a .dot file."""
    line = re.search(rf"^// {key}: (.+)$", source, re.MULTILINE)
    if not line:
        raise ValueError(f"a .dot file needs a line `// {key}: ...`")
    return line[1]


def describe_origin(source):
    """Return the comment that names the source of a picture and its colours."""
    return f"<!-- drawn from sha256:{hashlib.sha256((source + make_stylesheet()).encode()).hexdigest()} -->"


def draw(source):
    """Return the SVG of a .dot file's text. Raise CalledProcessError for a mistake in it."""
    graph = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
    graph = graph[graph.index("<svg") :]
    graph = re.sub(r"<title>.*?</title>\n|<!--.*?-->\n", "", graph, flags=re.DOTALL)  # names of nodes
    graph = re.sub(r'<polygon fill="white" stroke="transparent"[^>]*/>\n', "", graph, count=1)  # the background
    graph = re.sub(r'(<svg )width="\d+pt" height="\d+pt"', r'\1role="img" aria-labelledby="title desc"', graph)
    head = (
        f'<title id="title">{html.escape(find_line(source, "title"))}</title>\n'
        f'<desc id="desc">{html.escape(find_line(source, "desc"))}</desc>\n<style>\n{make_stylesheet()}\n</style>\n'
    )
    start = graph.index(">", graph.index("<svg")) + 1
    return f"{describe_origin(source)}\n{graph[:start]}\n{head}{graph[start:].lstrip()}"


def main():
    for path in sorted(PICTURES.glob("*.dot")):
        path.with_suffix(".svg").write_text(draw(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

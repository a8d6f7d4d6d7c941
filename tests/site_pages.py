"""What the site of the documents adds to mkdocs (mkdocs.yml names this file as its hook).

docs/index.md is the one list of all pages: its headings and links are the navigation. Links from docs/ to the rest of
the checkout work on a git host; a site has no such pages, so there the text stays and shows the path. A warning fails
the strict build.
"""

import logging
import posixpath
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
log = logging.getLogger("mkdocs.hooks.site_pages")  # below mkdocs' own, whose warnings --strict counts

HEADING = re.compile(r"## (?P<kind>.+)")
ENTRY = re.compile(r"- \[(?P<title>[^]]+)\]\((?P<page>[^)]+\.md)\)")
LINK = re.compile(r"(?<!!)\[(?P<text>[^]]*)\]\((?P<target>[^)\s#]+)(?:#[^)\s]*)?\)")


def on_config(config):
    config["nav"] = navigation((Path(config["docs_dir"]) / "index.md").read_text(encoding="utf-8"))
    return config


def on_page_markdown(markdown, *, page, **_):
    """Replace the links of one page that lead out of docs/."""

    def replaced(link):
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), link["target"]))
        if ":" in link["target"] or path.startswith("docs/"):
            return link[0]
        if not (PROJECT / path).exists():
            log.warning("%s: the link leads to %s, which is not there", page.file.src_uri, path)
        return f'<span title="{path}">{link["text"]}</span>'

    return LINK.sub(replaced, markdown)


def navigation(index):
    """The navigation as mkdocs wants it: the index itself, then {heading: [{title: page}, ...]} for each heading."""
    kinds = {}
    for kind, title, page in _entries(index):
        kinds.setdefault(kind, []).append({title: page})
    return [{"Start": "index.md"}, *({kind: pages} for kind, pages in kinds.items())]


def _entries(index):
    kind = ""
    for line in index.splitlines():
        if heading := HEADING.fullmatch(line):
            kind = heading["kind"]
        elif entry := ENTRY.match(line):
            yield kind, entry["title"], entry["page"]

"""Conversion of Markdown files for a collection: examples with full names, and links that lead to existing files."""

from __future__ import annotations

import posixpath
import re

from .. import CommandError
from .full_names import CollectionNames, expand_examples
from .layout import SourceFiles, find_collection_path

FENCED_PATTERN = re.compile(r"^(?P<open>```ya?ml\n)(?P<inside>.*?)(?P<close>^```$)", re.MULTILINE | re.DOTALL)
# A paragraph in a role's README that applies only to a checkout, so it is removed.
CHECKOUT_PARAGRAPH_PATTERN = re.compile(r"^In a checkout, .*?\n\n", re.MULTILINE | re.DOTALL)
DOC_COMMAND_PATTERN = re.compile(r"(ansible-doc -t module )(\w+)")
LINK_PATTERN = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")


def convert_document(
    text: str, names: CollectionNames, checkout_path: str, collection_path: str, shipped_files: SourceFiles
) -> str:
    """Return the text of a Markdown file, converted for the collection.

    Examples get the full names of modules and roles, and links lead to the paths in the collection. `shipped_files` are
    the files of the checkout by path. A link to another file is replaced by its link text.
    """

    def move_link(link: re.Match[str]) -> str:
        """Return a link that leads to its target in the collection, or only the link text for an unshipped target."""
        target = link["target"]
        if not target or ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(checkout_path), target))
        new_path = find_collection_path(path) if path in shipped_files else _find_directory_place(path, shipped_files)
        if not new_path:
            return link["text"]
        relative = posixpath.relpath(new_path, posixpath.dirname(collection_path) or ".")
        return f"{link['image']}[{link['text']}]({relative}{link['anchor'] or ''})"

    def expand_block(block: re.Match[str]) -> str:
        """Return a fenced YAML example with full names."""
        try:  # an example may be a part of a file without tasks; it has no module names, so it stays unchanged
            content = expand_examples(block["inside"], names, checkout_path)
        except CommandError:
            content = block["inside"]
        return block["open"] + content + block["close"]

    def expand_command(command: re.Match[str]) -> str:
        return command[1] + (names.make_full_name(command[2]) if command[2] in names.modules else command[2])

    if checkout_path.startswith("roles/"):
        text = CHECKOUT_PARAGRAPH_PATTERN.sub("", text)
    return FENCED_PATTERN.sub(expand_block, DOC_COMMAND_PATTERN.sub(expand_command, LINK_PATTERN.sub(move_link, text)))


def _find_directory_place(path: str, shipped_files: SourceFiles) -> str:
    """Return the path that a directory of the checkout has in the collection; "" if no file of it is shipped."""
    is_shipped = any(shipped_path.startswith(f"{path}/") for shipped_path in shipped_files)
    return (
        posixpath.dirname(find_collection_path(f"{path}/x")) if is_shipped and find_collection_path(f"{path}/x") else ""
    )

"""Content of every file of the collection, made from the files of the checkout."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from ....wire import stream
from .. import CommandError
from . import full_names, metadata, python_source
from .full_names import CollectionNames, expand_examples
from .layout import SourceFiles, decode_text, find_collection_path

README_PATH = "docs/collection.md"
STREAM_DIRECTORY = "plugins/module_utils/proscribe/wire"
_FENCED_PATTERN = re.compile(r"^(?P<open>```ya?ml\n)(?P<inside>.*?)(?P<close>^```$)", re.MULTILINE | re.DOTALL)
# A paragraph in a role's README that applies only to a checkout, so it is removed.
_CHECKOUT_PARAGRAPH_PATTERN = re.compile(r"^In a checkout, .*?\n\n", re.MULTILINE | re.DOTALL)
_DOC_COMMAND_PATTERN = re.compile(r"(ansible-doc -t module )(\w+)")
_LINK_PATTERN = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")


def make_collection_files(
    source: SourceFiles, names: CollectionNames, release: metadata.ReleaseMetadata
) -> Mapping[str, bytes]:
    """Return the content of every file of the collection, by its path in the collection.

    `source` has the files of the checkout by their paths there. Raises CommandError if the checkout is incomplete, or
    if a file cannot be converted.
    """
    if README_PATH not in source or "CHANGELOG.md" not in source:
        raise CommandError(f"found no {README_PATH} or no CHANGELOG.md, expected a whole checkout")
    files = {
        find_collection_path(path): _convert_content(path, content, source, names) for path, content in source.items()
    }
    readme = convert_document(decode_text(README_PATH, source[README_PATH]), names, README_PATH, "README.md", source)
    generated_files = {
        "README.md": readme,
        "galaxy.yml": metadata.format_galaxy_file(release),
        "meta/runtime.yml": metadata.format_runtime_file(release, source),
        "changelogs/changelog.yaml": metadata.convert_changelog(
            decode_text("CHANGELOG.md", source["CHANGELOG.md"]), release
        ),
        "changelogs/config.yaml": metadata.format_changelog_settings(release),
    }
    # Nothing may be written into an installed collection. So the collection ships the packed code for hosts, which a
    # checkout creates at its first run.
    stream_files = {
        f"{STREAM_DIRECTORY}/stream.{suffix}": content for suffix, content in stream.prepare_variants().items()
    }
    return {**files, **{path: text.encode() for path, text in generated_files.items()}, **stream_files}


def _convert_content(path: str, content: bytes, source: SourceFiles, names: CollectionNames) -> bytes:
    """Return the content of a checkout's file, converted for the collection. Raises CommandError.

    `path` is the file's path in the checkout. In code, YAML and Markdown, short names become full names. Other files,
    the catalogue and the examples stay unchanged.
    """
    directory = path.partition("/")[0]
    if directory in ("catalog", "examples") or not path.endswith((".py", ".yml", ".md")):
        return content
    text = decode_text(path, content)
    if path.endswith(".md"):
        return convert_document(text, names, path, find_collection_path(path), source).encode()
    if path.endswith(".py"):
        return python_source.convert_plugin(text, names, path).encode()
    if path.startswith("playbooks/"):
        expand = full_names.expand_tasks if path.startswith("playbooks/tasks/") else full_names.expand_playbook
        return expand(text, names, path).encode()
    if directory == "roles" and path.split("/")[2] in ("tasks", "handlers"):
        return full_names.expand_tasks(text, names, path).encode()
    return python_source.expand_links(full_names.expand_data(text, names, path), names).encode()


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
        text = _CHECKOUT_PARAGRAPH_PATTERN.sub("", text)
    return _FENCED_PATTERN.sub(
        expand_block, _DOC_COMMAND_PATTERN.sub(expand_command, _LINK_PATTERN.sub(move_link, text))
    )


def _find_directory_place(path: str, shipped_files: SourceFiles) -> str:
    """Return the path that a directory of the checkout has in the collection; "" if no file of it is shipped."""
    is_shipped = any(shipped_path.startswith(f"{path}/") for shipped_path in shipped_files)
    return (
        posixpath.dirname(find_collection_path(f"{path}/x")) if is_shipped and find_collection_path(f"{path}/x") else ""
    )

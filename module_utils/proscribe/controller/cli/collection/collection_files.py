"""Content of every file of the collection, made from the files of the checkout."""

from __future__ import annotations

from collections.abc import Mapping

from ....wire import stream
from .. import CommandError
from . import full_names, markdown_links, metadata, python_source
from .full_names import CollectionNames
from .layout import SourceFiles, decode_text, find_collection_path

README_PATH = "docs/collection.md"
STREAM_DIRECTORY = "plugins/module_utils/proscribe/wire"


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
    readme = markdown_links.convert_document(
        decode_text(README_PATH, source[README_PATH]), names, README_PATH, "README.md", source
    )
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
        return markdown_links.convert_document(text, names, path, find_collection_path(path), source).encode()
    if path.endswith(".py"):
        return python_source.convert_plugin(text, names, path).encode()
    if path.startswith("playbooks/"):
        expand = full_names.expand_tasks if path.startswith("playbooks/tasks/") else full_names.expand_playbook
        return expand(text, names, path).encode()
    if directory == "roles" and path.split("/")[2] in ("tasks", "handlers"):
        return full_names.expand_tasks(text, names, path).encode()
    return python_source.expand_links(full_names.expand_data(text, names, path), names).encode()

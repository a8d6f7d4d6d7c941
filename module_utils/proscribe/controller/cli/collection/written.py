"""Every file of the collection, from the files of the checkout."""

from __future__ import annotations

from collections.abc import Mapping

from ....wire import stream
from .. import Refused
from . import documents, full_names, metadata, python_source
from .full_names import Names
from .layout import Source, place_of, text_of

README = "docs/collection.md"
PACKED = "plugins/module_utils/proscribe/wire"


def collection_files(source: Source, names: Names, release: metadata.Release) -> Mapping[str, bytes]:
    """The content of the files by their path in the collection. Raises Refused for what cannot be one."""
    if README not in source or "CHANGELOG.md" not in source:
        raise Refused(f"found no {README} or no CHANGELOG.md, expected a whole checkout")
    files = {place_of(path): _content(path, content, source, names) for path, content in source.items()}
    readme = documents.document(text_of(README, source[README]), names, README, "README.md", source)
    made = {
        "README.md": readme,
        "galaxy.yml": metadata.galaxy(release),
        "meta/runtime.yml": metadata.runtime(release, source),
        "changelogs/changelog.yaml": metadata.changelog(text_of("CHANGELOG.md", source["CHANGELOG.md"]), release),
        "changelogs/config.yaml": metadata.changelog_settings(release),
    }
    # Nothing is written into a collection, so it has what a checkout makes at its first run.
    packed = {f"{PACKED}/stream.{kind}": content for kind, content in stream.prepare_variants().items()}
    return {**files, **{path: text.encode() for path, text in made.items()}, **packed}


def _content(path: str, content: bytes, source: Source, names: Names) -> bytes:
    """A file of the checkout as the collection has it."""
    first = path.partition("/")[0]
    if first in ("catalog", "examples") or not path.endswith((".py", ".yml", ".md")):
        return content
    text = text_of(path, content)
    if path.endswith(".md"):
        return documents.document(text, names, path, place_of(path), source).encode()
    if path.endswith(".py"):
        return python_source.plugin(text, names, path).encode()
    if path.startswith("playbooks/"):
        reading = full_names.tasks if path.startswith("playbooks/tasks/") else full_names.playbook
        return reading(text, names, path).encode()
    if first == "roles" and path.split("/")[2] in ("tasks", "handlers"):
        return full_names.tasks(text, names, path).encode()
    return python_source.linked(full_names.data(text, names, path), names).encode()

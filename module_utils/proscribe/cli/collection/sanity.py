"""What `ansible-test sanity` finds and is meant so, each with its reason: tests/sanity/ignore-*.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .layout import Source, place_of, text_of

VERSIONS = ("2.19", "2.20", "2.21")
IGNORED = (
    ("library/compliance_state.py", "validate-modules:import-error", "it is a WANT_JSON module, without AnsibleModule"),
    ("library/compliance_state.py", "validate-modules:use-fail-json-not-sys-exit", "the same"),
    ("library/host_firewall.py", "validate-modules:doc-required-mismatch", "the action plugin leaves plan out"),
    ("module_utils/proscribe/cli/explain/answers/firewall.py", "no-assert", "for the type checker"),
    ("module_utils/proscribe/host/tools.py", "no-assert", "for the type checker"),
    ("module_utils/proscribe/programs/dpkg_block.sh", "shellcheck", "dpkg-query takes its format in single quotes"),
    ("module_utils/proscribe/schedule/commits.py", "pep8:E101", "a text that git reads"),
    ("module_utils/proscribe/schedule/commits.py", "pep8:W191", "a text that git reads"),
)
# A module whose work is all in its action plugin.
ACTION_ONLY = re.compile(r"needs its action plugin \(action_plugins/\); no host was touched")


def ignored(source: Source) -> dict[str, str]:
    """The files with what is ignored, by their path in the collection."""
    text = "".join(f"{place_of(path)} {test} # {why}\n" for path, test, why in sorted(_all(source)))
    return {f"tests/sanity/ignore-{version}.txt": text for version in VERSIONS}


def _all(source: Source) -> Iterator[tuple[str, str, str]]:
    yield from (one for one in IGNORED if one[0] in source)
    for path, content in source.items():
        if path.startswith("library/") and ACTION_ONLY.search(text_of(path, content)):
            yield path, "validate-modules:ansible-module-not-initialized", "all of it is in its action plugin"

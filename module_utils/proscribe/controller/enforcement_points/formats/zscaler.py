"""Format `zscaler`: two custom URL categories of Zscaler Internet Access, as request bodies for its API.

The endpoint is /urlCategories.

A leading period covers the name, and names up to five labels below it. A single invalid entry makes the service refuse
the whole request. So a name that its guidelines forbid is left out and reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ....model.types.plan import Plan
from ..allow_and_block_lists import find_blocking_name, make_two_lists
from ..file_header import encode_json, make_about_file
from ..format_declaration import (
    DeviceDocumentation,
    DeviceLimit,
    ExportDecision,
    ExportFormat,
    ExportOmission,
    RenderedExport,
)

MAX_LABEL_DEPTH = 5  # most labels that a leading period covers below a name
# No underscore in the last two labels, and no label that is only an underscore.
_NAME_PATTERN = re.compile(r"(?:(?!_\.)[a-z0-9_-]+\.)*[a-z0-9-]+\.[a-z0-9-]+", re.ASCII)
URL_LIMIT = DeviceLimit(25_000, "URLs of custom categories", "Zscaler's figure for its own list of blocked URLs")
DEPTH_OMISSION = ExportOmission(
    "",
    "names more than five labels below a listed one",
    "A leading period reaches five labels deep. They stay open.",
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the request bodies for the category of blocked names and the category of allowed names."""
    exported_names = make_two_lists(decision, _is_supported, "Zscaler does not take its form.")
    URL_LIMIT.check_count(len(exported_names.blocked_names) + len(exported_names.allowed_names))
    files = {
        "blocked.json": _render_category("Proscribe blocked", exported_names.blocked_names),
        "allowed.json": _render_category("Proscribe allowed", exported_names.allowed_names),
        **make_about_file(decision, "zscaler"),
    }
    return RenderedExport(files, exported_names.included_rules, [*exported_names.left_out, DEPTH_OMISSION])


def _render_category(name: str, names: Sequence[str]) -> bytes:
    document = {
        "configuredName": name,
        "superCategory": "USER_DEFINED",
        "type": "URL_CATEGORY",
        "customCategory": True,
        "urls": [f".{listed_name}" for listed_name in names],
    }
    return encode_json(document)


def _is_supported(name: str) -> bool:
    return bool(_NAME_PATTERN.fullmatch(name))


def is_name_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Return whether Zscaler blocks a host: at most MAX_LABEL_DEPTH labels below a listed name. `port` is not used."""
    name = find_blocking_name(plan, host, _is_supported)
    return bool(name) and host.count(".") - name.count(".") <= MAX_LABEL_DEPTH


FORMAT = ExportFormat(
    name="zscaler",
    purpose="Zscaler Internet Access: two custom URL categories, as requests to its API",
    controls=("dns",),
    render_export=render_export,
    main_files="blocked.json, allowed.json",
    is_blocked=is_name_blocked,
    device=DeviceDocumentation(
        wildcard_form="`.example.com`, which reaches five labels deep",
        exception_form="`allowed.json`: a URL filtering rule that allows, before the one that blocks",
        fetch_method="nothing is fetched: a client of the API sends the two requests",
        vendor_pages=(
            "https://help.zscaler.com/zia/url-format-guidelines",
            "https://help.zscaler.com/zia/configuring-custom-url-categories",
            "https://help.zscaler.com/zia/ranges-limitations",
            "https://community.zscaler.com/t/custom-url-categories/20829",
            "https://www.pulumi.com/registry/packages/zia/api-docs/urlcategory/",
        ),
        read_on="2026-11-30",
        limit=URL_LIMIT,
    ),
)

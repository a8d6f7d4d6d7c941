"""Two custom URL categories for Zscaler Internet Access, each the body of a request to its API (/urlCategories).

A leading period stands for the name and for what lies at most five labels below it. One entry that the service does not
take makes it refuse the whole request. So a name that its guidelines do not permit is left out, and said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ....model.types.plan import Plan
from ..declaration import Decision, Device, Format, LeftOut, Limit, Rendered
from ..header import about, json_file
from ..two_lists import covered, two_lists

DEEPEST = 5  # labels below a name
# No underscore in the last two labels, and none that is a label of its own.
_NAME = re.compile(r"(?:(?!_\.)[a-z0-9_-]+\.)*[a-z0-9-]+\.[a-z0-9-]+", re.ASCII)
LIMIT = Limit(25_000, "URLs of custom categories", "Zscaler's figure for its own list of blocked URLs")
DEEPER = LeftOut(
    "",
    "names more than five labels below a listed one",
    "A leading period reaches five labels deep. They stay open.",
)


def render(decision: Decision) -> Rendered:
    """The two requests."""
    names = two_lists(decision, _fits, "Zscaler does not take its form.")
    LIMIT.check(len(names.blocked) + len(names.allowed))
    files = {
        "blocked.json": _category("Proscribe blocked", names.blocked),
        "allowed.json": _category("Proscribe allowed", names.allowed),
        **about(decision, "zscaler"),
    }
    return Rendered(files, names.included, [*names.left_out, DEEPER])


def _category(name: str, names: Sequence[str]) -> bytes:
    document = {
        "configuredName": name,
        "superCategory": "USER_DEFINED",
        "type": "URL_CATEGORY",
        "customCategory": True,
        "urls": [f".{one}" for one in names],
    }
    return json_file(document)


def _fits(name: str) -> bool:
    return bool(_NAME.fullmatch(name))


def blocks(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a host is blocked in a section: as deep below a name as the service looks."""
    name = covered(plan, host, _fits)
    return bool(name) and host.count(".") - name.count(".") <= DEEPEST


FORMAT = Format(
    name="zscaler",
    meant_for="Zscaler Internet Access: two custom URL categories, as requests to its API",
    controls=("dns",),
    render=render,
    main="blocked.json, allowed.json",
    blocks=blocks,
    device=Device(
        below="`.example.com`, which reaches five labels deep",
        exceptions="`allowed.json`: a URL filtering rule that allows, before the one that blocks",
        fetched="nothing is fetched: a client of the API sends the two requests",
        pages=(
            "https://help.zscaler.com/zia/url-format-guidelines",
            "https://help.zscaler.com/zia/configuring-custom-url-categories",
            "https://help.zscaler.com/zia/ranges-limitations",
            "https://community.zscaler.com/t/custom-url-categories/20829",
            "https://www.pulumi.com/registry/packages/zia/api-docs/urlcategory/",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)

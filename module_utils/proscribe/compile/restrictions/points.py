"""What an organisation feeds with exports, beside the hosts that runs correct."""

from __future__ import annotations

from ...enforcement_points.names import names
from ..values import list_of_names
from .variable import part, variable


@part
class Points:
    """The enforcement points that get the same decision."""

    exports_fed: tuple[str, ...] = variable(
        [],
        list_of_names(names(), "formats of exports"),
        "The formats of exports that the organisation gives to name servers, proxies and so on: "
        "explain then also says what these do; docs/enforcement_points.md.",
    )

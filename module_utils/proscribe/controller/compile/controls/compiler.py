"""The compilation of a control's section of a plan: what each control has of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ....model.types.plan import ControlIdentifiers, ControlSettings
from ..catalogue.catalogue_loader import Service
from ..restrictions import Restrictions

Part = TypeVar("Part", bound=Mapping[str, object])


class ControlCompiler(NamedTuple):
    """The functions and types by which a control's section of a plan is compiled."""

    # Returns the identifiers that the control searches for or blocks; {} if the service has none of them.
    list_identifiers: Callable[[Service], ControlIdentifiers]
    # Returns the settings of the control. The second argument is True if the ban is not yet in force; then no setting
    # may block anything.
    make_settings: Callable[[Restrictions, bool], ControlSettings]
    # The typed dictionaries that have the keys of the identifiers. The JSON Schema of plans is made from them.
    identifier_types: tuple[type, ...]
    # The kind of feeds whose values the control uses (`domains`, `networks`), and the function that adds the values.
    feed_kind: str = ""
    add_feed_values: Callable[[Service, ControlIdentifiers, Sequence[str]], ControlIdentifiers] | None = None


def drop_empty_keys(part: Part, required_keys: Collection[str] = ()) -> Part:
    """Return a mapping of a plan without its empty keys, except `required_keys`."""
    filled_part: Any = {key: content for key, content in part.items() if content or key in required_keys}
    return filled_part  # type: ignore[no-any-return]


def convert_to_lists(tuples: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return a mapping whose tuples are lists, as plans have them."""
    return {key: list(names) for key, names in tuples.items()}


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Return True if a host name equals one of the domains, or is a subdomain of one."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)

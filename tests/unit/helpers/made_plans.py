"""Made plans and sections of controls. What a test does not name is empty, and every service is enforced."""

from collections.abc import Mapping
from typing import Any

from proscribe.model.plan import PLAN_SCHEMA, add_digest

EMPTY_ENTRIES: dict[str, dict[str, Any]] = {
    "apps": {"packages": {}, "processes": [], "paths": []},
    "browser": {"domains": [], "urls": [], "allow": []},
    "firewall": {"networks": [], "ports": []},
    "dns": {"domains": [], "allow": []},
}


def make_section(control: str, services: Mapping[str, Any] = {}, mode: str = "enforce", **settings: Any) -> Any:
    """Make a section of a plan. A service is a part of its entry, or the list of its domains or networks."""
    key = "networks" if control == "firewall" else "domains"
    parts = {id_: part if isinstance(part, Mapping) else {key: part} for id_, part in services.items()}
    entries = {id_: {"name": id_, "mode": mode, **EMPTY_ENTRIES[control], **part} for id_, part in parts.items()}
    return {"mode": mode, "services": entries, "settings": settings}


def make_plan(
    control: str = "",
    services: Mapping[str, Any] = {},
    mode: str = "enforce",
    /,
    settings: Mapping[str, Any] = {},
    **keys: Any,
) -> Any:
    """Make a plan with one control, or with those in `controls`. Other `keys` are the plan's own."""
    controls = {control: make_section(control, services, mode, **settings)} if control else {}
    return add_digest({"schema": PLAN_SCHEMA, "contact": "", "browsers": [], "controls": controls, **keys})

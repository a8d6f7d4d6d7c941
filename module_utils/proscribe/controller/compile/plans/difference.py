"""The differences between two plans, in the terms of the policy: services, identifiers, settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ....host.controls.browser.site_rules import MAX_LIST_ENTRIES, make_minimal_names
from ....model.finding import GROUP_POLICY
from ....model.plan import CONTROLS, compute_digest, format_canonical
from ....model.types.plan import PartialWaiver, Plan, PlanEntry, PlanSection
from ..waivers.hours import DAYS

OFF = "off"  # the mode of a control that is not in a plan

# Kinds of a PlanChange.
CONTROL, SERVICE, IDENTIFIER, SETTING, PLAN = "control", "service", "identifier", "setting", "plan"

# Keys of a service's entry that are its status, and no identifiers.
SERVICE_POLICY_KEYS = ("name", "mode", "waiver", "hours", "otherwise", "opens", "effective_from", "exceptions", "only")
# Keys about the lists of browsers, which hold a limited number of names. They follow from the names of all services, so
# a single change describes them (`_describe_list_length`). Some keys are only in plans of earlier versions.
LIST_KEYS = ("front_doors", "unlisted", "open")
NAME_LISTS_SUBJECT = "lists of browsers"


class PlanChange(NamedTuple):
    """A difference between two plans.

    `kind`      `control`     a control's mode: `before` and `after` are enforce, audit or off
                `service`     a service comes, goes, or changes: `before` and `after` are its status in words
                              (`enforce`, `waived (w1)`), "" if it is not in the plan
                `identifier`  of a service in both plans: `added` and `removed` of one kind (`domains`, `packages.apt`)
                `setting`     a setting of the control: `before` and `after` (JSON), or `added` and `removed`
                `plan`        outside of controls: `contact`, `request_url`, `watch`, `browsers`, `waivers` (with
                              their ends), `group_policy` (objects, each with a digest of its content), `later`
                              (the moment of the next change)
    `service`   its id, else ""
    `subject`   the kind of identifier, or the setting, else ""
    `counts`    with `service`: the number of identifiers of each kind that come or go with it
    """

    control: str
    kind: str
    service: str = ""
    subject: str = ""
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()

    def convert_to_dict(self) -> dict[str, object]:
        """Return the fields that are not empty, for machine-readable output."""
        fields = self._replace(counts=())._asdict()
        present = {
            key: list(content) if isinstance(content, tuple) else content for key, content in fields.items() if content
        }
        return present | ({"holds": dict(self.counts)} if self.counts else {})


def compare_plans(old: Plan, new: Plan) -> tuple[PlanChange, ...]:
    """Return the changes from plan `old` to plan `new`; empty if both require the same of a host."""
    changes: list[PlanChange] = []
    for control in CONTROLS:
        changes += _compare_controls(control, old["controls"].get(control), new["controls"].get(control))
    # Single values that belong to no control.
    for subject, before, after in (
        ("contact", old.get("contact"), new.get("contact")),
        ("request_url", old.get("request_url"), new.get("request_url")),
        ("watch", old.get("watch"), new.get("watch")),
    ):
        if before != after:
            changes.append(
                PlanChange(
                    "", PLAN, subject=subject, before=_format_content(before or ""), after=_format_content(after or "")
                )
            )
    changes += _compare_names("", PLAN, "browsers", _describe_browsers(old), _describe_browsers(new))
    changes += _compare_names("", PLAN, "waivers", _describe_waivers(old), _describe_waivers(new))
    changes += _compare_names("", PLAN, GROUP_POLICY, _describe_objects(old), _describe_objects(new))
    old_end, new_end = (plan["later"]["at"] if "later" in plan else "" for plan in (old, new))
    if old_end != new_end:
        changes.append(PlanChange("", PLAN, subject="later", before=old_end, after=new_end))
    return tuple(changes)


def _compare_controls(control: str, old: PlanSection | None, new: PlanSection | None) -> Iterator[PlanChange]:
    """Yield the changes of a control between two plans. If the control comes or goes, only its mode is a change."""
    before, after = (OFF if section is None else section["mode"] for section in (old, new))
    if before != after:
        yield PlanChange(control, CONTROL, before=before, after=after)
    if old is None or new is None:  # the change of the mode covers all its services
        return
    old_services, new_services = old["services"], new["services"]
    for service_id in sorted({*old_services, *new_services}):
        yield from _compare_services(
            control, service_id, old_services.get(service_id), new_services.get(service_id), before != after
        )
    yield from _compare_settings(control, "", old["settings"], new["settings"])
    if control == "browser":
        old_length, new_length = _describe_list_length(old), _describe_list_length(new)
        if old_length != new_length:
            yield PlanChange(control, SETTING, subject=NAME_LISTS_SUBJECT, before=old_length, after=new_length)


def _describe_list_length(section: PlanSection) -> str:
    """Describe the number of names in a browser section that do not fit into browser lists.

    The names are counted outside the hours of waivers, when most names are blocked.
    """
    services: dict[str, PlanEntry] = {
        id_: {**entry, "mode": entry.get("otherwise", entry["mode"])} for id_, entry in section["services"].items()
    }
    blocked = sum(make_minimal_names(services).values())
    if blocked <= MAX_LIST_ENTRIES:
        return "all names fit"
    overflow = (
        f"{blocked - MAX_LIST_ENTRIES:,} of {blocked:,} names do not fit, since browsers take {MAX_LIST_ENTRIES:,}"
    )
    return f"{overflow}: a run reports those that nothing else closes on a host"


def _compare_services(
    control: str, service_id: str, old: PlanEntry | None, new: PlanEntry | None, mode_changed: bool
) -> Iterator[PlanChange]:
    """Yield the changes of a service in a control: its status and its identifiers.

    `mode_changed` is True if the mode of the whole control changes, too.
    """
    before, after = describe_service_policy(old), describe_service_policy(new)
    if old is None or new is None:
        entry = old or new
        counts = tuple(
            (kind, len(names)) for kind, names in (list_identifiers(entry) if entry else {}).items() if names
        )
        yield PlanChange(control, SERVICE, service_id, before=before, after=after, counts=counts)
        return
    # If the mode of a control changes, the mode of its services changes in the same way. Only other changes of a
    # service are listed.
    follows_control = mode_changed and {before, after} <= {"enforce", "audit"}
    if before != after and not follows_control:
        yield PlanChange(control, SERVICE, service_id, before=before, after=after)
    old_identifiers, new_identifiers = list_identifiers(old), list_identifiers(new)
    for kind in sorted({*old_identifiers, *new_identifiers}):
        yield from _compare_names(
            control,
            IDENTIFIER,
            kind,
            old_identifiers.get(kind, frozenset()),
            new_identifiers.get(kind, frozenset()),
            service_id,
        )


def _compare_settings(
    control: str, prefix: str, old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[PlanChange]:
    """Yield the changes of all settings in two mappings.

    The name of each setting gets `prefix`, such as `tenants.`.
    """
    for name in sorted({*old, *new}):
        yield from _compare_setting(control, prefix + name, old.get(name), new.get(name))


def _compare_setting(control: str, name: str, old: object, new: object) -> Iterator[PlanChange]:
    """Yield the changes of a setting.

    Mappings are compared key by key. A list of the same items in another order is a change.
    """
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _compare_settings(control, f"{name}.", old, new)
    elif isinstance(old, list) and isinstance(new, list):
        old_texts, new_texts = frozenset(map(_format_content, old)), frozenset(map(_format_content, new))
        if old_texts == new_texts:  # another order, which may matter
            yield PlanChange(control, SETTING, subject=name, before=format_canonical(old), after=format_canonical(new))
        yield from _compare_names(control, SETTING, name, old_texts, new_texts)
    else:
        # An empty text differs from no setting.
        before, after = ("" if setting is None else _format_content(setting) or '""' for setting in (old, new))
        yield PlanChange(control, SETTING, subject=name, before=before, after=after)


def _compare_names(
    control: str, kind: str, subject: str, old: frozenset[str], new: frozenset[str], service: str = ""
) -> Iterator[PlanChange]:
    """Yield a single change with the added and the removed names, if there are any."""
    if old != new:
        added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
        yield PlanChange(control, kind, service, subject, added=added, removed=removed)


def describe_service_policy(entry: PlanEntry | None) -> str:
    """Return the status of a service in a plan, in words; "" if the plan does not have the service (None).

    Examples: `enforce`, `waived (w1)`, `enforce, but for w2 (users alice)`.
    """
    if entry is None:
        return ""
    mode = str(entry["mode"])
    members = f" for members of {', '.join(entry['only']['posix_groups'])}" if "only" in entry else ""
    if mode == "waived" and "hours" not in entry:
        return f"waived ({entry['waiver']}){members}"
    if mode == "upcoming":
        return f"upcoming ({entry['effective_from']}){members}"
    parts = [_describe_exception(exception) for exception in entry.get("exceptions", ())]
    if mode == "waived":
        mode = str(entry["otherwise"])
        parts.insert(0, _describe_exception({"waiver": entry["waiver"], "hours": entry["hours"]}))
    return f"{mode}{members}, but for {' and '.join(parts)}" if parts else f"{mode}{members}"


def _describe_exception(exception: PartialWaiver) -> str:
    """Return the id of an exception's waiver with its limits: `w1 (users alice; hours mon 09:00-18:00)`."""
    limits = {key: names for key, names in exception.items() if isinstance(names, list)}
    if "hours" in exception:
        limits["hours"] = list(map(format_window, exception["hours"]))
    scope = "; ".join(f"{key} {', '.join(map(str, names))}" for key, names in limits.items() if names)
    return f"{exception['waiver']} ({scope})"


def list_identifiers(entry: PlanEntry) -> dict[str, frozenset[str]]:
    """Return the identifiers of a service in a plan, by kind: `domains`, `networks`, `packages.apt`, ..."""
    names_by_kind: dict[str, frozenset[str]] = {}
    for key, content in entry.items():
        if key in SERVICE_POLICY_KEYS or key in LIST_KEYS:
            continue
        if isinstance(content, Mapping):
            names_by_kind |= {
                f"{key}.{part}": frozenset(map(_format_content, names)) for part, names in content.items()
            }
        elif isinstance(content, list | tuple):
            names_by_kind[key] = frozenset(map(_format_content, content))
        else:
            names_by_kind[key] = frozenset([_format_content(content)])
    return names_by_kind


def _describe_browsers(plan: Plan) -> frozenset[str]:
    """Return the places of browsers' policies. A changed place counts as removed and added."""
    return frozenset(f"{place['id']} ({place['path']})" for place in plan.get("browsers", ()))


def format_window(hours: Sequence[int]) -> str:
    """Format a weekly window of hours: mon 09:00-18:00."""
    day, *times = hours
    return f"{DAYS[day]} " + "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times)


def _describe_waivers(plan: Plan) -> frozenset[str]:
    """Return the waivers of a plan with their ends.

    A waiver with another end counts as removed and added.
    """
    return frozenset(f"{id_} (until {waiver['expires']})" for id_, waiver in plan.get("waivers", {}).items())


def _describe_objects(plan: Plan) -> frozenset[str]:
    """Return the Group Policy objects of a plan. A changed object counts as removed and added."""
    objects = plan["group_policy"]["objects"] if "group_policy" in plan else ()
    return frozenset(
        f"{policy_object['name']} for {policy_object['group']} ({compute_digest(policy_object)[:19]})"
        for policy_object in objects
    )


def _format_content(content: object) -> str:
    """Return a text as it is, and any other value as JSON."""
    return content if isinstance(content, str) else format_canonical(content)

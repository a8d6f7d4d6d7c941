"""What differs between two plans, in the words of the policy: services, identifiers, settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ....host.controls.browser.rendering import MAX_LIST_ENTRIES, make_minimal_names
from ....model.finding import GROUP_POLICY
from ....model.plan import CONTROLS, compute_digest, format_canonical
from ....model.types.plan import PartialWaiver, Plan, PlanEntry, PlanSection
from ..waivers.hours import DAYS

OFF = "off"  # the mode of a control that a plan does not have

# What a Change can be about.
CONTROL, SERVICE, IDENTIFIER, SETTING, PLAN = "control", "service", "identifier", "setting", "plan"

# Keys of a service's entry that say its standing, and not what it is made of.
STANDING = ("name", "mode", "waiver", "hours", "otherwise", "opens", "effective_from", "exceptions", "only")
# Keys that follow from the names of all services, some in plans of earlier versions only (`_list_length`).
OF_LISTS = ("front_doors", "unlisted", "open")
NAME_LISTS = "lists of browsers"


class Change(NamedTuple):
    """One difference.

    `kind`      `control`     a control's mode: `before` and `after` are enforce, audit or off
                `service`     a service comes, goes, or changes: `before` and `after` are its standing in words
                              (`enforce`, `waived (w1)`), "" where it is not there
                `identifier`  of a service that stays: `added` and `removed` of one kind (`domains`, `packages.apt`)
                `setting`     a setting of the control: `before` and `after` (JSON), or `added` and `removed`
                `plan`        what no control owns: `contact`, `request_url`, `watch`, `browsers`, `waivers` (with their
                              ends), `group_policy` (objects, each with a digest of what it says), `later` (when the
                              plan changes next)
    `service`   its id, else ""
    `subject`   the kind of identifier, or the setting, else ""
    `counts`    with `service`: how many identifiers of each kind come or go with it
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

    def as_dict(self) -> dict[str, object]:
        """For machines: only what is said."""
        fields = self._replace(counts=())._asdict()
        given = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items() if value}
        return given | ({"holds": dict(self.counts)} if self.counts else {})


def difference(old: Plan, new: Plan) -> tuple[Change, ...]:
    """What became of `old` in `new`; two plans; empty where they require the same of a host."""
    changes: list[Change] = []
    for control in CONTROLS:
        changes += _control(control, old["controls"].get(control), new["controls"].get(control))
    # What no control owns and has one value each.
    for subject, before, after in (
        ("contact", old.get("contact"), new.get("contact")),
        ("request_url", old.get("request_url"), new.get("request_url")),
        ("watch", old.get("watch"), new.get("watch")),
    ):
        if before != after:
            changes.append(Change("", PLAN, subject=subject, before=_shown(before or ""), after=_shown(after or "")))
    changes += _named("", PLAN, "browsers", _browsers(old), _browsers(new))
    changes += _named("", PLAN, "waivers", _waivers(old), _waivers(new))
    changes += _named("", PLAN, GROUP_POLICY, _objects(old), _objects(new))
    ends, then = (plan["later"]["at"] if "later" in plan else "" for plan in (old, new))
    if ends != then:
        changes.append(Change("", PLAN, subject="later", before=ends, after=then))
    return tuple(changes)


def _control(control: str, old: PlanSection | None, new: PlanSection | None) -> Iterator[Change]:
    before, after = (OFF if section is None else section["mode"] for section in (old, new))
    if before != after:
        yield Change(control, CONTROL, before=before, after=after)
    if old is None or new is None:  # all of its services come or go with it, which its mode says
        return
    olds, news = old["services"], new["services"]
    for service in sorted({*olds, *news}):
        yield from _service(control, service, olds.get(service), news.get(service), before != after)
    yield from _settings(control, "", old["settings"], new["settings"])
    if control == "browser":
        was, now = _list_length(old), _list_length(new)
        if was != now:
            yield Change(control, SETTING, subject=NAME_LISTS, before=was, after=now)


def _list_length(section: PlanSection) -> str:
    """Describe how many names of a browser section do not fit into the lists of browsers, outside of hours."""
    services: dict[str, PlanEntry] = {
        id_: {**entry, "mode": entry.get("otherwise", entry["mode"])} for id_, entry in section["services"].items()
    }
    blocked = sum(make_minimal_names(services).values())
    if blocked <= MAX_LIST_ENTRIES:
        return "all names fit"
    more = f"{blocked - MAX_LIST_ENTRIES:,} of {blocked:,} names do not fit, since browsers take {MAX_LIST_ENTRIES:,}"
    return f"{more}: a run reports those that nothing else closes on a host"


def _service(
    control: str, id_: str, old: PlanEntry | None, new: PlanEntry | None, mode_changed: bool
) -> Iterator[Change]:
    before, after = standing(old), standing(new)
    if old is None or new is None:
        one = old or new
        counts = tuple((kind, len(names)) for kind, names in (identifiers(one) if one else {}).items() if names)
        yield Change(control, SERVICE, id_, before=before, after=after, counts=counts)
        return
    # Where the control's mode changes, its services follow; only what does more is worth a word.
    followed = mode_changed and {before, after} <= {"enforce", "audit"}
    if before != after and not followed:
        yield Change(control, SERVICE, id_, before=before, after=after)
    olds, news = identifiers(old), identifiers(new)
    for kind in sorted({*olds, *news}):
        yield from _named(control, IDENTIFIER, kind, olds.get(kind, frozenset()), news.get(kind, frozenset()), id_)


def _settings(control: str, prefix: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        yield from _setting(control, prefix + name, old.get(name), new.get(name))


def _setting(control: str, name: str, old: object, new: object) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _settings(control, f"{name}.", old, new)
    elif isinstance(old, list) and isinstance(new, list):
        olds, news = frozenset(map(_shown, old)), frozenset(map(_shown, new))
        if olds == news:  # the same in another order, which may matter
            yield Change(control, SETTING, subject=name, before=format_canonical(old), after=format_canonical(new))
        yield from _named(control, SETTING, name, olds, news)
    else:
        # An empty text is not the same as no setting.
        before, after = ("" if value is None else _shown(value) or '""' for value in (old, new))
        yield Change(control, SETTING, subject=name, before=before, after=after)


def _named(
    control: str, kind: str, subject: str, old: frozenset[str], new: frozenset[str], service: str = ""
) -> Iterator[Change]:
    if old != new:
        added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
        yield Change(control, kind, service, subject, added=added, removed=removed)


def standing(entry: PlanEntry | None) -> str:
    """The standing of a service in a plan, in words; "" where it is not in it."""
    if entry is None:
        return ""
    mode = str(entry["mode"])
    who = f" for members of {', '.join(entry['only']['posix_groups'])}" if "only" in entry else ""
    if mode == "waived" and "hours" not in entry:
        return f"waived ({entry['waiver']}){who}"
    if mode == "upcoming":
        return f"upcoming ({entry['effective_from']}){who}"
    parts = [_exception(exception) for exception in entry.get("exceptions", ())]
    if mode == "waived":
        mode = str(entry["otherwise"])
        parts.insert(0, _exception({"waiver": entry["waiver"], "hours": entry["hours"]}))
    return f"{mode}{who}, but for {' and '.join(parts)}" if parts else f"{mode}{who}"


def _exception(exception: PartialWaiver) -> str:
    narrowed = {key: value for key, value in exception.items() if isinstance(value, list)}
    if "hours" in exception:
        narrowed["hours"] = list(map(window, exception["hours"]))
    scope = "; ".join(f"{key} {', '.join(map(str, value))}" for key, value in narrowed.items() if value)
    return f"{exception['waiver']} ({scope})"


def identifiers(entry: PlanEntry) -> dict[str, frozenset[str]]:
    """What a service is made of in a plan, by kind: `domains`, `networks`, `packages.apt`, ..."""
    found: dict[str, frozenset[str]] = {}
    for key, value in entry.items():
        if key in STANDING or key in OF_LISTS:
            continue
        if isinstance(value, Mapping):
            found |= {f"{key}.{part}": frozenset(map(_shown, names)) for part, names in value.items()}
        elif isinstance(value, list | tuple):
            found[key] = frozenset(map(_shown, value))
        else:
            found[key] = frozenset([_shown(value)])
    return found


def _browsers(plan: Plan) -> frozenset[str]:
    """The places of browsers' policies; one that is managed otherwise counts as gone and come."""
    return frozenset(f"{place['id']} ({place['path']})" for place in plan.get("browsers", ()))


def window(hours: Sequence[int]) -> str:
    """An opening of a week in words: mon 09:00-18:00."""
    day, *times = hours
    return f"{DAYS[day]} " + "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times)


def _waivers(plan: Plan) -> frozenset[str]:
    return frozenset(f"{id_} (until {waiver['expires']})" for id_, waiver in plan.get("waivers", {}).items())


def _objects(plan: Plan) -> frozenset[str]:
    """The Group Policy objects of a plan; one that says something else counts as gone and come."""
    objects = plan["group_policy"]["objects"] if "group_policy" in plan else ()
    return frozenset(f"{one['name']} for {one['group']} ({compute_digest(one)[:19]})" for one in objects)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else format_canonical(value)

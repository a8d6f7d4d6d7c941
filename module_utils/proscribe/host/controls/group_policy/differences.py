"""Differences between Proscribe's Group Policy objects and the desired objects, and the verdicts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import COMPLIANT, NONCOMPLIANT, Finding, RuleVerdict
from ...system import Host, ObservationError, escape_text, format_one_line
from . import permissions
from .applocker_rules import TEMPLATE_PATH
from .desired_gpos import DesiredGpo, collect_desired_gpos, make_gpo_attributes, render_gpt_ini
from .domain import (
    LINK_ENFORCED_FLAG,
    LINK_OFF_FLAG,
    MACHINE_OFF_FLAGS,
    SambaDomain,
    join_gpo_path,
    normalise_dn,
)
from .gpo_observation import (
    GPT_INI_PATH,
    OWN_PATHS,
    POLICY_PATH,
    SECURITY_FOLDERS,
    UNFINISHED_PATHS,
    GroupPolicyObservation,
    ObservedGpo,
    observe_gpos,
)
from .identity import make_gpo_rule
from .registry_pol import RegistryEntry, decode_entry, parse_entries

if TYPE_CHECKING:
    from ....model.types.plan import Plan

MAX_NAMED_DIFFERENCES = 10  # most registry values, and most files, that findings name
MAX_SHOWN_LENGTH = 80
CONFLICT_DETAIL = (
    "another object, {}, has rules of AppLocker for machines of ours, and Windows joins them: ours allow all else. Set "
    "proscribe_applocker to off for the group, or take that object's rules or link away"
)


def observe_group_policy(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Return a verdict on each Group Policy object of the plan.

    Objects of Proscribe's that still exist, but that the plan no longer has, get verdicts too. Raises ControlError and
    ObservationError.
    """
    if not host.privileged:
        raise ObservationError("the directory and SYSVOL can only be read by root")
    desired_gpos = collect_desired_gpos(plan)
    observation = observe_gpos(host, desired_gpos)
    verdicts = [
        _judge_gpo(
            desired_gpo.name,
            list(find_differences(host, observation, desired_gpo, observed_gpo)),
            desired_gpo.is_enforcing,
        )
        for desired_gpo, observed_gpo in zip(desired_gpos, observation.gpos)
    ]
    for observed_gpo in observation.gpos[len(desired_gpos) :]:
        if observed_gpo.has_traces:
            leftover = Finding("gpo", observed_gpo.guid, "samba", detail="the plan does not have this object any more")
            verdicts.append(RuleVerdict(make_gpo_rule(observed_gpo.name), NONCOMPLIANT, (leftover,), drifted=True))
    return verdicts


def _judge_gpo(name: str, differences: Sequence[tuple[Finding, bool]], is_enforcing: bool) -> RuleVerdict:
    """Return the verdict on a Group Policy object.

    `differences` has findings, each with True if enforcement corrects it. `is_enforcing` is True if the plan enforces
    the object.
    """
    state = NONCOMPLIANT if differences else COMPLIANT
    return RuleVerdict(
        make_gpo_rule(name),
        state,
        tuple(finding for finding, _ in differences),
        drifted=is_enforcing and any(is_corrected for _, is_corrected in differences),
    )


def find_differences(
    host: Host, observation: GroupPolicyObservation, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo
) -> Iterator[tuple[Finding, bool]]:
    """Yield (finding, whether enforcement corrects it) for each difference from the desired object."""
    if taken_guid := observation.guids_of_taken_names.get(desired_gpo.name.casefold()):
        yield (
            _make_gpo_finding(
                taken_guid, "another object of this name is there, which is not ours: name ours otherwise"
            ),
            False,
        )
    for other_guid in observation.conflicting_guids.get(desired_gpo.name, ()):
        yield _make_gpo_finding(other_guid, CONFLICT_DETAIL.format(other_guid)), False
    if observed_gpo.entry is None:
        yield _make_gpo_finding(observed_gpo.guid, "the directory does not have it"), True
    for detail in find_entry_differences(observation.domain, desired_gpo, observed_gpo):
        yield _make_gpo_finding(observed_gpo.guid, detail), True
    folder = observation.domain.make_gpo_folder(observed_gpo.guid)
    # "" is the object's folder: if it is missing, that is the only finding about missing files
    for path in list_gpo_paths(desired_gpo) if "" in observed_gpo.present_paths else ("",):
        if path not in observed_gpo.present_paths:
            yield (
                Finding(
                    "file",
                    path or observed_gpo.guid,
                    "samba",
                    path=join_gpo_path(folder, path),
                    detail="SYSVOL lacks it",
                ),
                True,
            )
    if TEMPLATE_PATH in observed_gpo.present_paths and observed_gpo.template != desired_gpo.template:
        detail = "it was changed" if desired_gpo.template else "it is not of this object"
        yield Finding("file", TEMPLATE_PATH, "samba", path=f"{folder}/{TEMPLATE_PATH}", detail=detail), True
    for finding in _find_value_differences(desired_gpo, observed_gpo, f"{folder}/{POLICY_PATH}"):
        yield finding, True
    if (
        observed_gpo.entry
        and GPT_INI_PATH in observed_gpo.present_paths
        and (detail := _find_version_difference(observed_gpo))
    ):
        yield Finding("version", observed_gpo.guid, "samba", path=f"{folder}/{GPT_INI_PATH}", detail=detail), True
    for path in observed_gpo.foreign_paths[:MAX_NAMED_DIFFERENCES]:
        detail = "a run that was ended left it" if path in UNFINISHED_PATHS else "it is not of this object"
        yield Finding("file", escape_text(path), "samba", path=escape_text(f"{folder}/{path}"), detail=detail), True
    for path, detail in find_permission_differences(host, observation, observed_gpo):
        yield (
            Finding("permissions", path or observed_gpo.guid, "samba", path=join_gpo_path(folder, path), detail=detail),
            True,
        )
    yield from _find_link_differences(observation, desired_gpo, observed_gpo)


def list_gpo_paths(desired_gpo: DesiredGpo) -> Sequence[str]:
    """Return the files and folders that a Group Policy object must have in SYSVOL, relative to its folder."""
    return (
        OWN_PATHS
        if desired_gpo.template
        else [path for path in OWN_PATHS if path != TEMPLATE_PATH and path not in SECURITY_FOLDERS]
    )


def _make_gpo_finding(guid: str, detail: str) -> Finding:
    return Finding("gpo", guid, "samba", detail=detail)


def find_entry_differences(domain: SambaDomain, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo) -> Iterator[str]:
    """Yield the differences of a Group Policy object's directory entry, except those of its version.

    Nothing is yielded if the directory has no entry.
    """
    if observed_gpo.entry is None:
        return
    for name, attribute_value in make_gpo_attributes(domain, desired_gpo, observed_gpo.guid):
        if name == "flags":
            if observed_gpo.entry.get_value(name) in MACHINE_OFF_FLAGS:
                yield "its settings for computers are switched off"
        elif observed_gpo.entry.get_value(name) != attribute_value:
            yield f"{name} is not ours: {format_one_line(observed_gpo.entry.get_value(name))[:100]!r}"
    if descriptor := observed_gpo.entry.get_value("nTSecurityDescriptor"):
        for detail in permissions.find_permission_defects(descriptor, permissions.DIRECTORY_DESCRIPTOR):
            yield f"its permissions differ: {detail}"


def _find_version_difference(observed_gpo: ObservedGpo) -> str:
    """Return why the version of a Group Policy object or its GPT.INI is wrong; "" if both are right."""
    if observed_gpo.version != observed_gpo.files_version:
        return f"the directory has version {observed_gpo.version}, and SYSVOL {observed_gpo.files_version}"
    return "" if observed_gpo.gpt_ini == render_gpt_ini(observed_gpo.version) else "it was changed"


def _find_value_differences(desired_gpo: DesiredGpo, observed_gpo: ObservedGpo, path: str) -> Iterator[Finding]:
    """Yield a finding for each registry value that differs, sorted by name.

    After MAX_NAMED_DIFFERENCES findings, the others are only counted. A missing file has no findings here, because
    another finding reports it.
    """
    if POLICY_PATH not in observed_gpo.present_paths or observed_gpo.policy == desired_gpo.policy:
        return
    try:
        current_entries = {(entry.key, entry.value_name): entry for entry in parse_entries(observed_gpo.policy)}
    except ValueError as error:
        yield Finding("policy", POLICY_PATH, "samba", path=path, detail=f"cannot be read: {error}")
        return
    desired_entries = {(entry.key, entry.value_name): entry for entry in parse_entries(desired_gpo.policy)}
    names = [
        name
        for name in sorted({*current_entries, *desired_entries})
        if current_entries.get(name) != desired_entries.get(name)
    ]
    for name in names[:MAX_NAMED_DIFFERENCES]:
        detail = _describe_value_difference(current_entries.get(name), desired_entries.get(name))
        yield Finding("policy", format_one_line("\\".join(name))[:200], "samba", path=path, detail=detail)
    if unnamed_count := len(names[MAX_NAMED_DIFFERENCES:]):
        yield Finding("policy", POLICY_PATH, "samba", path=path, detail=f"{unnamed_count} more values differ")
    if not names:
        yield Finding("policy", POLICY_PATH, "samba", path=path, detail="the order of its values was changed")


def _describe_value_difference(current_entry: RegistryEntry | None, desired_entry: RegistryEntry | None) -> str:
    """Describe how a registry value differs from the plan. An entry is None if the value is missing there."""
    if current_entry is None:
        return f"is missing: {_format_entry_value(desired_entry)}"
    if desired_entry is None:
        return f"is not of the plan: {_format_entry_value(current_entry)}"
    return f"is {_format_entry_value(current_entry)} instead of {_format_entry_value(desired_entry)}"


def _format_entry_value(entry: RegistryEntry | None) -> str:
    """Return the value of an entry, shortened, for a message; "" for no entry."""
    try:
        return ascii(decode_entry(entry))[:MAX_SHOWN_LENGTH] if entry else ""
    except ValueError:
        return "no value of its type"


def find_permission_differences(
    host: Host, observation: GroupPolicyObservation, observed_gpo: ObservedGpo
) -> Iterator[tuple[str, str]]:
    """Yield (path, difference) for each file and folder of a Group Policy object with wrong permissions.

    Samba's tool, which reads permissions, takes half a second for each file. So permissions whose hash is known to be
    right are not read again.
    """
    folder = observation.domain.make_gpo_folder(observed_gpo.guid)
    defects_by_fingerprint: dict[str, list[str]] = {fingerprint: [] for fingerprint in observation.state.right}
    for path in OWN_PATHS:
        if path not in observed_gpo.present_paths:
            continue
        full_path = join_gpo_path(folder, path)
        # without a hash, the path stands in for it, because no two files may share a result then
        fingerprint = permissions.compute_permissions_hash(host, full_path) or full_path
        if fingerprint not in defects_by_fingerprint:
            defects_by_fingerprint[fingerprint] = permissions.find_permission_defects(
                permissions.read_file_descriptor(host, full_path), permissions.FILES_DESCRIPTOR
            )
        for detail in defects_by_fingerprint[fingerprint]:
            yield path, detail


def _find_link_differences(
    observation: GroupPolicyObservation, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo
) -> Iterator[tuple[Finding, bool]]:
    """Yield (finding, whether enforcement corrects it) for each fault of an object's links.

    A link may be missing, superfluous or wrong.
    """
    units_by_key = {normalise_dn(ou): ou for ou in desired_gpo.ous}
    for key, ou in units_by_key.items():
        link = observed_gpo.links.get(key)
        if key not in observation.units:
            yield _make_link_finding(ou, "the domain has no such object"), False
        elif link is None or not link.link_text:
            yield _make_link_finding(ou, "the object is not linked there"), True
        elif link.options & LINK_OFF_FLAG:
            yield _make_link_finding(ou, "its link there is switched off"), True
        elif desired_gpo.is_enforced and not link.options & LINK_ENFORCED_FLAG:
            yield _make_link_finding(ou, "its link there is not enforced"), True
    # if a unit is missing, enforcement removes no link (changes.py)
    has_all_units = all(key in observation.units for key in units_by_key)
    for key, link in observed_gpo.links.items():
        if link.link_text and key not in units_by_key:
            yield (
                _make_link_finding(link.dn, "the object is linked there, and the plan does not name it"),
                has_all_units,
            )
    if not desired_gpo.is_enforced:
        for unit in observation.inheritance_blocking_units:
            key = normalise_dn(unit.dn)
            if key not in units_by_key and any(key.endswith(f",{unit_key}") for unit_key in units_by_key):
                detail = "it blocks inheritance, so the object does not apply there: name it too, or set enforced"
                yield _make_link_finding(unit.dn, detail), False


def _make_link_finding(dn: str, detail: str) -> Finding:
    return Finding("link", format_one_line(dn)[:200], "samba", detail=detail)

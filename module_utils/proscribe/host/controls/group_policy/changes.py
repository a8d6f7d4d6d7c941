"""Changes that correct Proscribe's Group Policy objects, or remove them.

The files of a new object are complete in SYSVOL before the object is added to the directory. It is linked last. When an
object changes, the directory gets the new version first, and GPT.INI comes last. If a run is interrupted, the two
versions differ, and the next run continues from there. A client reads an object again when the version in GPT.INI
changes. So two different contents never have the same version.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Sequence

from ...system import ControlError, Host
from ...system.directories import remove_entry
from ..base import ChangeRefusal, Changes, ControlAction
from . import domain as domains
from . import ldif, permissions, state
from .applocker_rules import TEMPLATE_PATH, encode_template
from .desired_gpos import DesiredGpo, collect_desired_gpos, make_gpo_attributes, render_gpt_ini
from .differences import CONFLICT_DETAIL, find_entry_differences, find_permission_differences, list_gpo_paths
from .domain import LINK_ENFORCED_FLAG, LINK_OFF_FLAG, SambaDomain, join_gpo_path, normalise_dn
from .gpo_observation import (
    GPT_INI_PATH,
    NEW_FILE_SUFFIX,
    OWN_PATHS,
    POLICY_PATH,
    SECURITY_FOLDERS,
    UNFINISHED_PATHS,
    GpoLink,
    GroupPolicyObservation,
    ObservedGpo,
    observe_gpos,
)
from .identity import make_gpo_rule

if TYPE_CHECKING:
    from ....model.types.plan import Plan

FILE_MODE = 0o770  # the group's bits are the mask of the file's access list, which Samba fills
MAX_ASIDE_BYTES = 64 << 20  # largest file that is moved out of an object
MACHINE_VERSION_MASK = 0xFFFF  # lower half of a version, which counts the changes of the settings for computers


def enforce_group_policy(host: Host, plan: Plan) -> Changes:
    """Return the changes that correct Proscribe's Group Policy objects.

    Objects that the plan no longer has are removed. A change is refused if another object has its name, or has rules
    of AppLocker that conflict (conflicts.py). Raises ControlError and ObservationError.
    """
    desired_gpos = collect_desired_gpos(plan)
    observation = observe_gpos(host, desired_gpos)
    actions: list[ControlAction] = []
    refusals: list[ChangeRefusal] = []
    # Names of the objects that exist or that this run adds. They are saved first: then even an interrupted run leaves
    # no object that a later run could not find.
    names = {
        observed_gpo.guid: desired_gpo.name
        for desired_gpo, observed_gpo in zip(desired_gpos, observation.gpos)
        if observed_gpo.has_traces
        or (desired_gpo.is_enforcing and desired_gpo.name not in observation.conflicting_guids)
    }
    if missing_names := {guid: name for guid, name in names.items() if guid not in observation.state.names}:
        known_state = observation.state._replace(names={**observation.state.names, **missing_names})
        actions.append(ControlAction("note", state.STATE_PATH, partial(state.write_state, host, known_state)))
    for desired_gpo, observed_gpo in zip(desired_gpos, observation.gpos):
        if not desired_gpo.is_enforcing:
            continue
        # An object of somebody else has the name, so no object of Proscribe's is added. An existing one is corrected.
        guid = observation.guids_of_taken_names.get(desired_gpo.name.casefold())
        if guid and observed_gpo.entry is None:
            refusals.append(
                ChangeRefusal(
                    make_gpo_rule(desired_gpo.name),
                    desired_gpo.name,
                    f"another object, {guid}, has this name and is not ours",
                )
            )
            continue
        if other_guids := observation.conflicting_guids.get(desired_gpo.name):
            refusals += [
                ChangeRefusal(make_gpo_rule(desired_gpo.name), other_guid, CONFLICT_DETAIL.format(other_guid))
                for other_guid in other_guids
            ]
            continue
        refusals += _make_unit_refusals(observation, desired_gpo)
        actions += _make_correcting_actions(host, observation, desired_gpo, observed_gpo)
    # after the desired objects come those that the plan no longer has
    for observed_gpo in observation.gpos[len(desired_gpos) :]:
        actions += _make_removing_actions(host, observation.domain, observed_gpo)
    if actions or observation.state.names.keys() - names.keys():
        actions.append(ControlAction("note", state.STATE_PATH, partial(_save_state, host, observation.domain, names)))
    return Changes(actions, refusals)


def lift_group_policy(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove all of Proscribe's Group Policy objects.

    Raises ControlError and ObservationError.
    """
    known_state = state.read_state(host)
    desired_gpos = collect_desired_gpos(plan, with_policies=False)
    if not desired_gpos and not known_state.names:
        return Changes()
    observation = observe_gpos(host, desired_gpos)
    actions = [
        action
        for observed_gpo in observation.gpos
        for action in _make_removing_actions(host, observation.domain, observed_gpo)
    ]
    if host.has_traces(state.STATE_PATH):
        actions.append(ControlAction("delete", state.STATE_PATH, partial(host.delete_file, state.STATE_PATH)))
    # files of others that this lift moves to ASIDE_FOLDER, or that an earlier run moved there
    has_aside = host.list_directory(state.ASIDE_FOLDER) or any(
        path not in UNFINISHED_PATHS for observed_gpo in observation.gpos for path in _list_foreign_paths(observed_gpo)
    )
    notes = [f"what others had put into these objects is in {state.ASIDE_FOLDER}"] if has_aside else []
    return Changes(actions, notes=notes)


def _make_unit_refusals(observation: GroupPolicyObservation, desired_gpo: DesiredGpo) -> Iterator[ChangeRefusal]:
    """Yield a refusal for each organisational unit of a desired object that the domain does not have."""
    for ou in desired_gpo.ous:
        if normalise_dn(ou) not in observation.units:
            yield ChangeRefusal(
                make_gpo_rule(desired_gpo.name),
                ou,
                "the domain has no such object; links to other units stay as they are",
            )


def _make_correcting_actions(
    host: Host, observation: GroupPolicyObservation, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo
) -> Iterator[ControlAction]:
    """Yield the actions that correct a Group Policy object.

    If a run is killed after any of them, the next run can repair the object. The order of the actions ensures that.
    """
    domain = observation.domain
    folder = domain.make_gpo_folder(observed_gpo.guid)
    for path in _list_foreign_paths(observed_gpo, desired_gpo.template):
        yield ControlAction("set aside", f"{folder}/{path}", partial(_set_aside, host, folder, path, observed_gpo))
    desired_files = (
        {TEMPLATE_PATH: desired_gpo.template, POLICY_PATH: desired_gpo.policy}
        if desired_gpo.template
        else {POLICY_PATH: desired_gpo.policy}
    )
    current_files = {TEMPLATE_PATH: observed_gpo.template, POLICY_PATH: observed_gpo.policy}
    # If the object should have no template: its template and the folders above it, the innermost folder first.
    stale_paths = (
        []
        if desired_gpo.template
        else [path for path in (TEMPLATE_PATH, *reversed(SECURITY_FOLDERS)) if path in observed_gpo.present_paths]
    )
    deleted_paths = [path for path in stale_paths if path not in _list_foreign_paths(observed_gpo)]
    changed_paths = [
        path
        for path, content in desired_files.items()
        if current_files[path] != content or path not in observed_gpo.present_paths
    ]
    is_new_version = bool(changed_paths or stale_paths)
    entry_differences = list(find_entry_differences(domain, desired_gpo, observed_gpo))
    # A changed directory entry alone also needs a new version, unless an interrupted run has set one already.
    version = _compute_version(
        observed_gpo, is_new_version or (bool(entry_differences) and observed_gpo.version == observed_gpo.files_version)
    )
    if observed_gpo.entry is not None and (entry_differences or observed_gpo.version != version):
        yield ControlAction(
            "change",
            domain.make_gpo_dn(observed_gpo.guid),
            partial(_change_entry, host, domain, desired_gpo, observed_gpo, version),
        )
    for path in deleted_paths:
        yield ControlAction("delete", f"{folder}/{path}", partial(_delete_gpo_part, host, folder, path))
    for path in list_gpo_paths(desired_gpo):
        if path not in (GPT_INI_PATH, *desired_files, *observed_gpo.present_paths):
            yield ControlAction("make", join_gpo_path(folder, path), partial(_make_folder, host, folder, path))
    text = render_gpt_ini(version)
    written_paths = {*changed_paths, *([GPT_INI_PATH] if observed_gpo.gpt_ini != text else [])}
    # The permissions are set before the files are written. So an account that loses its write access cannot replace the
    # new files.
    for path in dict.fromkeys(path for path, _ in find_permission_differences(host, observation, observed_gpo)):
        if path not in written_paths and path not in stale_paths:
            full_path = join_gpo_path(folder, path)
            yield ControlAction(
                "set the permissions of", full_path, partial(permissions.set_file_permissions, host, full_path)
            )
    for path in changed_paths:
        yield _make_write_action(
            host, folder, path, desired_files[path], _describe_sizes(current_files[path], desired_files[path])
        )
    if GPT_INI_PATH in written_paths:
        yield _make_write_action(
            host, folder, GPT_INI_PATH, text, (observed_gpo.gpt_ini.decode("utf-8", "replace"), text.decode())
        )
    if observed_gpo.entry is None:
        yield ControlAction(
            "add",
            domain.make_gpo_dn(observed_gpo.guid),
            partial(_add_entry, host, domain, desired_gpo, observed_gpo.guid, version),
        )
    yield from _make_link_actions(host, observation, desired_gpo, observed_gpo)


def _list_foreign_paths(observed_gpo: ObservedGpo, desired_template: bytes = b"") -> list[str]:
    """Return the paths of files in a Group Policy object that are not Proscribe's.

    `desired_template` is b"" if the object should have no security template. Then a template that Proscribe did not
    write is one of these files.
    """
    has_foreign_template = (
        TEMPLATE_PATH in observed_gpo.present_paths
        and not desired_template
        and observed_gpo.template != encode_template()
    )
    return [*([TEMPLATE_PATH] if has_foreign_template else []), *observed_gpo.foreign_paths]


def _compute_version(observed_gpo: ObservedGpo, is_changed: bool) -> int:
    """Return the version that a Group Policy object has after the changes.

    `is_changed` is True if a client has to read the object again. If the directory has a higher version than SYSVOL, an
    interrupted run set it. Then that version is used.
    """
    newest_version = max(observed_gpo.version, observed_gpo.files_version, 0)
    if not is_changed and newest_version:
        return newest_version
    if observed_gpo.version > observed_gpo.files_version:
        return observed_gpo.version
    # One more in the lower half, from 1 again after its maximum. The upper half stays.
    return (newest_version & ~MACHINE_VERSION_MASK) + (newest_version & MACHINE_VERSION_MASK) % MACHINE_VERSION_MASK + 1


def _describe_sizes(old_content: bytes, new_content: bytes) -> tuple[str, str]:
    """Return the old and the new size of a file as texts for the diff. The file itself may have thousands of values."""
    return f"{len(old_content)} bytes\n" if old_content else "", f"{len(new_content)} bytes\n"


def _delete_gpo_part(host: Host, folder: str, path: str) -> None:
    """Delete a file or an empty folder that a Group Policy object should no longer have. Raises ControlError."""
    full_path = join_gpo_path(folder, path)
    if path not in SECURITY_FOLDERS:
        host.delete_file(full_path)
        return
    parent, _, name = full_path.rpartition("/")
    with _report_errors(f"cannot delete {full_path}"), host.open_directory(parent) as directory:
        os.rmdir(name, dir_fd=directory)


def _make_write_action(host: Host, folder: str, path: str, content: bytes, diff: Sequence[str]) -> ControlAction:
    """Return the action that replaces a file of a Group Policy object.

    `diff` has the texts before and after, which are shown to the operator.
    """
    return ControlAction(
        "write", f"{folder}/{path}", partial(_replace_file, host, f"{folder}/{path}", content), diff[0], diff[1]
    )


def _replace_file(host: Host, path: str, content: bytes) -> None:
    """Replace a file of SYSVOL by a new file. The new file gets its permissions before it is renamed."""
    host.write_file(path + NEW_FILE_SUFFIX, content, FILE_MODE)
    permissions.set_file_permissions(host, path + NEW_FILE_SUFFIX)
    host.rename_file(path + NEW_FILE_SUFFIX, path.rpartition("/")[2])


def _make_folder(host: Host, folder: str, path: str) -> None:
    """Make a folder of a Group Policy object with the right permissions. Raises ControlError."""
    full_path = join_gpo_path(folder, path)
    parent, _, name = full_path.rpartition("/")
    with (
        _report_errors(f"cannot make {full_path}"),
        host.open_directory(parent) as directory,
        contextlib.suppress(FileExistsError),
    ):
        os.mkdir(name, FILE_MODE, dir_fd=directory)
    permissions.set_file_permissions(host, full_path)


@contextlib.contextmanager
def _report_errors(message: str) -> Iterator[None]:
    """Raise ControlError with `message` if the `with` body fails with an OSError."""
    try:
        yield
    except OSError as error:
        raise ControlError(f"{message}: {error.strerror}") from None


def _change_entry(
    host: Host, domain: SambaDomain, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo, version: int
) -> None:
    """Set all attributes of a Group Policy object in the directory, its version and its permissions.

    Raises ControlError.
    """
    parts = [
        ldif.make_replacement(name, attribute_value)
        for name, attribute_value in make_gpo_attributes(domain, desired_gpo, observed_gpo.guid)
    ]
    parts.append(ldif.make_replacement("versionNumber", str(version)))
    parts.append(ldif.make_replacement("nTSecurityDescriptor", permissions.DIRECTORY_DESCRIPTOR))
    domains.change_directory(host, domain, [ldif.make_modify_record(domain.make_gpo_dn(observed_gpo.guid), parts)])


def _add_entry(host: Host, domain: SambaDomain, desired_gpo: DesiredGpo, guid: str, version: int) -> None:
    """Add a Group Policy object to the directory, with its two containers Machine and User. Raises ControlError."""
    dn = domain.make_gpo_dn(guid)
    values = [
        ("objectClass", "groupPolicyContainer"),
        ("showInAdvancedViewOnly", "TRUE"),
        *(
            (name, attribute_value)
            for name, attribute_value in make_gpo_attributes(domain, desired_gpo, guid)
            if attribute_value
        ),
        ("versionNumber", str(version)),
        ("nTSecurityDescriptor", permissions.DIRECTORY_DESCRIPTOR),
    ]
    container = [("objectClass", "container"), ("showInAdvancedViewOnly", "TRUE")]
    parts = [ldif.make_add_record(f"CN={name},{dn}", container) for name in ("Machine", "User")]
    domains.change_directory(host, domain, [ldif.make_add_record(dn, values), *parts])


def _make_link_actions(
    host: Host, observation: GroupPolicyObservation, desired_gpo: DesiredGpo, observed_gpo: ObservedGpo
) -> Iterator[ControlAction]:
    """Yield the actions that make missing links of a Group Policy object, then those that remove old links.

    Old links stay as long as the domain lacks one of the desired units. Otherwise a renamed or mistyped unit would
    leave its machines without the policy.
    """
    units_by_key = {normalise_dn(ou): ou for ou in desired_gpo.ous}
    for key in units_by_key:
        if key not in observation.units:
            continue
        link = observed_gpo.links.get(key) or GpoLink(
            observation.units[key].dn, observation.units[key].get_value("gPLink"), "", 0
        )
        # switched on, and enforced if the plan says so
        options = link.options & ~LINK_OFF_FLAG | (LINK_ENFORCED_FLAG if desired_gpo.is_enforced else 0)
        if not link.link_text or options != link.options:
            text = f"[LDAP://{observation.domain.make_gpo_dn(observed_gpo.guid)};{options}]"
            # A new link is put first, as `samba-tool gpo setlink` does. A link that is only corrected keeps its
            # position.
            new_links = link.all_links.replace(link.link_text, text, 1) if link.link_text else text + link.all_links
            yield _make_relink_action(host, observation.domain, "link", link, new_links)
    if all(key in observation.units for key in units_by_key):
        yield from _make_unlink_actions(
            host, observation.domain, (link for key, link in observed_gpo.links.items() if key not in units_by_key)
        )


def _make_unlink_actions(host: Host, domain: SambaDomain, links: Iterable[GpoLink]) -> Iterator[ControlAction]:
    """Yield the action that removes each of these links. A missing link needs no action."""
    for link in links:
        if link.link_text:
            yield _make_relink_action(host, domain, "unlink", link, link.all_links.replace(link.link_text, "", 1))


def _make_relink_action(host: Host, domain: SambaDomain, verb: str, link: GpoLink, new_links: str) -> ControlAction:
    """Return the action that sets gPLink of a directory entry to `new_links`.

    The action fails if gPLink has changed since the observation.
    """
    record = ldif.make_modify_record(link.dn, [ldif.make_guarded_exchange("gPLink", link.all_links, new_links)])
    return ControlAction(
        verb, link.dn, partial(domains.change_directory, host, domain, [record]), link.all_links, new_links
    )


def _make_removing_actions(host: Host, domain: SambaDomain, observed_gpo: ObservedGpo) -> Iterator[ControlAction]:
    """Yield the actions that remove a Group Policy object.

    First its links are removed, then its directory entry, then its files.
    """
    yield from _make_unlink_actions(host, domain, observed_gpo.links.values())
    dn, folder = domain.make_gpo_dn(observed_gpo.guid), domain.make_gpo_folder(observed_gpo.guid)
    if observed_gpo.entry is not None:
        yield ControlAction("delete", dn, partial(_delete_entry, host, domain, dn))
    for path in _list_foreign_paths(observed_gpo):
        yield ControlAction("set aside", f"{folder}/{path}", partial(_set_aside, host, folder, path, observed_gpo))
    if "" in observed_gpo.present_paths:
        yield ControlAction("delete", folder, partial(_delete_folder, host, folder))


def _delete_entry(host: Host, domain: SambaDomain, dn: str) -> None:
    """Delete an entry of the directory, and all entries below it. Raises ControlError."""
    domains.run_samba_tool(host, ["ldbdel", "-H", domain.database, "--recursive", dn])


def _delete_folder(host: Host, folder: str) -> None:
    """Delete the folder of a Group Policy object, and Proscribe's files in it. Raises ControlError."""
    for path in (POLICY_PATH, TEMPLATE_PATH, GPT_INI_PATH):
        host.delete_file(f"{folder}/{path}")
    parent, _, name = folder.rpartition("/")
    with _report_errors(f"cannot delete {folder}"), host.open_directory(parent) as directory:
        remove_entry(directory, name)


def _set_aside(host: Host, folder: str, path: str, observed_gpo: ObservedGpo) -> str:
    """Move a file that is not Proscribe's out of a Group Policy object.

    The file goes to a folder that only root can read. Returns the note "as <new path>"; "" if there was nothing to
    save. An empty folder, and an unfinished file of Proscribe's, is deleted. So is something without content, such as a
    link.
    """
    full_path = join_gpo_path(folder, path)
    if path.endswith("/"):
        parent, _, name = full_path.rpartition("/")
        with _report_errors(f"cannot delete {full_path}"), host.open_directory(parent) as directory:
            os.rmdir(name, dir_fd=directory)
        return ""
    if path in UNFINISHED_PATHS:
        host.delete_file(full_path)
        return ""
    try:
        content = host.read_range(full_path, 0, MAX_ASIDE_BYTES + 1)
    except ControlError:  # a link, a device or a socket has no content to save
        content = b""
    if len(content) > MAX_ASIDE_BYTES:
        raise ControlError(f"{full_path} is larger than {MAX_ASIDE_BYTES} bytes: remove it, it is not of this object")
    first_path = aside_path = f"{state.ASIDE_FOLDER}/{observed_gpo.guid}/{path or 'folder'}"
    suffix_number = 1
    while host.find_entry(aside_path) is not None:
        suffix_number += 1
        aside_path = f"{first_path}.{suffix_number}"
    if content:
        host.write_file(aside_path, content, 0o600)
    host.delete_file(full_path)
    return f"as {aside_path}" if content else ""


def _save_state(host: Host, domain: SambaDomain, names: Mapping[str, str]) -> None:
    """Save the names of the present Group Policy objects, and hashes of their permissions that are right."""
    path_by_fingerprint: dict[str, str] = {}  # by hash of permissions: one path that has them
    for guid in names:
        for path in OWN_PATHS:
            full_path = join_gpo_path(domain.make_gpo_folder(guid), path)
            path_by_fingerprint.setdefault(permissions.compute_permissions_hash(host, full_path), full_path)
    path_by_fingerprint.pop("", None)
    right_fingerprints = [
        fingerprint
        for fingerprint, path in path_by_fingerprint.items()
        if not permissions.find_permission_defects(
            permissions.read_file_descriptor(host, path), permissions.FILES_DESCRIPTOR
        )
    ]
    state.write_state(host, state.GroupPolicyState(names, right_fingerprints))

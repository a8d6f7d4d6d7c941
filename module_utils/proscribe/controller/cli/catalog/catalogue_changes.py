"""Changes that a trusted list makes in the files of a catalogue: values, day of the check, comparison record.

A list changes files of one catalogue directory only. This is the directory whose publishers.yml names the list, or the
one of `--into`. For an entry of another directory, the list changes an amendment in this directory. An amendment
is a file that adds values to an entry, or removes some of them. For a feed of another directory, the list writes a feed
into this directory that replaces the other one. Each change is a difference to the file's own values, so the values of
amendments stay in the amendments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.amendments import FOLDER as AMENDS
from ...compile.catalogue.catalogue_loader import Service
from ...compile.catalogue.entry_types import Compared
from ...compile.catalogue.feeds import FOLDER as FEEDS
from ...compile.catalogue.feeds import Feed
from ...compile.reading.networks import NetworkTable, merge_networks, parse_network
from ...report.text.wording import format_count
from .amendment_proposal import propose_names
from .file_editor import FORM_ERROR, EditError, KeyContent, change_keys, parse_data
from .list_checks import CheckedList
from .list_formats import ListFormatError
from .loaded_catalogue import LoadedCatalogue

_AMENDMENT = "---\namends: {id}\nsources:\n  - lists of publishers, each under `compared` with its day\n"
_DATE_KEYS = {"networks": "networks_checked", "domains": "checked"}


class CatalogueChange(NamedTuple):
    """The change that a list makes: the file, the values added and removed, and the new texts."""

    path: Path  # the file that has the values
    added: list[str]
    removed: list[str]
    new_texts: dict[Path, str]  # by path: the new text of each file to write
    earlier_count: int  # values before the change, of which `--max-change` is a share
    left_out_note: str = ""  # text about names left out; "" for none


def make_feed_files(
    feed: Feed, lists: Sequence[CheckedList], lines: Sequence[str], directory: Path
) -> tuple[Path, dict[Path, str]]:
    """Return the path of a feed's value file, and by path the new texts of both files of the feed.

    The value file (`<id>.txt`) has its earlier comments at the top, then `lines`. The description (`<id>.yml`) records
    the comparison with `lists`. If the feed is in another directory, the files are new ones in `directory`, and the
    description has `replaces: true`. Raises EditError for a description that no program can edit.
    """
    feed_path = Path(feed.file)
    text = feed_path.read_text(encoding="utf-8")
    old_text = feed_path.with_suffix(".txt").read_text(encoding="ascii")
    changes: dict[str, KeyContent] = dict(_make_date_changes(parse_data(text), "checked", lists))
    if not _is_within(feed_path, directory):
        feed_path = directory / FEEDS / feed_path.name
        changes["replaces"] = "true"
    header = [line for line in old_text.split("\n") if line.startswith("#")]
    list_path = feed_path.with_suffix(".txt")
    return list_path, {list_path: "\n".join([*header, *lines, ""]), feed_path: change_keys(text, changes)}


def make_list_change(feed: Feed, checked_list: CheckedList, directory: Path) -> CatalogueChange:
    """Return the change that gives a feed the values of its only publisher's list."""
    values = checked_list.values
    list_path, text = make_feed_files(feed, [checked_list], values, directory)
    return CatalogueChange(list_path, *_compare_values(feed.values, values), text, len(feed.values))


def make_domain_change(checked_list: CheckedList, loaded: LoadedCatalogue, directory: Path) -> CatalogueChange:
    """Return the change that adds to an entry the names that a list has and the entry lacks.

    No name is removed, because other lists may have it. Decisions of the entry stay: names that the entry shares or has
    refused are not added. `earlier_count` of the change is the number of the list's other names, at least 1.
    """
    service = loaded.find_service(checked_list.publisher.of)
    new_names = propose_names(service, checked_list.values).added
    path, text = _make_entry_file(service, "domains", sorted({*service.domains, *new_names}), [checked_list], directory)
    return CatalogueChange(path, new_names, [], {path: text}, max(len(checked_list.values) - len(new_names), 1))


def make_network_change(lists: Sequence[CheckedList], loaded: LoadedCatalogue, directory: Path) -> CatalogueChange:
    """Return the change of an entry's networks by the lists of one publisher or several.

    The entry gets the networks of the only list. If publishers.yml has `adds: false` for the lists, the entry gets no
    new network. Then it loses each network that no list covers.
    """
    service = loaded.find_service(lists[0].publisher.of)
    desired = lists[0].values if lists[0].publisher.adds else _select_covered_networks(service.networks, lists)
    # The same addresses, split into other networks, are no change.
    if set(merge_networks(desired)) == set(merge_networks(service.networks)):
        desired = list(service.networks)
    path, text = _make_entry_file(service, "networks", desired, lists, directory)
    return CatalogueChange(path, *_compare_values(service.networks, desired), {path: text}, len(service.networks))


def _select_covered_networks(networks: Sequence[str], lists: Sequence[CheckedList]) -> list[str]:
    """Return the networks that lie entirely within a network of the lists. Raises ListFormatError if there are none."""
    merged_networks = merge_networks(network_text for checked_list in lists for network_text in checked_list.values)
    table = NetworkTable({network_text: network_text for network_text in merged_networks})
    covered_networks = []
    for network_text in networks:
        covering_network = table.find_text(parse_network(network_text))
        if covering_network and _is_subnet(network_text, covering_network):
            covered_networks.append(network_text)
    if not covered_networks:
        raise ListFormatError(
            f"it covers none of the {format_count(len(networks), 'network')} of {lists[0].publisher.of}"
        )
    return covered_networks


def _is_subnet(network_text: str, covering_network: str) -> bool:
    """Return whether a network lies entirely within another one."""
    inner, outer = parse_network(network_text), parse_network(covering_network)
    return outer.prefixlen <= inner.prefixlen and outer.supernet_of(inner)  # type: ignore[arg-type]


def _make_entry_file(
    service: Service, key: str, desired: Sequence[str], lists: Sequence[CheckedList], directory: Path
) -> tuple[Path, str]:
    """Return the path and the new text of the file that gives an entry the desired values of a key.

    The file is the entry's own if it is in `directory`, else the entry's amendment in `directory`. `key` is `domains`
    or `networks`. The text also records the comparison with `lists`. Raises EditError for a file that no program can
    edit.
    """
    current_values: tuple[str, ...] = getattr(service, key)
    path = Path(service.file)
    if _is_within(path, directory):
        text = path.read_text(encoding="utf-8")
        data = parse_data(text)
        own_values = _read_texts(data, key)
        amended_values = set(current_values) - set(own_values)  # values that amendments add: they stay there
        new_values = [desired_value for desired_value in desired if desired_value not in amended_values]
        # If the values stay the same, the key is left as it is, with its order and its comments.
        changes: dict[str, KeyContent] = (
            {key: new_values} if set(desired) != set(current_values) and new_values != own_values else {}
        )
    else:
        path = directory / AMENDS / path.name
        text = path.read_text(encoding="utf-8") if path.exists() else _AMENDMENT.format(id=service.id)
        data = parse_data(text)
        changes = _make_amendment_changes(
            data, key, *_compare_values(current_values, desired), _read_texts(service.unverified, key)
        )
    return path, change_keys(text, {**changes, **_make_date_changes(data, _DATE_KEYS[key], lists)})


def _make_amendment_changes(
    amendment: Mapping[str, object], key: str, added: Iterable[str], removed: Iterable[str], unverified: Sequence[str]
) -> dict[str, KeyContent]:
    """Return the new content of those parts of an amendment that have to change: `add`, `accept`, `remove`.

    With it, the amendment adds the values `added` to the entry's key `key`, and removes the values `removed`. A value
    in `unverified`, the entry's unverified values, is accepted instead of added. If the amendment already has an
    opposite value, it loses that value instead. For example, a value to add is taken out of `remove`. Raises EditError
    for an amendment of another form.
    """
    parts = {part: dict(_read_mapping(amendment, part)) for part in ("add", "accept", "remove")}
    values_by_part = {part: _read_texts(part_content, key) for part, part_content in parts.items()}
    for changed_value in added:
        if changed_value in values_by_part["remove"]:
            values_by_part["remove"].remove(changed_value)
        else:
            values_by_part["accept" if changed_value in unverified else "add"].append(changed_value)
    for changed_value in removed:
        part_name = next((part for part in ("add", "accept") if changed_value in values_by_part[part]), "")
        values_by_part[part_name].remove(changed_value) if part_name else values_by_part["remove"].append(changed_value)
    changed_parts: dict[str, KeyContent] = {}
    for part, part_content in parts.items():
        if values_by_part[part] != _read_texts(part_content, key):
            part_content = {**part_content, key: values_by_part[part]}
            changed_parts[part] = {name: key_values for name, key_values in part_content.items() if key_values}
    return changed_parts


def _make_date_changes(data: Mapping[str, object], key: str, lists: Sequence[CheckedList]) -> dict[str, KeyContent]:
    """Return the new content of the keys that record a file's comparison with lists: the day, and `compared`.

    `key` is the key of the day: `checked` or `networks_checked`. `compared` has one record for each list, also of
    earlier comparisons with other lists. Raises EditError if `compared` is no list.
    """
    records: dict[str, Compared] = {}
    compared = data.get("compared", [])
    if not isinstance(compared, list):
        raise EditError(FORM_ERROR)
    for comparison in (*compared, *(checked_list.comparison for checked_list in lists)):
        records[comparison["with"]] = comparison
    # The file may have a later day, from a comparison with another list. So the day never becomes earlier.
    day = max(str(data.get(key, "")), min(comparison.fetched.day for comparison in lists).isoformat())
    return {key: day, "compared": list(records.values())}


def _compare_values(earlier_values: Iterable[str], later_values: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the values that are new and the values that are gone, both sorted."""
    old_values, new_values = set(earlier_values), set(later_values)
    return sorted(new_values - old_values), sorted(old_values - new_values)


def _read_mapping(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return the mapping that a file has under a key; {} if the key is missing.

    Raises EditError for any other value.
    """
    mapping = data.get(key, {})
    if not isinstance(mapping, Mapping):
        raise EditError(FORM_ERROR)
    return mapping


def _read_texts(data: Mapping[str, object], key: str) -> list[str]:
    """Return the list that a file has under a key, as texts; [] if the key is missing.

    Raises EditError for any other value.
    """
    texts = data.get(key, [])
    if not isinstance(texts, list | tuple):
        raise EditError(FORM_ERROR)
    return [str(text) for text in texts]


def _is_within(file: Path, directory: Path) -> bool:
    return file.resolve().is_relative_to(directory.resolve())

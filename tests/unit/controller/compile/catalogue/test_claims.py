"""Who may block which name: what would break others is refused, and so is what two services claim unaware."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.catalogue.claims import above
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.policy_errors import PolicyErrors

OWN = Path(__file__).resolve().parents[5] / "catalog"
IF_MEANT = "(name each other in overlaps_with if both are meant)"


def build_entry(id_: str, **keys: object) -> dict[str, object]:
    start = {"id": id_, "name": id_, "category": "webmail", "vendor": "Example", "audience": "both", "enforce": True}
    return {**start, **keys, "sources": ["a test"]}


def write_entries(directory: Path, *entries: dict[str, object]) -> Path:
    (directory / "webmail").mkdir(parents=True)
    for item in entries:
        (directory / "webmail" / f"{item['id']}.yml").write_text(yaml.safe_dump(item, sort_keys=False))
    return directory


def find_mistakes(*directories: Path) -> list[tuple[str, str, object, str]]:
    """The mistakes of a load: file name, key, value, expected."""
    try:
        load(directories)
    except PolicyErrors as wrong:
        return [(Path(e.where.rpartition(":")[0]).name, e.key, e.value, e.expected) for e in wrong.errors]
    return []


@pytest.mark.parametrize(
    ("key", "name", "carries"),
    [
        ("domains", "google.com", "google.com carries search, maps"),
        ("domains", "live.com", "live.com carries"),
        ("domains", "cloudfront.net", "cloudfront.net carries other companies' sites"),
        ("domains", "core.windows.net", "blob.core.windows.net carries"),  # a name above a shared one
        ("domains", "s3.amazonaws.com", "s3.amazonaws.com carries"),
        ("urls", "sharepoint.com", "sharepoint.com carries"),
        ("mail_hosts", "outlook.office365.com", "outlook.office365.com carries Exchange"),
        ("domains", "debian.org", "debian.org carries the packages"),
    ],
)
def test_a_name_that_permitted_services_stand_on_is_never_blocked(
    key: str, name: str, carries: str, tmp_path: Path
) -> None:
    # Not even by an entry that claims to know of it.
    entry = build_entry("owl", **{key: [name]}, overlaps_with=["gmail", "outlook_com"])
    ((*place, expected),) = find_mistakes(OWN, write_entries(tmp_path / "own", entry))
    assert place == ["owl.yml", f"{key}[0]", name]
    assert expected.startswith(f"a name of this service alone: {carries}")


@pytest.mark.parametrize(
    ("key", "name", "other", "shared"),
    [
        ("domains", "yahoo.com", "yahoo_mail", "yahoo.com"),
        ("domains", "zoho.com", "zoho_workdrive", "zoho.com"),
        ("domains", "gtimg.cn", "qq", "gtimg.cn"),
        ("urls", "outlook.com", "outlook_com", "outlook.com"),
        ("domains", "office.net", "teams_personal", "teams.cdn.office.net"),
    ],
)
def test_name_that_a_service_calls_shared_is_blocked_by_no_other(
    key: str, name: str, other: str, shared: str, tmp_path: Path
) -> None:
    directory = write_entries(tmp_path / "own", build_entry("owl", **{key: [name]}))
    expected = f"a name of this service alone: {other} says that {shared} is shared {IF_MEANT}"
    assert find_mistakes(OWN, directory) == [("owl.yml", f"{key}[0]", name, expected)]


def test_a_shared_name_below_an_own_domain_has_to_be_excepted(tmp_path: Path) -> None:
    own = build_entry("owl", domains=["owl.example"], shared_domains=["work.owl.example"])
    says = "shared_domains[0] says that work.owl.example is shared (or except that in allow_domains)"
    expected = f"a name of this service alone: {says}"
    assert find_mistakes(write_entries(tmp_path / "a", own)) == [("owl.yml", "domains[0]", "owl.example", expected)]
    assert find_mistakes(write_entries(tmp_path / "b", {**own, "allow_domains": ["work.owl.example"]})) == []


def test_the_organisation_cannot_call_shared_what_the_project_blocks_without_saying_so(tmp_path: Path) -> None:
    own = build_entry("owl", domains=["owl.example"], shared_domains=["drive.google.com"])
    expected = f"a name that no service blocks: google_drive blocks drive.google.com {IF_MEANT}"
    assert find_mistakes(OWN, write_entries(tmp_path / "a", own)) == [
        ("owl.yml", "shared_domains[0]", "drive.google.com", expected)
    ]
    assert find_mistakes(OWN, write_entries(tmp_path / "b", {**own, "overlaps_with": ["google_drive"]})) == []


HAS = "a domain that no other service has: {} has {} " + IF_MEANT


def test_the_organisation_s_entry_gives_way_to_the_project_s_own(tmp_path: Path) -> None:
    for number, domain in enumerate(("whatsapp.com", "web.whatsapp.com")):
        directory = write_entries(tmp_path / str(number), build_entry("owl", domains=["owl.example", domain]))
        assert find_mistakes(OWN, directory) == [
            ("owl.yml", "domains[1]", domain, HAS.format("whatsapp", "whatsapp.com"))
        ]
    above_it = write_entries(
        tmp_path / "above", build_entry("owl", domains=["weiyun.com.example", "kakao.com.example"])
    )
    assert find_mistakes(OWN, above_it) == []


def test_the_organisation_s_entry_above_a_project_s_domain_is_reported_at_its_own_file(tmp_path: Path) -> None:
    directory = write_entries(tmp_path / "own", build_entry("owl", domains=["switch.ch"]))
    assert find_mistakes(OWN, directory) == [
        ("owl.yml", "domains[0]", "switch.ch", HAS.format("doh_other", "dns.switch.ch"))
    ]


def test_a_service_does_not_overlap_with_itself(tmp_path: Path) -> None:
    directory = write_entries(tmp_path / "own", build_entry("owl", domains=["owl.example"], overlaps_with=["owl"]))
    assert [mistake[1:3] for mistake in find_mistakes(directory)] == [("overlaps_with[0]", "owl")]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(".".join))
def test_above_gives_the_name_itself_and_every_name_it_lies_under(name: str) -> None:
    names = above(name)
    assert names[0] == name
    assert len(names) == name.count(".") + 1
    assert all(("." + name).endswith("." + other) for other in names)

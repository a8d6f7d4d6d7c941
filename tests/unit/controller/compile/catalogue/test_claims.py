"""Who may block which name: what would break others is refused, and so is what two services claim unaware."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.catalogue.claims import SHARED, above
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.policy_errors import Described, PolicyError, PolicyErrors, close_to, shown

OWN = Path(__file__).resolve().parents[5] / "catalog"
IF_MEANT = "(name each other in overlaps_with if both are meant)"


def entry(id_: str, **keys: object) -> dict[str, object]:
    start = {"id": id_, "name": id_, "category": "webmail", "vendor": "Example", "audience": "both", "enforce": True}
    return {**start, **keys, "sources": ["a test"]}


def put(directory: Path, *entries: dict[str, object]) -> Path:
    (directory / "webmail").mkdir(parents=True)
    for item in entries:
        (directory / "webmail" / f"{item['id']}.yml").write_text(yaml.safe_dump(item, sort_keys=False))
    return directory


def mistakes_of(*directories: Path) -> list[tuple[str, str, object, str]]:
    """The mistakes of a load: file name, key, value, expected."""
    try:
        load(directories)
    except PolicyErrors as wrong:
        return [(Path(e.where.rpartition(":")[0]).name, e.key, e.value, e.expected) for e in wrong.errors]
    return []


@pytest.mark.parametrize(
    ("key", "name", "why"),
    [
        ("domains", "google.com", "google.com carries search, maps and the sign-in of other sites"),
        ("domains", "live.com", f"live.com carries {SHARED['live.com']}"),
        ("domains", "cloudfront.net", "cloudfront.net carries other companies' sites"),
        ("domains", "core.windows.net", "blob.core.windows.net carries other companies' files and programs"),
        ("domains", "s3.amazonaws.com", "s3.amazonaws.com carries other companies' files and programs"),
        ("urls", "sharepoint.com", "sharepoint.com carries SharePoint and OneDrive for Business"),
        ("mail_hosts", "outlook.office365.com", "outlook.office365.com carries Exchange Online"),
        ("domains", "debian.org", "debian.org carries the packages of Debian"),
    ],
)  # fmt: skip
def test_a_name_that_permitted_services_stand_on_is_never_blocked(
    key: str, name: str, why: str, tmp_path: Path
) -> None:
    # Not even by an entry that claims to know what it does.
    directory = put(tmp_path / "own", entry("owl", **{key: [name]}, overlaps_with=["gmail", "outlook_com"]))
    assert mistakes_of(OWN, directory) == [("owl.yml", f"{key}[0]", name, f"a name of this service alone: {why}")]


def test_every_shared_name_is_guarded_by_itself(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("owl", domains=sorted(SHARED)))
    assert {value for _, _, value, expected in mistakes_of(directory) if "of this service alone" in expected} == set(
        SHARED
    )


def test_a_page_on_a_shared_host_and_a_host_below_one_are_fine(tmp_path: Path) -> None:
    own = entry("owl", urls=["www.google.com/owl", "google.com/owl"], domains=["owl.google.com", "owl.cloudfront.net"])
    assert mistakes_of(put(tmp_path / "own", own)) == []


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
def test_what_one_service_says_is_shared_no_other_blocks(
    key: str, name: str, other: str, shared: str, tmp_path: Path
) -> None:
    directory = put(tmp_path / "own", entry("owl", **{key: [name]}))
    expected = f"a name of this service alone: {other} says that {shared} is shared {IF_MEANT}"
    assert mistakes_of(OWN, directory) == [("owl.yml", f"{key}[0]", name, expected)]


def test_a_shared_name_may_be_excepted(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("owl", domains=["owl.example"], allow_domains=["work.owl.example"]))
    more = put(tmp_path / "more", entry("hawk", shared_domains=["work.owl.example", "api.work.owl.example"]))
    assert mistakes_of(directory, more) == []


def test_a_shared_name_below_an_own_domain_has_to_be_excepted(tmp_path: Path) -> None:
    own = entry("owl", domains=["owl.example"], shared_domains=["work.owl.example"])
    says = "shared_domains[0] says that work.owl.example is shared (or except that in allow_domains)"
    expected = f"a name of this service alone: {says}"
    assert mistakes_of(put(tmp_path / "a", own)) == [("owl.yml", "domains[0]", "owl.example", expected)]
    assert mistakes_of(put(tmp_path / "b", {**own, "allow_domains": ["work.owl.example"]})) == []


def test_a_mail_host_may_be_shared(tmp_path: Path) -> None:
    own = entry("owl", mail_hosts=["imap.example.com"], shared_domains=["imap.example.com"])
    assert mistakes_of(put(tmp_path / "own", own)) == []


def test_the_organisation_cannot_call_shared_what_the_project_blocks_without_saying_so(tmp_path: Path) -> None:
    own = entry("owl", domains=["owl.example"], shared_domains=["drive.google.com"])
    expected = f"a name that no service blocks: google_drive blocks drive.google.com {IF_MEANT}"
    assert mistakes_of(OWN, put(tmp_path / "a", own)) == [
        ("owl.yml", "shared_domains[0]", "drive.google.com", expected)
    ]
    assert mistakes_of(OWN, put(tmp_path / "b", {**own, "overlaps_with": ["google_drive"]})) == []


# -- claimed twice ----------------------------------------------------------------------------------------------------

HAS = "a domain that no other service has: {} has {} " + IF_MEANT


@pytest.mark.parametrize(
    ("hawk", "owl", "expected"),
    [
        ("bird.example", "bird.example", ("owl.yml", "bird.example", "hawk")),
        ("bird.example", "a.bird.example", ("owl.yml", "a.bird.example", "hawk")),
        ("a.bird.example", "bird.example", ("hawk.yml", "a.bird.example", "owl")),
        ("blackbird.example", "bird.example", None),
    ],
)
@pytest.mark.parametrize("agreed", ["", "hawk", "owl", "both"])
def test_two_services_share_a_domain_only_if_both_name_each_other(
    hawk: str, owl: str, expected: tuple[str, str, str] | None, agreed: str, tmp_path: Path
) -> None:
    one, other = entry("hawk", domains=[hawk]), entry("owl", domains=[owl])
    if agreed in ("hawk", "both"):
        one["overlaps_with"] = ["owl"]
    if agreed in ("owl", "both"):
        other["overlaps_with"] = ["hawk"]
    mistakes = []
    if expected and agreed != "both":
        file, domain, taken_by = expected
        mistakes.append((file, "domains[0]", domain, HAS.format(taken_by, "bird.example")))
    assert mistakes_of(put(tmp_path / "own", one, other)) == mistakes


def test_the_organisation_s_entry_gives_way_to_the_project_s_own(tmp_path: Path) -> None:
    for number, domain in enumerate(("whatsapp.com", "web.whatsapp.com")):
        directory = put(tmp_path / str(number), entry("owl", domains=["owl.example", domain]))
        assert mistakes_of(OWN, directory) == [
            ("owl.yml", "domains[1]", domain, HAS.format("whatsapp", "whatsapp.com"))
        ]
    above_it = put(tmp_path / "above", entry("owl", domains=["weiyun.com.example", "kakao.com.example"]))
    assert mistakes_of(OWN, above_it) == []


def test_the_organisation_s_entry_alone_can_agree_to_an_overlap(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("owl", domains=["web.whatsapp.com"], overlaps_with=["whatsapp"]))
    assert mistakes_of(OWN, directory) == []


def test_the_organisation_s_entry_above_a_project_s_domain_is_reported_at_its_own_file(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("owl", domains=["switch.ch"]))
    assert mistakes_of(OWN, directory) == [
        ("owl.yml", "domains[0]", "switch.ch", HAS.format("doh_other", "dns.switch.ch"))
    ]


def test_an_id_is_used_once_and_both_files_are_named(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("gmail", domains=["owl.example"]))
    expected = f"an id of its own; {OWN}/webmail/gmail.yml has this one"
    assert mistakes_of(OWN, directory) == [("gmail.yml", "id", "gmail", expected)]


def test_a_malformed_entry_is_still_one_that_others_may_name(tmp_path: Path) -> None:
    hawk = entry("hawk", domains=["bird.example"], overlaps_with=["owl"])
    owl = entry("owl", domains=["a.bird.example", "Bad"], overlaps_with=["hawk"])
    assert [mistake[:3] for mistake in mistakes_of(put(tmp_path / "own", hawk, owl))] == [
        ("owl.yml", "domains[1]", "Bad")
    ]


def test_a_service_does_not_overlap_with_itself(tmp_path: Path) -> None:
    directory = put(tmp_path / "own", entry("owl", domains=["owl.example"], overlaps_with=["owl"]))
    assert [mistake[1:3] for mistake in mistakes_of(directory)] == [("overlaps_with[0]", "owl")]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(".".join))
def test_above_gives_the_name_itself_and_every_name_it_lies_under(name: str) -> None:
    names = above(name)
    assert names[0] == name
    assert len(names) == name.count(".") + 1
    assert all(("." + name).endswith("." + other) for other in names)


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("mail google.com", "'mail google.com'"),
        ("a\nb\u202e", r"'a\nb\u202e'"),
        ("x" * 200, "'" + "x" * 79 + "..."),
        (None, "nothing"),
        ("", "nothing"),
        ([["a"]], "a list"),
        ({"a": 1}, "a mapping"),
        (True, "True"),
    ],
)
def test_a_wrong_value_is_shown_on_one_short_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_message_has_no_empty_parts() -> None:
    assert str(PolicyError("", "a", "b", "c")) == "a: found 'b', expected c"
    assert str(PolicyError("f", "", None, "c")) == "f: found nothing, expected c"
    assert str(PolicyErrors([PolicyError("f", "a", "b", "c"), PolicyError("g", "a", "b", "c")])).count("\n") == 1


def test_a_message_never_speaks_to_the_terminal() -> None:
    message = str(PolicyError("a\u202eb.yml", "key\x1b[2J", "x\n", "y"))
    assert message == r"a\u202eb.yml: key\x1b[2J: found 'x\\n', expected y"


def test_a_described_value_is_reported_without_quotes() -> None:
    assert (
        str(PolicyError("f", "a", Described("the key a second time"), "c"))
        == "f: a: found the key a second time, expected c"
    )


def test_close_words_are_offered_best_first() -> None:
    assert close_to("whatsap", ["telegram", "whatsapp"]) == ", did you mean 'whatsapp'?"
    assert close_to("qq_mall", ["qq_mail", "qq_maul"]) in (
        ", did you mean 'qq_mail' or 'qq_maul'?",
        ", did you mean 'qq_maul' or 'qq_mail'?",
    )
    assert close_to("xyz", ["whatsapp"]) == ""

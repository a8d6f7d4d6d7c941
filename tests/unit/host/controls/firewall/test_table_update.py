"""The table as nft lists it, and its replacement."""

import sys

import pytest
from firewall_hosts import BOOT_FILE, FirewallHost, make_section
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import exemptions, loaded_state, table_listing, table_update
from proscribe.host.controls.firewall.rule_syntax import FirewallExemptions
from proscribe.host.controls.firewall.ruleset import render_ruleset
from proscribe.host.controls.firewall.table_listing import (
    MAX_SHOWN_ELEMENTS,
    FirewallObservation,
    TablePart,
    TableParts,
    format_parts,
    observe_table,
    parse_table,
)
from proscribe.host.programs import LOAD_AND_LIST
from proscribe.host.system import ControlError, ObservationError, RulesetGeneration, ToolResult
from proscribe.model.finding import COMPLIANT, Finding

ONE, TWO = "203.0.113.1", "203.0.113.2"
WIDE, OTHER = "198.51.100.0/24", "192.0.2.0/24"


def test_large_set_is_shown_by_its_differences():
    def parts(*names: str) -> TableParts:
        return {
            ("set", "a"): TablePart(("type ipv4_addr",), frozenset(names)),
            ("chain", "b"): TablePart(("accept", "drop")),
        }

    head = "chain b\n    accept\n    drop\nset a\n    type ipv4_addr\n"
    many = [f"x{number}" for number in range(MAX_SHOWN_ELEMENTS)]
    assert format_parts(parts("2", "1")) == f"{head}    1\n    2\n"
    assert format_parts(parts(*many), parts(*many)) == head + "".join(f"    {name}\n" for name in sorted(many))
    assert format_parts(parts(*many, "y"), parts(*many)) == f"{head}    y\n"
    assert format_parts(parts(*many, "y"), {}) == head + "".join(f"    {name}\n" for name in sorted([*many, "y"]))


def text_of(*networks: str, **more: list[str]) -> str:
    section = make_section({"telegram": list(networks), **more}, dns_over_tls="blocked")
    return render_ruleset(section, FirewallExemptions())


TEXT = text_of("203.0.113.7")
LIST = ["nft", "list", "table", "inet", "proscribe"]
ALONE = ["unshare", "-n", sys.executable, "-I", "-S", "-c", LOAD_AND_LIST, "nft", "proscribe"]


@pytest.fixture
def host(tmp_path):
    host = FirewallHost(tmp_path, table=TEXT)
    host.generation = RulesetGeneration(7, "boot net:[1]")
    return host


@pytest.mark.parametrize(
    ("err", "error", "said"),
    [
        ("Error: Operation not permitted", ObservationError, "only be listed by root with CAP_NET_ADMIN"),
        ("x" * 400 + "\n  dumped", ControlError, f"^nft cannot list the table inet proscribe: {'x' * 293} dumped$"),
    ],
)
def test_failed_listing_is_unseen_or_an_error(host, err, error, said):
    host.answers["list"] = ToolResult(1, "", err)
    with pytest.raises(error, match=said):
        table_listing.list_table_parts(host, "nft")


def test_another_spelling_is_compared_as_this_host_lists_it(host):
    other = TEXT.replace("jump restricted", "goto restricted")
    host.answers |= {"list": ToolResult(0, other, ""), "unshare": ToolResult(0, other, "")}
    assert observe_table(host, "nft", TEXT).is_right and (host.ran, host.inputs[-1]) == ([LIST, ALONE], TEXT)
    host.answers["unshare"] = ToolResult(1, "", "Error: syntax\n  error")
    with pytest.raises(ControlError, match="^nft does not take the ruleset: Error: syntax error$"):
        observe_table(host, "nft", TEXT)
    host.answers["unshare"] = ToolResult(1, "", "unshare: unshare failed")
    seen = observe_table(host, "nft", TEXT)
    expected = ({"ruleset": []}, table_listing.NO_NAMESPACE_REASON, False)
    assert (seen.findings_by_rule, seen.unseen_reason, seen.is_right) == expected


def test_superfluous_and_missing_tables_are_reported(host):
    gone = Finding("table", "proscribe", manager="nftables", path="inet proscribe", detail="not loaded")
    extra = gone._replace(detail="loaded, though nothing is to be refused")
    assert observe_table(host, "nft", "").findings_by_rule == {"ruleset": [extra]}
    host.answers["list"] = ToolResult(0, "", "")
    rules = ("dns-over-tls", "ruleset", "telegram")
    assert observe_table(host, "nft", TEXT).findings_by_rule == dict.fromkeys(rules, [gone])
    assert observe_table(host, "nft", "").findings_by_rule == {}


def test_unchanged_table_is_read_by_its_counters(host):
    host.answers["counters"] = ToolResult(0, "counter refused_telegram { packets 2 bytes 120 }", "")
    counters = ["nft", "list", "counters", "table", "inet", "proscribe"]
    assert observe_table(host, "nft", TEXT, TEXT)[:3] == (table_listing.parse_table(TEXT), {}, "")
    assert host.ran == [LIST]
    loaded_state.save_loaded_state(host, TEXT, host.generation)
    host.ran.clear()
    assert observe_table(host, "nft", TEXT, TEXT) == ({}, {}, "", {"telegram": (2, 120)}, host.generation)
    assert host.ran == [counters]
    seen = observe_table(host, "nft", text_of("203.0.113.7", "203.0.113.8"), TEXT)
    assert seen.loaded_parts == table_listing.parse_table(TEXT)
    expected = ["1 missing: 203.0.113.8", "1 missing: ::203.0.113.8", "1 missing: 0:cb00:7108::"]
    assert [finding.detail for finding in seen.findings_by_rule["telegram"]] == expected
    host.answers["counters"] = ToolResult(0, "", "")
    host.ran.clear()
    assert observe_table(host, "nft", TEXT, TEXT).is_right and host.ran == [counters, LIST]
    host.is_destination_refused = lambda *where: False  # type: ignore[method-assign]
    seen = observe_table(host, "nft", TEXT, TEXT)
    assert seen.findings_by_rule == {"ruleset": [table_listing.NO_EFFECT_FINDING]} and not seen.is_right
    host.answers["list"] = ToolResult(0, "", "")
    assert observe_table(host, "nft", "").is_right  # no witness is to be refused


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", text_of(ONE)),
        (text_of(ONE, WIDE), text_of(ONE, OTHER)),  # intervals
        (text_of(ONE), text_of(ONE, signal=[TWO])),  # another service
        (text_of(*(f"198.51.{n}.1" for n in range(200))), text_of(*(f"198.51.{n}.2" for n in range(200)))),  # all of it
        (text_of(ONE).replace("elements = { ", 'elements = { 203.0.113.9 comment "x", '), text_of(ONE)),  # not of ours
        (text_of(ONE).replace("elements = { ", 'elements = { 203.0.113.9 comment "x", '), text_of(ONE, TWO)),
    ],
)
def test_large_change_replaces_the_table(before, after):
    assert table_update.render_transaction(parse_table(before), {}, after) == after


@pytest.mark.parametrize(
    ("before", "after", "commands"),
    [
        ([ONE], [ONE], []),
        ([ONE], [ONE, TWO], [f"add hosts4 {TWO}", "add hosts4in96 ::203.0.113.2", "add hosts4in16 0:cb00:7102::"]),
        (["2001:db8::1"], ["2001:db8::2"], ["delete hosts6 2001:db8::1", "add hosts6 2001:db8::2"]),
    ],
)
def test_single_address_is_exchanged_in_place(before, after, commands):
    words = [command.split() for command in commands]
    expected = [f"{verb} element inet proscribe {name}_telegram {{ {address} }}\n" for verb, name, address in words]
    assert table_update.render_transaction(parse_table(text_of(*before)), {}, text_of(*after)) == "".join(expected)


def load(host: FirewallHost, generation: RulesetGeneration) -> None:
    observation = FirewallObservation(parse_table(text_of(ONE)), {}, generation=generation)
    table_update.load_table(host, "nft", observation, text_of(ONE, TWO))


def test_the_one_change_that_was_ours_is_known(host):
    host.generations_per_load = 1
    load(host, host.generation)
    assert loaded_state.is_table_unchanged(host, text_of(ONE, TWO))
    assert not loaded_state.is_table_unchanged(host, text_of(ONE))
    assert not loaded_state.is_table_alone(host, text_of(ONE, TWO))  # the other tables were not observed
    host.generation = host.generation.make_next()
    assert not loaded_state.is_table_unchanged(host, text_of(ONE, TWO))


def test_concurrent_change_of_tables_replaces_the_whole_table(host):
    host.generations_per_load = 2  # one of them is somebody else's
    loaded_state.save_loaded_state(host, text_of(ONE), host.generation)
    load(host, host.generation._replace(number=6))
    assert host.inputs == [text_of(ONE, TWO)] and host.read_text(loaded_state.STATE_PATH) is None


def test_a_table_that_the_kernel_does_not_take_is_an_error(host):
    host.answers["-f"] = ToolResult(1, "", "no")
    with pytest.raises(ControlError, match="ended with 1: no"):
        load(host, host.generation)


def test_observing_writes_nothing_and_what_is_learnt_is_saved_by_the_run(tmp_path, host):
    """An audit in check mode, or of a user, observes too. Only what a run saves afterwards is written."""
    section = make_section({"telegram": [ONE]})
    text = render_ruleset(section, exemptions.collect_exemptions(host, section, ""))
    host.lay("/usr/sbin/nft", mode=0o755)
    host.answers["list"] = ToolResult(0, text, "")
    host.lay(BOOT_FILE, text)
    before = sorted(tmp_path.rglob("*"))
    verdicts = {verdict.rule: verdict.state for verdict in firewall.observe(host, {"controls": {"firewall": section}})}
    assert verdicts["firewall/telegram"] == COMPLIANT and sorted(tmp_path.rglob("*")) == before
    for save in host.state_savers:
        save(False)
    assert loaded_state.is_table_unchanged(host, text) and loaded_state.is_table_alone(host, text)
    assert host.path(loaded_state.STATE_PATH).stat().st_mode & 0o777 == 0o600
    host.ran.clear()
    firewall.observe(host, {"controls": {"firewall": section}})
    assert [argv[1:3] for argv in host.ran if "nft" in argv[0]] == [["list", "counters"], ["list", "table"]]

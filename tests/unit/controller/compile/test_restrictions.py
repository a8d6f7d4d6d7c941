"""Restrictions: values of the inventory's variables, and the errors of wrong ones."""

import datetime

import pytest
from made_policy import made_catalogue, plan, restrictions
from mistakes import get_mistake
from proscribe.controller.compile.restrictions import (
    MAX_HINTED_LENGTH,
    RESTRICTIONS,
    channels,
    explain_quoting,
    read_restrictions,
    schedule_values,
)
from proscribe.controller.compile.restrictions.export_settings import FedExport, read_export_key, read_fed_exports
from proscribe.controller.compile.restrictions.group_restrictions import (
    GroupRestriction,
    describe_open_services,
    find_group_mistakes,
)
from proscribe.controller.compile.restrictions.rollout_values import read_max_change
from proscribe.controller.compile.restrictions.variable_typos import guess_intended_variable
from proscribe.controller.policy_errors import PolicyErrors, UnexpectedValue


def read(**values: object):
    variables = {f"proscribe_{name}": value for name, value in values.items()}
    return read_restrictions(variables, lambda name: f"all.yml ({name})")


ENFORCED = {"apps": "enforce", "browser": "enforce", "firewall": "enforce", "dns": "enforce"}
EVENTS = {"file": "", "journald": False, "syslog": False, "facility": "daemon", "send": "changes", "limit": 10_000}
WITH_ALL = {"file": "/var/log/e.jsonl", "syslog": True, "facility": "local3", "send": "all", "limit": 5}
PORTAL = "https://portal.example.org"
MORNING = datetime.datetime(2024, 10, 31, 8, tzinfo=datetime.timezone.utc)
GOOD_VALUES = [
    ("effective_from", "2027-01-02", datetime.date(2027, 1, 2)),
    # what is not named keeps being enforced; an unquoted off is false in YAML 1.1
    ("controls", {"dns": False}, {**ENFORCED, "dns": "off"}),
    ("exports", ["csv", "sarif_open"], ("csv", "sarif_open")),
    ("watch", "off", 0),
    ("watch", "1m", 60),
    ("watch", "1d", 86400),
    ("watch_max_age", "1d", 86400),
    ("watch_max_age", "365d", 365 * 86400),
    ("observe_timeout", "1m", 60),
    ("observe_timeout", "6h", 6 * 3600),
    *(("request_url", url, url) for url in (f"{PORTAL}/ask?from=proscribe", "https://[2001:db8::1]:8443/")),
    ("events", {}, {}),
    ("events", {"journald": "true"}, {**EVENTS, "journald": True}),
    ("events", WITH_ALL, {**EVENTS, **WITH_ALL}),
    ("events", {"file": f"/{'x' * 4094}"}, {**EVENTS, "file": f"/{'x' * 4094}"}),
    ("events", {"syslog": True, "limit": 1}, {**EVENTS, "syslog": True, "limit": 1}),
]


@pytest.mark.parametrize(("name", "value", "read_as"), GOOD_VALUES)
def test_a_good_value_is_read(name, value, read_as):
    assert getattr(read(**{name: value}), name) == read_as


NO_FILES = ("events.jsonl", "/var/log/../x", "/var/log/", "/var/log/\n", f"/{'x' * 4095}", True, "/", "", 7)
NO_URLS = ["http://portal.example.org/", f"{PORTAL}/\n", "https://user@portal.example.org/", "javascript:alert(1)"]
NO_URLS += [f"{PORTAL}/'\"><script>", [PORTAL]]
WRONG_VALUES = [
    ("exports", ["csv", "excel"], "[1]", "one of csv, events, junit"),
    ("exports", ["sarif", "sarif_open"], "[1]", "one of sarif and sarif_open: both are report.sarif"),
    ("events", True, "", "a mapping such as {file: /var/log/proscribe/events.jsonl, journald: true}"),
    ("events", {"fille": "/x"}, ".fille", "did you mean 'file'?"),
    *(("events", {"file": file}, ".file", "an absolute path") for file in NO_FILES),
    ("events", {"journald": "maybe"}, ".journald", "true or false"),
    ("events", {"syslog": True, "facility": "kern"}, ".facility", "one of user, daemon, auth"),
    ("events", {"syslog": True, "limit": 0}, ".limit", "a whole number of events of a run, 1 to"),
    ("events", {"journald": False, "limit": 5}, "", "one of file, journald, syslog beside these"),
    ("categories", "webmail", "", "a list of categories"),
    *(("effective_from", day, "", "a day such as 2024-10-31") for day in ("31.10.2024", MORNING, 20241031)),
    ("controls", {"apps": "enforced"}, ".apps", "did you mean 'enforce'?"),
    ("tenants", {"google": ["example.org\r\nX-Evil: 1"]}, ".google[0]", "a domain such as example.org"),
    ("audit_with", "sudo", "", "one of root, stored"),
    *(("waiver_max_days", days, "", "a whole number of days") for days in ("365", 0, True)),
    ("watch", "on", "", ", or off"),
    ("watch", "2d", "", "from 1 minute to 1 day, or off"),
    ("watch_max_age", "12h", "", "from 1 day to 365 days"),
    ("watch_max_age", "366d", "", "from 1 day to 365 days"),
    ("observe_timeout", "7h", "", "from 1 minute to 6 hours"),
    *(("request_url", url, "", "a URL such as https://") for url in NO_URLS),
    ("request_url", f"{PORTAL}/{'x' * 500}", "", "at most 500 characters"),
]


@pytest.mark.parametrize(("name", "value", "key", "expected"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(name, value, key, expected):
    error = get_mistake(read, **{name: value})
    assert (error.location, error.key) == (f"all.yml (proscribe_{name}{key})", f"proscribe_{name}{key}")
    assert expected in error.expected


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("end_grace", 0, 60), ("firewall_confirm_within", 10, 900), ("full_scan_every", 1, 1000)]
    + [("waiver_max_days", 1, 3660), ("firewall_local_ssh", 0, 1000)],
)
def test_number_is_taken_within_its_bounds(name, least, most):
    assert [getattr(read(**{name: value}), name) for value in (least, most)] == [least, most]
    for value in (least - 1, most + 1):
        assert f"{least} to {most}" in get_mistake(read, **{name: value}).expected


def test_every_mistake_is_reported_at_once():
    with pytest.raises(PolicyErrors) as raised:
        read(catagories=[], contact=3, compliance_gate="x")
    errors = {error.key: (error.location, error.found_value) for error in raised.value.errors}
    values = {"catagories": "proscribe_catagories", "contact": 3, "compliance_gate": "x"}
    assert errors == {f"proscribe_{key}": (f"all.yml (proscribe_{key})", value) for key, value in values.items()}
    assert raised.value.errors[0].expected.startswith("a known variable, did you mean 'proscribe_categories'")


def test_allowed_extensions_need_a_setting_that_refuses_others():
    allowed = ["a" * 32]
    assert read(browser_extensions_allowed=allowed).browser_extensions_allowed == ("a" * 32,)
    settings = {"proxy_extensions": "unmanaged"}
    with pytest.raises(PolicyErrors, match="allow_list or proxy_extensions: blocked in proscribe_browser_settings"):
        read(browser_extensions_allowed=allowed, browser_settings=settings)
    listed = {**settings, "extensions": "allow_list"}
    result = read(browser_extensions_allowed=allowed, browser_settings=listed).browser_settings
    assert result["extensions"] == "allow_list"


def test_a_service_both_included_and_excluded_is_a_mistake():
    error = get_mistake(read, services_include=["owl", "slack", "line"], services_exclude=["x", "x", "slack", "line"])
    key = "proscribe_services_exclude[3]"
    assert (error.location, error.key, error.found_value) == (f"all.yml ({key})", key, "line")
    assert error.expected == "a service that is not in proscribe_services_include too"


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ({}, "", "1 to 6 languages"),
        ({f"x{letter}": "x" for letter in "abcdefg"}, "", "1 to 6 languages"),
        ({"False": "Spør IT."}, ".False", "in quotes"),  # YAML's `no`
        ({"english": "x"}, ".english", "BCP 47"),
        ({"en": ""}, ".en", "the text in this language"),
        ({"en": "a\nb"}, ".en", "one line"),
        (["a"], "", "a mapping by language"),
    ],
)
def test_a_mistake_in_a_message_for_users_is_named_with_its_language(value, key, expected):
    error = get_mistake(read, user_notice=value)
    assert error.key == f"proscribe_user_notice{key}" and expected in error.expected


def test_a_probe_needs_root_and_an_audit_with_what_is_stored_has_none():
    assert read(audit_with="stored").probe is False and read(probe=True).audit_with == "root"
    mistake = get_mistake(read, audit_with="stored", probe=True)
    assert (mistake.key, mistake.found_value) == ("proscribe_probe", True)
    assert mistake.location == "all.yml (proscribe_probe)"
    assert "false with proscribe_audit_with: stored" in mistake.expected


# -- exports to the organisation's points
FORM = "a format, or {format, directory, group, access_log, url}"
ELSEWHERE = "an absolute path: scheduled runs start elsewhere"
BOTH = "a directory with both access_log and url, or with neither"
URL = "the path of the web server below which the directory is, such as /guests"
SERVED = {"format": "pac", "directory": "/srv/pac", "access_log": "/var/log/access", "url": "/guests"}
GOOD_FEEDS = [
    ([], ()),
    (["rpz"], (FedExport("rpz"),)),
    (("rpz", {"format": "rpz"}, "nft"), (FedExport("rpz"), FedExport("nft"))),
    ([{"format": "rpz", "directory": "/srv/rpz", "group": "lab"}], (FedExport("rpz", "/srv/rpz", "lab"),)),
    ([SERVED], (FedExport("pac", "/srv/pac", "", "/var/log/access", "/guests"),)),
    ([{**SERVED, "url": "/a/b_c~1/"}], (FedExport("pac", "/srv/pac", "", "/var/log/access", "/a/b_c~1/"),)),
    ([{"format": "rpz", "directory": f"/{n}"} for n in "ab"], (FedExport("rpz", "/a"), FedExport("rpz", "/b"))),
]


@pytest.mark.parametrize(("value", "fed"), GOOD_FEEDS)
def test_good_feeds_of_points_are_read(value, fed):
    assert read_fed_exports(value) == fed


@pytest.mark.parametrize(
    ("value", "key", "found", "expected"),
    [
        ("rpz", "", "rpz", f"a list, each of it {FORM}"),
        ([7], "[0]", 7, FORM),
        (["rpz", {}], "[1]", {}, FORM),
        ([{"directory": "/srv"}], "[0]", {"directory": "/srv"}, FORM),
        ([{"format": "rpz", "host": "a"}], "[0]", {"format": "rpz", "host": "a"}, FORM),
        ([{"format": "rpz", "directory": "srv"}], "[0].directory", "srv", ELSEWHERE),
        ([{"format": "rpz", "directory": "/srv", "group": "a\n"}], "[0].group", "a\n", "one line of at most 200"),
        ([{"format": "rpz", "group": "lab"}], "[0]", {"format": "rpz", "group": "lab"}, "a directory, of which"),
        *(([{**SERVED, "url": url}], "[0].url", url, URL) for url in ("guests", "https://a.example/b", "/a//b", 7)),
        ([{**SERVED, "url": ""}], "[0]", {**SERVED, "url": ""}, BOTH),
        ([{**SERVED, "access_log": None}], "[0]", {**SERVED, "access_log": None}, BOTH),
        ([SERVED, {"format": "rpz", "directory": "/srv/pac"}], "", "/srv/pac", "a directory of its own for each"),
    ],
)
def test_wrong_feed_of_a_point_is_refused(value, key, found, expected):
    mistake = get_mistake(read_fed_exports, value)
    assert (mistake.key, mistake.found_value) == (key, found) and mistake.expected.startswith(expected)


def test_key_that_signs_exports_is_an_absolute_path():
    for path in ("", "/etc/proscribe/export_key", "~/.ssh/export"):
        assert read_export_key(path) == path
    for wrong in ("export_key", "~root/key", "\n", 7):
        mistake = get_mistake(read_export_key, wrong)
        assert (mistake.key, mistake.found_value) == ("", wrong)


# -- misspelled variables
# Variables of roles and collections that are widely used, and others that only look alike.
OTHERS = """
    ansible_host chrony_ntp_servers describe_hosts inscribe_zone production_hosts promtail_config prompt_for_zone
    properties_file proscribe proscribed_domains proscribed_services proscriber_zone prosody_vhosts proxmox_hosts
    proxy_exclude proxy_services subscribe_events transcribe_zone vault_proscribe_history acme_proscribe_controls
    default_proscribe_watch proscenium_controls prospector_watch prose_watch process_services_include probe_watch
"""
MISSPELLED = [
    *((name, "proscribe_watch") for name in ("proscibe_watch", "PROSCRIBE_WATCH")),
    *((name, "proscribe_controls") for name in ("proscribe-controls", "proscribecontrols", "prosribe_contols")),
    ("proscribe", ""),
    ("proscribe_wacth", ""),  # has the prefix, and is refused for that
]


@pytest.mark.parametrize(("written", "meant"), MISSPELLED)
def test_a_name_close_to_one_of_ours_is_a_misspelled_one(written, meant):
    assert guess_intended_variable(written) == meant


def test_a_variable_of_another_product_is_none_of_ours():
    assert [name for name in OTHERS.split() if guess_intended_variable(name)] == []


# -- schedules
KEY = "ops@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
REPOSITORIES = ["https://git.example.org/it/proscribe.git", "ssh://git@git.example.org/proscribe"]
REPOSITORIES += ["git@git.example.org:it/proscribe.git", "ssh://git@git.example.org:22/x", "file:///srv/git"]
TAKEN = [
    (RESTRICTIONS["schedule"].read, False, "off"),
    (schedule_values.read_calendar, "Mon..Fri *-*-* 02:30:00", "Mon..Fri *-*-* 02:30:00"),
    (schedule_values.read_spread_seconds, "30m", 1800),
    (schedule_values.read_spread_seconds, "0", 0),
    (schedule_values.read_spread_seconds, 0, 0),
    (RESTRICTIONS["schedule_timeout"].read, "6h", 21600),
    (schedule_values.read_account, "", ""),
    (schedule_values.read_options, ("-e", "x=-i"), ("-e", "x=-i")),
    (schedule_values.read_calendar_or_none, "weekly", "weekly"),
    (schedule_values.read_calendar, "x" * 100, "x" * 100),
    (schedule_values.read_signers, [f"ops sk-{KEY[16:]}"], (f"ops sk-{KEY[16:]}",)),
    *((schedule_values.read_repository, url, url) for url in REPOSITORIES),
    (schedule_values.read_commit, "0123456789abcdef" * 4, "0123456789abcdef" * 4),
    (schedule_values.read_signers, [f'* namespaces="git" {KEY[16:]}'], (f'* namespaces="git" {KEY[16:]}',)),
    (channels.read_notify_channels, {"mail": "it@example.org"}, {"mail": "it@example.org"}),
]
NO_REPOSITORIES = ["ext::sh -c id", "/srv/a::b", "git@git.example.org", "--upload-pack=x", "ssh://-oProxyCommand=x/y"]
NO_REPOSITORIES += ["http://git.example.org/x", "/srv/a b"]
PASSWORDS = ["https://u:secret@git.example.org/x", "https://u:secret@[git.example.org/x"]

# The reader, the value, the key and the value of the mistake, and a part of what was expected.
REFUSED = [
    (RESTRICTIONS["schedule"].read, "contoller", "", "contoller", "did you mean 'controller'"),
    (schedule_values.read_calendar, "daily\nExecStart=/bin/sh", "", "daily\nExecStart=/bin/sh", "systemd.time"),
    (schedule_values.read_calendar, "x" * 101, "", "x" * 101, "systemd.time"),
    *((schedule_values.read_spread_seconds, value, "", value, "length of time") for value in (True, "-5m")),
    (schedule_values.read_options, "--forks 50", "", "--forks 50", "a list of options"),
    (schedule_values.read_options, ["--forks", 50], "[1]", 50, "in quotes"),
    (schedule_values.read_options, ["-i"], "[0]", "-i", "no option for inventory or hosts"),
    (schedule_values.read_options, ["x", "--inventory=y"], "[1]", "--inventory=y", "no option for inventory"),
    (schedule_values.read_options, ["a\nb"], "[0]", "a\nb", "printable"),
    (schedule_values.read_account, "root\nUser=x", "", "root\nUser=x", "account"),
    (schedule_values.read_directory, "srv", "", "srv", "absolute"),
    (schedule_values.read_program, "ansible-playbook", "", "ansible-playbook", "absolute"),
    *((schedule_values.read_inventory, path, "", path, "in the repository") for path in ("../elsewhere", "--help")),
    *((schedule_values.read_repository, url, "", url, "a git URL") for url in NO_REPOSITORIES),
    *((schedule_values.read_repository, url, "", "a URL with a password", "no password") for url in PASSWORDS),
    *((schedule_values.read_commit, name, "", name, "the whole name") for name in ("a" * 12, "--output=/etc/x")),
    (schedule_values.read_commit, 12345678, "", 12345678, "in quotes"),
    *((schedule_values.read_branch, name, "", name, "name of a branch") for name in ("-x", "a..b")),
    (schedule_values.read_signers, [KEY, "nobody"], "[1]", "nobody", "the public key"),
    *((schedule_values.read_signers, [key], "[0]", key, "the public key") for key in (f"{KEY}\n", KEY[16:])),
    (channels.read_notify_channels, {"mial": "x"}, ".mial", "mial", "did you mean 'mail'"),
    *((channels.read_notify_channels, {"mail": to}, ".mail", to, "one mail address") for to in ("-x", "a@b\nBcc: c@d")),
    (channels.read_notify_channels, {"webhook": "file:///etc/passwd"}, ".webhook", "something else", "http or https"),
]


@pytest.mark.parametrize(("read", "value", "expected"), TAKEN)
def test_good_value_of_a_schedule_is_read(read, value, expected):
    assert read(value) == expected


@pytest.mark.parametrize(("read", "value", "key", "found", "expected"), REFUSED)
def test_wrong_value_of_a_schedule_is_refused_at_its_key(read, value, key, found, expected):
    mistake = get_mistake(read, value)
    assert (mistake.key, mistake.found_value) == (key, found) and expected in mistake.expected


# -- limits of a run
@pytest.mark.parametrize(
    ("value", "hosts", "removals"),
    [
        ({}, "25%", "auto"),
        ({"hosts": "unlimited", "removals": "500"}, "unlimited", 500),
        ("unlimited", "unlimited", "unlimited"),
        ("50%", "50%", "auto"),
    ],
)
def test_max_change_is_read(value, hosts, removals):
    assert read_max_change(value) == {"hosts": hosts, "removals": removals}


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        ({"host": 3}, ".host", "did you mean 'hosts'?"),
        ({"hosts": -1}, "", "a number of hosts"),
        ({"removals": "10%"}, ".removals", "a number of removals"),
        ({"hosts": "101%", "removals": 3}, ".hosts", "a share such as '25%'"),  # of two, the wrong one is named
        (None, "", "unlimited"),
    ],
)
def test_invalid_max_change_is_reported(value, key, message):
    mistake = get_mistake(read_max_change, value)
    assert (mistake.key, message in mistake.expected) == (key, True)


# -- lists and mappings that came as text
LIST, MAPPING = "a list of categories", "a mapping such as {dns: audit}"
QUOTED = "without the quotes"
INI = "write v={meant} "


def give_advice(value: object, expected: str = LIST, place: str = "hosts.ini:3", key: str = "") -> str:
    return explain_quoting("v", UnexpectedValue(key, value, expected), place)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("group_vars/all.yml:7", QUOTED),
        ("host.json", QUOTED),
        ("<CLI option '-e'>", '-e \'{"v": ["webmail"]}\''),
        ("hosts.ini:3", INI.format(meant="['webmail']")),
    ],
)
def test_advice_on_quotes_fits_the_kind_of_file(place, message):
    assert message in give_advice("[webmail]", place=place)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", LIST), ("x" * (MAX_HINTED_LENGTH + 1), LIST), (["webmail"], LIST), ("[webmail", LIST), ('"a\\nb"', LIST)]
    + [("{dns: audit}", LIST), ("dns", MAPPING), ("webmail", "one line"), ("[[[a]]]", LIST)]
    + [("[2026-11-30]", LIST), ("{2026-11-30: c}", MAPPING)],
)
def test_other_mistake_gets_no_advice_on_quotes(value, expected):
    assert give_advice(value, expected) == ""


MEANT = [
    ("webmail", LIST, "['webmail']"),
    ("webmail, cloud_storage", LIST, "['webmail', 'cloud_storage']"),
    ("[1, 2.5, a, null, true]", LIST, "[1, 2.5, 'a', None, True]"),
    ("{google: [example.org]}", MAPPING, "{'google': ['example.org']}"),
    ("x" * MAX_HINTED_LENGTH, LIST, f"['{'x' * MAX_HINTED_LENGTH}']"),
]


@pytest.mark.parametrize(("value", "expected", "meant"), MEANT)
def test_text_is_shown_as_the_value_it_was_meant_to_be(value, expected, meant):
    assert INI.format(meant=meant) in give_advice(value, expected)


def test_advice_is_given_for_a_whole_value_of_the_right_kind_of_file():
    assert give_advice("[webmail]") and give_advice("[webmail]", key="[0]") == ""


# -- restrictions by group
BOTH_CONTROLS = ("apps", "firewall")
# What each control finds of a service.
FINDS = {"chat": "apps browser firewall dns", "pages": "browser dns", "program": "apps"}
FINDS |= {"browsed": "apps browser", "resolved": "apps dns"}
NOTHING = "a service of which {} can find programs or networks on this host: of this one nothing"
OPENED = "a service of which firewall can find networks on this host, or controls: [apps]"


def find_mistakes(*entries: GroupRestriction) -> list[tuple[str, str, object, str]]:
    result = find_group_mistakes(
        entries,
        [*FINDS, "left"],
        lambda id_: "nobody restricts it" if id_ == "left" else "",
        lambda control, id_: control in FINDS[id_].split(),
    )
    return [(error.location, error.key, error.found_value, error.expected) for error in result]


@pytest.mark.parametrize(
    ("service", "controls", "expected"),
    [
        ("chat", BOTH_CONTROLS, ""),
        ("program", ("apps",), ""),
        ("program", ("firewall",), NOTHING.format("firewall")),
        ("pages", BOTH_CONTROLS, NOTHING.format("apps or firewall")),
        ("browsed", BOTH_CONTROLS, OPENED),
        ("resolved", BOTH_CONTROLS, OPENED),
        ("left", BOTH_CONTROLS, "a service that is restricted on this host: nobody restricts it"),
        ("caht", BOTH_CONTROLS, "a service of the catalogue, did you mean 'chat'?"),
    ],
)
def test_service_that_leaves_members_open_is_refused(service, controls, expected):
    result = find_mistakes(GroupRestriction((service,), ("guests",), controls))
    key = "proscribe_groups_restricted[0].services[0]"
    assert [error[:3] for error in result] == ([("", key, service)] if expected else [])
    assert all(error[3].startswith(expected) for error in result)


def test_mistakes_have_their_places():
    entries = [GroupRestriction(ids, ("a",), BOTH_CONTROLS) for ids in (("chat", "left"), ("pages", "chat", "x"))]
    keys = [key.removeprefix("proscribe_groups_restricted") for _, key, _, _ in find_mistakes(*entries)]
    assert keys == ["[0].services[1]", "[1].services[0]", "[1].services[2]"]


@pytest.mark.parametrize(
    ("browser", "dns", "blind"), [("enforce", "audit", "browser and dns"), ("off", "audit", "dns"), ("off", "off", "")]
)
def test_controls_that_cannot_tell_users_apart_stay_open(browser, dns, blind):
    modes = {"apps": "enforce", "firewall": "enforce", "browser": browser, "dns": dns}
    entry = GroupRestriction(("chat", "mail"), ("board", "guests"), BOTH_CONTROLS)
    text = f"{blind} cannot tell users apart, and let the members of board, guests reach chat, mail too"
    assert list(describe_open_services([entry], modes)) == [text] * bool(blind)


VARIABLE = "proscribe_groups_restricted"
PARROT = {"services": ["parrot"], "groups": ["contractors"]}


@pytest.fixture(scope="module")
def made_services(tmp_path_factory):
    return made_catalogue(tmp_path_factory.mktemp("catalog"))


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        (PARROT, "", "a list of mappings such as {services: [telegram]"),
        ([PARROT] * 101, "", "at most 100"),
        (["parrot"], "[0]", "a mapping with keys out of services, groups, controls"),
        ([{**PARROT, "users": ["alice"]}], "[0].users", "a known key"),
        ([{"services": ["parrot"]}], "[0].groups", "a list of names of groups"),
        ([{"groups": ["contractors"]}], "[0].services", "a list of service ids"),
        ([{**PARROT, "services": "parrot"}], "[0].services", "a list of service ids"),
        ([PARROT, {**PARROT, "groups": []}], "[1].groups", "one at least"),
        ([{**PARROT, "groups": ['x" }']}], "[0].groups[0]", "the name of a group"),
        ([{**PARROT, "groups": [f"g{n}" for n in range(21)]}], "[0].groups", "at most 20"),
        ([{**PARROT, "controls": []}], "[0].controls", "one at least"),
        ([{**PARROT, "controls": ["app"]}], "[0].controls[0]", "did you mean 'apps'?"),
        # what cannot tell users apart says so
        ([{**PARROT, "controls": ["apps", "browser"]}], "[0].controls[1]", "browser policies apply to a whole host"),
    ],
)
def test_a_mistake_in_the_variable_is_named_with_its_place(value, key, expected):
    error = get_mistake(restrictions, groups_restricted=value)
    assert error.key == VARIABLE + key and expected in error.expected


@pytest.mark.parametrize(
    ("services", "more", "expected"),
    [
        (["parot"], {}, "[0].services[0]: a service of the catalogue, did you mean 'parrot'?"),
        (["parrot"], {"services_exclude": ["parrot"]}, "restricted on this host: proscribe_services_exclude names it"),
        (["parrot", "dodo"], {}, "[0].services[1]: a service that is restricted on this host: it is only reported"),
        (["parrot_work"], {}, "its audience, enterprise, is not among proscribe_audiences"),
        # only pages and names are known of it, which everybody on a host shares
        (["parrot_work"], {"services_include": ["parrot_work"]}, "can find programs or networks on this host: of this"),
        (["parrot"], {"controls": {"firewall": "off"}}, "or controls: [apps], for its programs alone: nothing would"),
        (["gull"], {"tenants": {"google": ["example.org"]}}, "nothing would be restricted"),
    ],
)
def test_service_that_no_control_restricts_for_some_users_is_refused(services, more, expected, made_services):
    error = get_mistake(plan, made_services, [], groups_restricted=[{**PARROT, "services": services}], **more)
    assert expected in f"{error.key}: {error.expected}" and error.key.startswith(VARIABLE)


def test_pages_are_opened_where_somebody_says_that_programs_are_all(made_services):
    more = {"controls": {"firewall": "off"}}
    result = plan(made_services, [], groups_restricted=[{**PARROT, "controls": ["apps"]}], **more)["controls"]
    assert [name for name, part in result.items() if "parrot" in part["services"]] == ["apps"]

"""Restrictions: what the inventory's variables say, and which errors wrong ones give."""

from __future__ import annotations

import datetime

import pytest
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors


def read(**values: object):
    return read_restrictions(
        {f"proscribe_{name}": value for name, value in values.items()}, lambda name: f"all.yml ({name})"
    )


ENFORCED = {"apps": "enforce", "browser": "enforce", "firewall": "enforce", "dns": "enforce"}
EVENTS = {"file": "", "journald": False, "syslog": False, "facility": "daemon", "send": "changes", "limit": 10_000}
WITH_ALL = {"file": "/var/log/e.jsonl", "syslog": True, "facility": "local3", "send": "all", "limit": 5}
PORTAL = "https://portal.example.org"
MORNING = datetime.datetime(2024, 10, 31, 8, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("effective_from", "2027-01-02", datetime.date(2027, 1, 2)),
        ("effective_from", datetime.date(2027, 1, 2), datetime.date(2027, 1, 2)),
        # what is not named keeps being enforced; an unquoted off is false in YAML 1.1
        ("controls", {"dns": False}, {**ENFORCED, "dns": "off"}),
        ("controls", {"apps": "audit"}, {**ENFORCED, "apps": "audit"}),
        ("tenants", {"google": ["example.org"]}, {"google": ("example.org",), "microsoft": ()}),
        ("services_include", ["slack", "slack"], ("slack",)),
        ("management", ["10.1.2.3", "2001:db8::/32"], ("10.1.2.3/32", "2001:db8::/32")),
        ("exports", ["csv", "sarif_open"], ("csv", "sarif_open")),
        ("exports", [], ()),
        ("watch", False, 0),
        ("watch", "off", 0),
        ("watch", "5m", 300),
        ("watch", "1d", 86400),
        ("watch", "1m", 60),
        ("watch_max_age", "1d", 86400),
        ("watch_max_age", "365d", 365 * 86400),
        ("observe_timeout", "1m", 60),
        ("observe_timeout", "6h", 6 * 3600),
        ("request_url", "", ""),
        *(("request_url", url, url) for url in (f"{PORTAL}/ask?from=proscribe", "https://[2001:db8::1]:8443/")),
        ("events", {}, {}),
        ("events", {"journald": "true"}, {**EVENTS, "journald": True}),
        ("events", WITH_ALL, {**EVENTS, **WITH_ALL}),
        ("events", {"file": f"/{'x' * 4094}"}, {**EVENTS, "file": f"/{'x' * 4094}"}),
        ("events", {"syslog": True, "limit": 1}, {**EVENTS, "syslog": True, "limit": 1}),
        *(
            ("events", {"syslog": True, "facility": word}, {**EVENTS, "syslog": True, "facility": word})
            for word in ("user", "auth", "authpriv", "local0", "local7")
        ),
    ],
)
def test_a_good_value_is_read(name, value, read_as):
    assert getattr(read(**{name: value}), name) == read_as


NO_FILES = ("events.jsonl", "/var/log/../x", "/var/log/", "/var/log/\n", f"/{'x' * 4095}", True, "/", "", 7)
NO_URLS = ["http://portal.example.org/", f"{PORTAL}/\n", "https://user@portal.example.org/", "javascript:alert(1)"]
NO_URLS += [f"{PORTAL}/'\"><script>", [PORTAL]]


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("exports", ["csv", "excel"], "[1]", "one of csv, events, junit"),
        ("exports", ["sarif", "sarif_open"], "[1]", "one of sarif and sarif_open: both are report.sarif"),
        ("events", True, "", "a mapping such as {file: /var/log/proscribe/events.jsonl, journald: true}"),
        ("events", {"fille": "/x"}, ".fille", "did you mean 'file'?"),
        *(("events", {"file": file}, ".file", "an absolute path") for file in NO_FILES),
        ("events", {"journald": "maybe"}, ".journald", "true or false"),
        ("events", {"syslog": True, "facility": "kern"}, ".facility", "one of user, daemon, auth"),
        ("events", {"syslog": True, "send": "change"}, ".send", "did you mean 'changes'?"),
        ("events", {"syslog": True, "limit": 0}, ".limit", "a whole number of events of a run, 1 to"),
        ("events", {"journald": False, "limit": 5}, "", "one of file, journald, syslog beside these"),
        ("categories", "webmail", "", "a list of categories"),
        ("categories", ["webmial"], "[0]", "did you mean 'webmail'?"),
        ("audiences", ["consumer", "everybody"], "[1]", "one of consumer, enterprise, both"),
        ("services_include", [7], "[0]", "service ids"),
        *(("effective_from", day, "", "a day such as 2024-10-31") for day in ("31.10.2024", MORNING, 20241031)),
        ("controls", ["apps"], "", "a mapping such as"),
        ("controls", {"app": "enforce"}, ".app", "did you mean 'apps'?"),
        ("controls", {"apps": "enforced"}, ".apps", "did you mean 'enforce'?"),
        ("controls", {"apps": True}, ".apps", "one of enforce, audit, off"),
        ("tenants", {"gogle": []}, ".gogle", "did you mean 'google'?"),
        ("tenants", {"google": ["example.org\r\nX-Evil: 1"]}, ".google[0]", "a domain or a tenant id"),
        ("audit_with", "sudo", "", "one of root, stored"),
        ("compliance_gate", "always", "", "one of never, noncompliant, incomplete"),
        ("contact", "a\nb", "", "one line"),
        ("management", ["10.1.2.0/8"], "[0]", "an address or a network"),
        *(("waiver_max_days", days, "", "a whole number of days") for days in ("365", 0, True)),
        ("waiver_signatures", "require", "", "did you mean 'required'?"),
        ("waiver_signatures", True, "", "one of required, optional, off"),
        ("waiver_blanket", "yes", "", "true or false"),
        ("zone", ["internet"], "", "one line"),
        ("watch", True, "", "a length of time such as 12h"),
        ("watch", "on", "", ", or off"),
        ("watch", "2d", "", "from 1 minute to 1 day, or off"),
        ("watch", 300, "", "a length of time such as 12h"),
        ("watch_max_age", "12h", "", "from 1 day to 365 days"),
        ("watch_max_age", "366d", "", "from 1 day to 365 days"),
        ("watch_max_age", "forever", "", "a length of time"),
        ("observe_timeout", "7h", "", "from 1 minute to 6 hours"),
        *(("request_url", url, "", "a URL such as https://") for url in NO_URLS),
        ("request_url", f"{PORTAL}/{'x' * 500}", "", "at most 500 characters"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(name, value, key, expected):
    with pytest.raises(PolicyErrors) as raised:
        read(**{name: value})
    (error,) = raised.value.errors
    assert error.where == f"all.yml (proscribe_{name}{key})"
    assert error.key == f"proscribe_{name}{key}"
    assert expected in error.expected


def test_every_mistake_is_reported_at_once():
    with pytest.raises(PolicyErrors) as raised:
        read(catagories=[], contact=3, compliance_gate="x")
    assert len(raised.value.errors) == 3


def test_allowed_extensions_need_a_setting_that_refuses_others():
    allowed = ["a" * 32]
    assert read(browser_extensions_allowed=allowed).browser_extensions_allowed == ("a" * 32,)
    left = {"proxy_extensions": "unmanaged"}
    with pytest.raises(PolicyErrors, match="allow_list or proxy_extensions: blocked in proscribe_browser_settings"):
        read(browser_extensions_allowed=allowed, browser_settings=left)
    listed = {**left, "extensions": "allow_list"}
    assert (
        read(browser_extensions_allowed=allowed, browser_settings=listed).browser_settings["extensions"] == "allow_list"
    )


def test_a_service_both_included_and_excluded_is_a_mistake():
    with pytest.raises(PolicyErrors) as wrong:
        read(services_include=["owl", "slack", "line"], services_exclude=["x", "x", "slack", "line"])
    (error,) = wrong.value.errors
    key = "proscribe_services_exclude[3]"
    assert (error.where, error.key, error.value) == (f"all.yml ({key})", key, "line")
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
        ({"en": ["a"]}, ".en", "one line"),
        (["a"], "", "a mapping by language"),
    ],
)
def test_a_mistake_in_a_message_for_users_is_named_with_its_language(value, key, expected):
    with pytest.raises(PolicyErrors) as raised:
        read(user_notice=value)
    (error,) = raised.value.errors
    assert error.key == f"proscribe_user_notice{key}" and expected in error.expected


def test_a_probe_needs_root_and_an_audit_with_what_is_stored_has_none():
    assert read(audit_with="stored").probe is False and read(probe=True).audit_with == "root"
    with pytest.raises(PolicyErrors) as wrong:
        read(audit_with="stored", probe=True)
    (mistake,) = wrong.value.errors
    assert (mistake.key, mistake.value, mistake.where) == ("proscribe_probe", True, "all.yml (proscribe_probe)")
    assert "false with proscribe_audit_with: stored" in mistake.expected

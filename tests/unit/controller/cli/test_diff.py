"""`diff`: differences between plans and exceptions, on which hosts, and the printed text."""

import argparse
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue, plan, question
from proscribe.controller.cli import Refused, command_line, diff
from proscribe.controller.cli.diff import Compared, Group
from proscribe.controller.cli.diff.earlier_plans import Earlier, earlier
from proscribe.controller.compile.plans.difference import (
    CONTROL,
    IDENTIFIER,
    PLAN,
    SERVICE,
    SETTING,
    Change,
    difference,
)
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.wire import installation
from recording import compare, fold, join_files

W1, W2 = "audit, but for w1 (hours mon 09:00-18:00, sun 00:00-24:00)", "enforce, but for w2 (posix_groups press)"
LATER, LATER_ANOTHER = ({"at": "2026-12-01T00:00:00Z", "plan": f"sha256:{one}"} for one in "ab")
NAMES = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), unique=True)
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJxA07LLRlQ0vtNWgOHcZyxBmTXyEvlBv8/7rjIeXaFb"
SIGNERS = f'# the approvers\nhead.of.press namespaces="proscribe-waiver" ssh-ed25519 {KEY} her laptop\n'
HEAD_KEY = "ssh-ed25519 SHA256:Li4BMNlpen/nOyQPcr4EaIQVyzxxL70v5qpXuyKdkK4"  # by ssh-keygen -l
OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBqQN9YaBCmEN8YHbV3uBiJ7G5pEGZzVUjUy+gPRfjpn"
MANY = tuple(f"n{number}.example" for number in range(diff.MOST_NAMES + 2))
HOSTS = tuple(f"h{number:02}" for number in range(diff.MOST_HOSTS + 2))
DEPARTMENTS = {"press": HOSTS[:3], "it\x1b": ("x", HOSTS[0]), "other": ("y",), "none": ()}
BEFORE = Earlier("v1\x1b", {}, {}, ("a\x1b note", "another"), {Path("/srv/a"): "abc", Path("/srv/b"): "def"})


@pytest.fixture
def catalogue(tmp_path):
    return made_catalogue(tmp_path / "catalog")


def section(mode="enforce", services=None, **settings):
    return {"mode": mode, "services": services or {}, "settings": settings}


def made(contact="desk", browsers=(), **controls):
    return {"contact": contact, "browsers": list(browsers), "controls": controls}


def entry(mode="enforce", **more):
    return {"name": "Parrot", "mode": mode, **more}


def dns(**services):
    return made(dns=section(services=services))


FOR_PRESS = entry(exceptions=[{"waiver": "w2", "users": [], "posix_groups": ["press"]}])
AT_HOURS = entry("waived", waiver="w1", hours=[[0, 540, 1080], [6, 0, 1440]], otherwise="audit", opens={"b": ["c"]})


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, entry(domains=["a", "b"], allow=[]), {"after": "enforce", "counts": (("domains", 2),)}),
        (entry(), entry("waived", waiver="w1"), {"before": "enforce", "after": "waived (w1)"}),
        (FOR_PRESS, AT_HOURS, {"before": W2, "after": W1}),
        (
            entry("upcoming", effective_from="2027-01-01"),
            entry(),
            {"before": "upcoming (2027-01-01)", "after": "enforce"},
        ),
    ],
)
def test_change_for_a_service_is_reported(old, new, change):
    plans = (dns(**({"parrot": one} if one else {})) for one in (old, new))
    assert list(difference(*plans)) == [Change("dns", "service", "parrot", **change)]


AB, BC = (entry(domains=[f"{name}.example" for name in names]) for names in ("ab", "bc"))
ON_APT, ON_RPM = ({"parrot": entry(packages=dict.fromkeys(keys, ["parrot"]))} for keys in (["apt"], ["apt", "rpm"]))


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (dns(parrot=AB), dns(parrot=BC), [("dns", "identifier", "parrot", "domains", ("c.example",), ("a.example",))]),
        ({**made(), "later": LATER}, {**made(), "later": LATER_ANOTHER}, []),  # only the time of the next plan counts
        (
            {**made(), "watch": {"every": 300}, "request_url": "https://a.example/"},
            {**made(), "watch": {"every": 60}, "waivers": {"w1": {"expires": "2026-12-01T00:00:00Z"}}, "later": LATER},
            [
                ("", "plan", "", "request_url", (), (), "https://a.example/"),
                ("", "plan", "", "watch", (), (), '{"every":300}', '{"every":60}'),
                ("", "plan", "", "waivers", ("w1 (until 2026-12-01T00:00:00Z)",)),
                ("", "plan", "", "later", (), (), "", "2026-12-01T00:00:00Z"),
            ],
        ),
        (
            made(apps=section(services=ON_APT)),
            made(apps=section(services=ON_RPM)),
            [("apps", "identifier", "parrot", "packages.rpm", ("parrot",))],
        ),
        (  # the services of a control follow its mode; a word for each would hide it
            made(dns=section("enforce", {"parrot": entry("enforce"), "owl": entry("waived", waiver="w1")})),
            made(dns=section("audit", {"parrot": entry("audit"), "owl": entry("audit")})),
            [
                ("dns", "control", "", "", (), (), "enforce", "audit"),
                ("dns", "service", "owl", "", (), (), "waived (w1)", "audit"),
            ],
        ),
        (dns(parrot=entry()), made(), [("dns", "control", "", "", (), (), "enforce", "off")]),
        (
            made(firewall=section(log=True, management=["10.0.0.0/8"], rules=[{"port": 22}], tenants={"google": []})),
            made(firewall=section(log=False, management=["10.1.0.0/16"], rules=[], tenants={"google": ["a"]}, zone="")),
            [
                ("firewall", "setting", "", "log", (), (), "true", "false"),
                ("firewall", "setting", "", "management", ("10.1.0.0/16",), ("10.0.0.0/8",)),
                ("firewall", "setting", "", "rules", (), ('{"port":22}',)),
                ("firewall", "setting", "", "tenants.google", ("a",)),
                ("firewall", "setting", "", "zone", (), (), "", '""'),
            ],
        ),
        (
            made(dns=section(upstreams=["a", "b"])),
            made(dns=section(upstreams=["b", "a"])),
            [("dns", "setting", "", "upstreams", (), (), '["a","b"]', '["b","a"]')],
        ),
    ],
)
def test_a_difference_is_reported_in_the_terms_of_the_policy(old, new, changes):
    keys = ("control", "kind", "service", "subject", "added", "removed", "before", "after")
    assert list(difference(old, new)) == [Change(**dict(zip(keys, change))) for change in changes]


ENTRIES = st.builds(entry, st.sampled_from(["enforce", "report"]), domains=NAMES, allow=NAMES)
PLANS = st.builds(dns, **dict.fromkeys(("parrot", "owl"), ENTRIES))


def test_names_that_do_not_fit_into_the_lists_of_browsers_are_explained():
    def of(count, **more):
        names = [f"host{number}.example" for number in range(count)]
        return made(browser=section(services={"a": entry(domains=names, **more)}))

    earlier_version = of(1073, unlisted=["host9.example"], open=[])
    assert difference(earlier_version, of(1073, front_doors=["host1.example"])) == ()
    changes = {change.subject: change for change in difference(of(1000), of(1073))}
    assert set(changes) == {"domains", "lists of browsers"}
    lists = changes["lists of browsers"]
    assert (lists.control, lists.kind, lists.before) == ("browser", "setting", "all names fit")
    assert lists.after.startswith("73 of 1,073 names do not fit, since browsers take 1,000")


@given(PLANS, PLANS)
def test_a_difference_is_empty_only_between_plans_that_ask_the_same_and_has_two_ends(old, new):
    def compared_part(one):
        services = one["controls"]["dns"]["services"]
        return {
            id_: {key: sorted(v) if isinstance(v, list) else v for key, v in e.items()} for id_, e in services.items()
        }

    there, back = difference(old, new), difference(new, old)
    assert (there == ()) == (compared_part(old) == compared_part(new))
    assert [(c.added, c.removed, c.before, c.after) for c in there] == [
        (c.removed, c.added, c.after, c.before) for c in back
    ]


def compared(tmp_path, old, new, whole=True):
    """What differs between two inventories, each host's variables by its name."""
    before = compile_hosts(question(tmp_path / "old", old), NOW)
    now = compile_hosts(question(tmp_path / "new", new), NOW)
    return diff.compare(Earlier("before", before.hosts, before.plans), now, whole)


def test_hosts_with_the_same_changes_are_one_group_though_their_plans_differ(tmp_path):
    old = {"0": {}, "a": {"contact": "x"}, "b": {"contact": "y"}, "c": {}, "gone": {}}
    without = {"services_exclude": ["owl"]}
    new = {"a": {"contact": "x", **without}, "b": {"contact": "y", **without}, "c": {}, "fresh": {}}
    new["0"] = {"contact": "z"}
    found = compared(tmp_path, old, new)
    assert [group.hosts for group in found.groups] == [("a", "b"), ("0",)]  # the largest group first
    assert {change.service for change in found.groups[0].changes} == {"owl"}
    assert (found.fresh, found.gone, found.compared, found.different) == (("fresh",), ("gone",), 4, True)


@pytest.fixture
def stored(tmp_path, catalogue):
    """A complete report of one host that answered and one that did not, and the plan of the first."""
    made_plan = plan(catalogue, [])
    (tmp_path / "reports" / "r1").mkdir(parents=True)
    (tmp_path / "reports" / "latest").symlink_to("r1")
    (tmp_path / "reports" / "plans").mkdir()
    path = tmp_path / "reports" / "plans" / f"{made_plan['digest'].removeprefix('sha256:')}.json"
    path.write_text(json.dumps(made_plan))
    (tmp_path / "reports" / "r1" / "report.json").write_text('{"run": {"catalog_version": "1f"}}')
    records = [{"host": "a", "plan": made_plan["digest"], "rules": []}, {"host": "b", "plan": None, "rules": []}]
    (tmp_path / "reports" / "r1" / "hosts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return path


def arguments(old_inventory=()):
    return argparse.Namespace(old_inventory=list(old_inventory), as_now=[], inventory=[], limit="")


@pytest.mark.parametrize("name", ["latest", "r1"])
def test_the_plans_of_a_run_are_those_that_its_hosts_answered_for(stored, name):
    found = earlier(name, arguments(), NOW, stored.parents[1])
    assert (found.name, list(found.hosts)) == ("run r1, catalogue 1f", ["a"])
    assert found.plans[found.hosts["a"]] == json.loads(stored.read_text())


def test_a_plan_that_is_not_stored_any_more_is_refused(stored):
    stored.unlink()
    with pytest.raises(Refused, match="not kept any more"):
        earlier("latest", arguments(), NOW, stored.parents[1])


def test_latest_without_any_run_is_refused(tmp_path):
    with pytest.raises(Refused, match="there is none yet"):
        earlier("latest", arguments(), NOW, tmp_path / "nothing")


WAIVER = (
    "id: press-whatsapp\nservices: [whatsapp]\nhosts: [press01]\nreason: Press enquiries come in there\n"
    "requested_by: chan.tai.man\napproved_by: head.of.press\napproved_on: 2026-11-20T09:00:00Z\nexpires: {expires}\n"
)
POLICY_FILES = {
    "hosts.yml": "press: {hosts: {press01: {}}}\n",
    "group_vars/all.yml": "proscribe_categories: [webmail]\nproscribe_waiver_max_days: 3660\n",
    "approvers.yml": "press: {head: head.of.press}\n",
    "allowed_signers": SIGNERS,
    "waivers/press-whatsapp.yml": WAIVER.format(expires="2035-12-31T18:00:00Z"),
}


def run_git(top, *words):
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(top), *author, *words], check=True, capture_output=True)


def write_files(top, files):
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


@pytest.fixture
def inventory(tmp_path):
    place = tmp_path / "policy"
    write_files(place, POLICY_FILES)
    run_git(tmp_path, "init", "--quiet", str(place))
    run_git(place, "add", "-A")
    run_git(place, "commit", "--quiet", "-m", "the policy")
    return place


def run_diff(inventory, *options):
    project = ("--as-now", str(installation.ROOT))
    return command_line.main(["diff", "HEAD", "-i", str(inventory / "hosts.yml"), *project, *options])


def test_a_waiver_is_shown_with_its_end_and_approver(inventory, capsys):
    write_files(inventory, {"waivers/press-whatsapp.yml": WAIVER.format(expires="2036-10-31T18:00:00Z")})
    assert run_diff(inventory) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "- press-whatsapp: " in text and "until 2035-12-31 18:00:00 UTC" in text
    assert "+ press-whatsapp: " in text and "until 2036-10-31 18:00:00 UTC: everybody may use whatsapp" in text
    assert text.count("approved by head.of.press") == 2


def test_a_new_approver_stands_before_any_host(inventory, capsys):
    variables = "proscribe_categories: [cloud_storage]\nproscribe_waiver_max_days: 3660\n"
    write_files(inventory, {"approvers.yml": "press: {head: mallory}\n", "group_vars/all.yml": variables})
    assert run_diff(inventory) == 1
    text = capsys.readouterr().out
    assert text.index("+ press: head mallory") < text.index("1 host (")


@pytest.mark.parametrize(
    ("file", "text", "added", "removed"),
    [
        ("approvers.yml", "press: {head: head.of.press, deputies: [chan]}\n", ["press: deputy chan"], []),
        (
            *("allowed_signers", SIGNERS + f"chan ssh-ed25519 {OTHER_KEY}\n"),
            *(["chan ssh-ed25519 SHA256:X67g7OU/jFhYGjpXBBgeA/Y3F30uGwpRVlKmQKWYrk0"], []),
        ),
        (
            *("allowed_signers", SIGNERS.replace(' namespaces="proscribe-waiver"', "")),
            *([f"head.of.press {HEAD_KEY}"], [f'head.of.press namespaces="proscribe-waiver" {HEAD_KEY}']),
        ),
    ],
)
def test_change_of_an_approver_or_key_is_a_difference(inventory, capsys, file, text, added, removed):
    assert run_diff(inventory, "--json") == 0 and json.loads(capsys.readouterr().out)["exceptions"] == []
    write_files(inventory, {file: text})
    assert run_diff(inventory, "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert [(change["added"], change["removed"]) for change in answer["exceptions"]] == [(added, removed)]
    assert answer["hosts"]["changed"] == 0


def test_a_limit_compares_hosts_alone(inventory, capsys):
    write_files(inventory, {"approvers.yml": "press: {head: mallory}\n"})
    assert run_diff(inventory, "--limit", "press01", "--json") == 0
    assert json.loads(capsys.readouterr().out)["exceptions"] == []


RECORDED = Path(__file__).parents[2] / "recorded/cli"
CHANGES = (
    Change("", PLAN, "", "contact", before="", after="desk\x1b[2J"),
    Change("", PLAN, "", "request_url", before="desk", after=""),
    Change("apps", CONTROL, "", "", before="off", after="enforce"),
    Change("apps", SETTING, "", "quarantine", before="", after="/srv/q"),
    Change(
        "apps", SERVICE, "owl", after="enforce", counts=(("packages.apt", 1), ("packages.snap", 1), ("paths", 1200))
    ),
    Change("apps", SERVICE, "gull", before="audit"),
    Change("apps", SERVICE, "wren", before="audit", after="enforce", counts=(("paths", 3),)),
    Change("firewall", SERVICE, "owl", after="enforce", counts=(("networks", 2),)),
    Change("firewall", SERVICE, "parrot", before="enforce", after="", counts=(("networks", 1),)),
    Change("firewall", IDENTIFIER, "elf", "networks", added=("192.0.2.0/24",)),
    Change("dns", IDENTIFIER, "elf", "domains", added=MANY, removed=("gone.example",)),
    Change("dns", IDENTIFIER, "a_service_with_a_name_that_is_much_too_long", "domains", removed=MANY[:2]),
    Change("dns", SETTING, "elf", "allow", before="x", after="y"),
)
MORE = tuple(Change("dns", IDENTIFIER, f"s{number}", "domains", added=("a",)) for number in range(len(CHANGES) + 2))
GROUPS = (Group(CHANGES, HOSTS), Group(MORE, ("z",)), Group(MORE[:-1], ("y",)))
FOUND = Compared(GROUPS, fresh=("new1",), gone=HOSTS, compared=1200)


def test_all_of_a_difference(monkeypatch):
    monkeypatch.setattr(diff, "MOST_LINES", len(CHANGES))
    first = FOUND._replace(groups=GROUPS[:1])
    shown = {
        "all": "\n".join(diff.render(BEFORE, FOUND, DEPARTMENTS, 100, False)),
        "narrow": "\n".join(diff.render(BEFORE, first, DEPARTMENTS, 40, False)),
        "colours": "\n".join(diff.render(BEFORE, first._replace(fresh=(), gone=()), {}, 100, True)),
        "JSON": fold(json.dumps(diff.as_json(BEFORE, first, DEPARTMENTS)).replace("}, {", "},\n{"), 120),
    }
    compare(RECORDED / "diff.printed.txt", join_files(shown))

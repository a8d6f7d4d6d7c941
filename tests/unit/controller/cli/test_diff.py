"""`diff`: plans of an earlier revision, differences between plans and exceptions, and the printed text."""

import argparse
import datetime
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue, plan, question
from properties import examples
from proscribe.controller.cli import CommandError, command_line, diff, inventory
from proscribe.controller.cli.diff import ChangeGroup, PlanComparison, earlier_plans
from proscribe.controller.cli.diff.earlier_plans import EarlierPlans, read_earlier_plans
from proscribe.controller.cli.diff.files_at_revision import FilesAtRevision
from proscribe.controller.cli.diff.revision import find_repository, parse_revision_time
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables
from proscribe.controller.compile.plans.difference import PlanChange, compare_plans
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.controller.report.evaluation.lifts import Lift
from proscribe.wire import installation
from recording import compare, join_files, outline
from refusals import make_refusal

W1, W2 = "audit, but for w1 (hours mon 09:00-18:00, sun 00:00-24:00)", "enforce, but for w2 (posix_groups press)"
LATER, LATER_ANOTHER = ({"at": "2026-12-01T00:00:00Z", "plan": f"sha256:{one}"} for one in "ab")
NAMES = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), unique=True)
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJxA07LLRlQ0vtNWgOHcZyxBmTXyEvlBv8/7rjIeXaFb"
SIGNERS = f'# the approvers\nhead.of.press namespaces="proscribe-waiver" ssh-ed25519 {KEY} her laptop\n'
HEAD_KEY = "ssh-ed25519 SHA256:Li4BMNlpen/nOyQPcr4EaIQVyzxxL70v5qpXuyKdkK4"  # by ssh-keygen -l
OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBqQN9YaBCmEN8YHbV3uBiJ7G5pEGZzVUjUy+gPRfjpn"
MANY = tuple(f"n{number}.example" for number in range(diff.MAX_NAMED_IDENTIFIERS + 2))
HOSTS = tuple(f"h{number:02}" for number in range(diff.MAX_NAMED_HOSTS + 2))
DEPARTMENTS = {"press": HOSTS[:3], "it\x1b": ("x", HOSTS[0]), "other": ("y",), "none": ()}
BEFORE = EarlierPlans("v1\x1b", {}, {}, ("a\x1b note", "another"), {Path("/srv/a"): "abc", Path("/srv/b"): "def"})


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
        (entry("upcoming", effective_from="2027-01"), entry(), {"before": "upcoming (2027-01)", "after": "enforce"}),
    ],
)
def test_change_for_a_service_is_reported(old, new, change):
    plans = (dns(**({"parrot": one} if one else {})) for one in (old, new))
    assert list(compare_plans(*plans)) == [PlanChange("dns", "service", "parrot", **change)]


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
            *(made(apps=section(services=on)) for on in (ON_APT, ON_RPM)),
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
            *(made(dns=section(upstreams=[*order])) for order in ("ab", "ba")),
            [("dns", "setting", "", "upstreams", (), (), '["a","b"]', '["b","a"]')],
        ),
    ],
)
def test_a_difference_is_reported_in_the_terms_of_the_policy(old, new, changes):
    keys = ("control", "kind", "service", "subject", "added", "removed", "before", "after")
    assert list(compare_plans(old, new)) == [PlanChange(**dict(zip(keys, change))) for change in changes]


ENTRIES = st.builds(entry, st.sampled_from(["enforce", "report"]), domains=NAMES, allow=NAMES)
PLANS = st.builds(dns, **dict.fromkeys(("parrot", "owl"), ENTRIES))


def test_names_that_do_not_fit_into_the_lists_of_browsers_are_explained():
    def of(count, **more):
        names = [f"host{number}.example" for number in range(count)]
        return made(browser=section(services={"a": entry(domains=names, **more)}))

    earlier_version = of(1073, unlisted=["host9.example"], open=[])
    assert compare_plans(earlier_version, of(1073, front_doors=["host1.example"])) == ()
    changes = {change.subject: change for change in compare_plans(of(1000), of(1073))}
    assert set(changes) == {"domains", "lists of browsers"}
    lists = changes["lists of browsers"]
    assert (lists.control, lists.kind, lists.before) == ("browser", "setting", "all names fit")
    assert lists.after.startswith("73 of 1,073 names do not fit, since browsers take 1,000")


@given(PLANS, PLANS)
def test_a_difference_is_empty_only_between_plans_that_ask_the_same_and_has_two_ends(old, new):
    def compared_part(one):
        services = one["controls"]["dns"]["services"]
        return {id_: {k: sorted(v) if isinstance(v, list) else v for k, v in e.items()} for id_, e in services.items()}

    there, back = compare_plans(old, new), compare_plans(new, old)
    assert (there == ()) == (compared_part(old) == compared_part(new))
    ends = [(c.removed, c.added, c.after, c.before) for c in back]
    assert [(c.added, c.removed, c.before, c.after) for c in there] == ends


def compared(tmp_path, old, new, whole=True):
    """What differs between two inventories, each host's variables by its name."""
    before = compile_hosts(question(tmp_path / "old", old), NOW)
    now = compile_hosts(question(tmp_path / "new", new), NOW)
    return diff.compare_host_plans(EarlierPlans("before", before.hosts, before.plans), now, whole)


def test_hosts_with_the_same_changes_are_one_group_though_their_plans_differ(tmp_path):
    old = {"0": {}, "a": {"contact": "x"}, "b": {"contact": "y"}, "c": {}, "gone": {}}
    without = {"services_exclude": ["owl"]}
    new = {"a": {"contact": "x", **without}, "b": {"contact": "y", **without}, "c": {}, "fresh": {}}
    new["0"] = {"contact": "z"}
    found = compared(tmp_path, old, new)
    assert [group.hosts for group in found.groups] == [("a", "b"), ("0",)]  # the largest group first
    assert {change.service for change in found.groups[0].changes} == {"owl"}
    assert found == PlanComparison(found.groups, ("fresh",), ("gone",), 4) and found.is_different
    nothing = PlanComparison((), (), (), 4)
    assert not nothing.is_different
    for part in ({"new_hosts": ("x",)}, {"gone_hosts": ("x",)}, {"groups": found.groups}, {"exceptions": ("x",)}):
        assert nothing._replace(**part).is_different
    assert compared(tmp_path, old, new, whole=False) == found._replace(gone_hosts=())


@pytest.fixture
def stored(tmp_path):
    """A complete report of one host that answered and one that did not, and the plan of the first."""
    made_plan = plan(made_catalogue(tmp_path / "catalog"), [])
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
    made_plan = json.loads(stored.read_text())
    digest = made_plan["digest"]
    expected = EarlierPlans("run r1, catalogue 1f", {"a": digest}, {digest: made_plan})
    assert read_earlier_plans(name, arguments(), NOW, stored.parents[1]) == expected


def test_hosts_that_were_lifted_since_a_run_are_noted(stored, monkeypatch):
    hosts = [f"h{number}" for number in range(6)]
    record = json.loads((stored.parents[1] / "r1/hosts.jsonl").read_text().splitlines()[0])
    records = [{**record, "host": host} for host in hosts]
    (stored.parents[1] / "r1/hosts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    lifts = {host: {"dns": Lift("2026-11-26T08:00:00Z", "run2")} for host in (*hosts, "other")}
    monkeypatch.setattr(earlier_plans.fleet_state_file, "read_lifts", lambda reports: lifts)
    note = "h{} was lifted 2026-11-26 08:00 UTC by run2 (dns); the next enforce writes its plan anew"
    notes = (*map(note.format, range(5)), "1 more host lifted since that run")
    assert read_earlier_plans("latest", arguments(), NOW, stored.parents[1]).notes == notes


def test_a_plan_that_is_not_stored_any_more_or_latest_without_any_run_is_refused(stored):
    stored.unlink()
    for reports, why in ((stored.parents[1], "not kept any more"), (stored.parent / "nothing", "there is none yet")):
        with pytest.raises(CommandError, match=why):
            read_earlier_plans("latest", arguments(), NOW, reports)


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


AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")


def run_git(top, *words):
    subprocess.run(["git", "-C", str(top), *AUTHOR, *words], check=True, capture_output=True)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(content)


def write_files(top, files):
    for name, text in files.items():
        write(top / name, text)


@pytest.fixture
def policy_folder(tmp_path):
    place = tmp_path / "policy"
    write_files(place, POLICY_FILES)
    run_git(tmp_path, "init", "--quiet", str(place))
    run_git(place, "add", "-A")
    run_git(place, "commit", "--quiet", "-m", "the policy")
    return place


def run_diff(policy_folder, *options):
    project = ("--as-now", str(installation.PROJECT_DIRECTORY))
    return command_line.main(["diff", "HEAD", "-i", str(policy_folder / "hosts.yml"), *project, *options])


def test_a_waiver_is_shown_with_its_end_and_approver(policy_folder, capsys):
    write_files(policy_folder, {"waivers/press-whatsapp.yml": WAIVER.format(expires="2036-10-31T18:00:00Z")})
    assert run_diff(policy_folder) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "- press-whatsapp: " in text and "until 2035-12-31 18:00:00 UTC" in text
    assert "+ press-whatsapp: " in text and "until 2036-10-31 18:00:00 UTC: everybody may use whatsapp" in text
    assert text.count("approved by head.of.press") == 2


def test_a_new_approver_stands_before_any_host(policy_folder, capsys):
    variables = "proscribe_categories: [cloud_storage]\nproscribe_waiver_max_days: 3660\n"
    write_files(policy_folder, {"approvers.yml": "press: {head: mallory}\n", "group_vars/all.yml": variables})
    assert run_diff(policy_folder) == 1
    text = capsys.readouterr().out
    assert text.index("+ press: head mallory") < text.index("1 host (")


@pytest.mark.slow
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
def test_change_of_an_approver_or_key_is_a_difference(policy_folder, capsys, file, text, added, removed):
    assert run_diff(policy_folder, "--json") == 0 and json.loads(capsys.readouterr().out)["exceptions"] == []
    write_files(policy_folder, {file: text})
    assert run_diff(policy_folder, "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    kind, title = ("approvers", "who may approve waivers") if file == "approvers.yml" else ("keys", "whose signatures")
    (change,) = answer["exceptions"]
    assert change.pop("title").startswith(title) and change == {"kind": kind, "added": added, "removed": removed}
    assert answer["hosts"] == {"compared": 1, "changed": 0, "without_earlier_plan": [], "gone": []}
    git = ["git", "-C", str(policy_folder), "rev-parse", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    assert answer["commits"] == [{"path": str(policy_folder), "commit": commit}] and answer["different"]
    assert answer["old"] == f"HEAD ({policy_folder} at {commit[:12]})"
    assert answer["notes"] == [f"{installation.CATALOGUE} is taken as it is now, as --as-now asks"]


def test_a_limit_compares_hosts_alone(policy_folder, capsys):
    write_files(policy_folder, {"approvers.yml": "press: {head: mallory}\n"})
    assert run_diff(policy_folder, "--limit", "press01", "--json") == 0
    assert json.loads(capsys.readouterr().out)["exceptions"] == []


OF_PACKAGES = (("packages.apt", 1), ("packages.snap", 1), ("paths", 1200))
CHANGES = (
    PlanChange("", "plan", "", "contact", before="", after="desk\x1b[2J"),
    PlanChange("", "plan", "", "request_url", before="desk", after=""),
    PlanChange("apps", "control", "", "", before="off", after="enforce"),
    PlanChange("apps", "setting", "", "quarantine", before="", after="/srv/q"),
    PlanChange("apps", "service", "owl", after="enforce", counts=OF_PACKAGES),
    PlanChange("apps", "service", "gull", before="audit"),
    PlanChange("apps", "service", "wren", before="audit", after="enforce", counts=(("paths", 3),)),
    PlanChange("firewall", "service", "owl", after="enforce", counts=(("networks", 2),)),
    PlanChange("firewall", "service", "parrot", before="enforce", after="", counts=(("networks", 1),)),
    PlanChange("firewall", "identifier", "elf", "networks", added=("192.0.2.0/24",)),
    PlanChange("dns", "identifier", "elf", "domains", added=MANY, removed=("gone.example",)),
    PlanChange("dns", "identifier", "a_service_with_a_name_that_is_much_too_long", "domains", removed=MANY[:2]),
    PlanChange("dns", "setting", "elf", "allow", before="x", after="y"),
)
MORE = tuple(PlanChange("dns", "identifier", f"s{n}", "domains", added=("a",)) for n in range(len(CHANGES) + 2))
GROUPS = (ChangeGroup(CHANGES, HOSTS), ChangeGroup(MORE, ("z",)), ChangeGroup(MORE[:-1], ("y",)))
FOUND = PlanComparison(GROUPS, new_hosts=("new1",), gone_hosts=HOSTS, compared_count=1200)


def test_all_of_a_difference(monkeypatch):
    monkeypatch.setattr(diff, "MAX_CHANGE_LINES", len(CHANGES))
    first = FOUND._replace(groups=GROUPS[:1])
    alone = first._replace(new_hosts=(), gone_hosts=())
    whole = "\n".join(diff.format_comparison(BEFORE, FOUND, DEPARTMENTS, 100, False))
    shown = {
        "all": re.sub(r"\n +s(?:[2-9]|10) .*", "", whole),
        "narrow": "\n".join(diff.format_comparison(BEFORE, first, DEPARTMENTS, 40, False)),
        "colours": "\n".join(diff.format_comparison(BEFORE, alone, {}, 100, True)),
        "JSON": outline(diff.make_diff_document(BEFORE, first, DEPARTMENTS)),
    }
    compare(Path(__file__).parents[2] / "recorded/cli/diff.printed.txt", join_files(shown))


CALLED_ALIKE = {"exclude": set(), "hosts": {"a"}, "domain": "crow.example.org", "waiver": False}
CALLED_ALIKE["own"] = "called as the project's"
WHEN = {"one": "2026-11-01T12:00:00+00:00", "two": "2026-11-10T12:00:00+00:00"}


OWN = (
    "---\nid: crow\nname: Crow\ncategory: webmail\nvendor: Example\nenforce: true\naudience: consumer\n"
    "sources: [a test]\ndomains: [{domain}]\n"
)
WAIVER_EARLIER = (
    "{id: w1, services: [owl], hosts: [a], reason: r, requested_by: x, approved_by: b,"
    " approved_on: 2026-11-01T00:00:00Z, expires: 2026-12-31T00:00:00Z}\n"
)


STATES = st.fixed_dictionaries(
    {
        "exclude": st.sets(st.sampled_from(["parrot", "gull"])),
        "hosts": st.sets(st.sampled_from("abc"), min_size=1).map(lambda names: {"a", *names}),
        "domain": st.sampled_from(["crow.example", "crow.example.org"]),
        "waiver": st.booleans(),
        "own": st.sampled_from(["absolute", "relative", "templated", "called as the project's"]),
    }
)


@pytest.mark.slow
@examples(8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # each runs git a lot
@example(CALLED_ALIKE, CALLED_ALIKE, False)
@given(STATES, STATES, st.booleans())
def test_the_plans_of_a_revision_are_those_that_were_compiled_then(tmp_path_factory, old, new, waivers_apart):
    where = tmp_path_factory.mktemp("histories").resolve()
    project, policy, own = where / "project", where / "policy", where / "own"
    made_catalogue(project / "catalog")
    (project / "playbooks").mkdir()
    waivers = policy / "waivers"
    repositories = [project, policy, own, *([waivers] if waivers_apart else [])]
    for top in repositories:
        top.mkdir(exist_ok=True)
        run_git(top, "init", "--quiet")
    write(policy / ".gitignore", "waivers/\n" if waivers_apart else "")
    write(policy / "approvers.yml", "all: {head: b}\n")
    lists = dict.fromkeys(("extra_vars", "vault_ids", "vault_password_files", "old_inventory", "as_now"), [])
    arguments = argparse.Namespace(**lists, inventory=[str(policy)], limit="", ask_vault_pass=False)
    compiled = []
    for state in (old, new):
        write(policy / "hosts.yml", json.dumps({"all": {"hosts": {name: {} for name in sorted(state["hosts"])}}}))
        inside = state["own"] == "called as the project's"  # as docs/catalogue.md has a folder called in an inventory
        places = {"absolute": own, "relative": "../own", "templated": "{{ inventory_dir }}/../own"}
        named = places.get(state["own"], "catalog")
        excluded = f"proscribe_services_exclude: {sorted(state['exclude'])}\n"
        write(policy / "group_vars" / "all.yml", f"proscribe_catalog_dirs: ['{named}']\n{excluded}")
        crow = OWN.format(domain=state["domain"])
        write(own / "webmail" / "crow.yml", None if inside else crow)
        write(policy / "catalog" / "webmail" / "crow.yml", crow if inside else None)
        write(waivers / "w1.yml", WAIVER_EARLIER if state["waiver"] else None)
        compiled.append(compile_hosts(inventory.read_compile_input(arguments, project), NOW).hosts)
        for top in repositories:
            run_git(top, "add", "--all")
            run_git(top, "commit", "--quiet", "--allow-empty", "--message", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier_plans, "PROJECT_DIRECTORY", project)
        found = earlier_plans.read_earlier_plans("HEAD~1", arguments, NOW, where / "reports")
    assert found.hosts == compiled[0]
    own_repository = [] if old["own"] == "called as the project's" else [own]
    assert set(found.commits) == {project, policy, *own_repository, *([waivers] if waivers_apart else [])}


class Made:
    def __init__(self, top):
        self.top = top
        top.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *words, when="2026-11-01T12:00:00+00:00"):
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        argv = ["git", "-C", str(self.top), "-c", "protocol.file.allow=always", *AUTHOR, *words]
        environment = {**os.environ, **dates, "GIT_CONFIG_GLOBAL": os.devnull}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def file(self, name, content):
        write(self.top / name, content)

    def commit(self, when=WHEN["one"]):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x", when=when)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def two(tmp_path):
    """Two repositories with two commits each; `a.yml` says one, then two."""
    made = Made(tmp_path / "policy"), Made(tmp_path / "catalogue")
    for repository in made:
        for text in WHEN:
            repository.file("in/a.yml", text)
            repository.file("whose", repository.top.name)  # else both would have the same commits
            repository.commit(WHEN[text])
        repository.file("in/a.yml", "of the working tree")
    return made


@pytest.fixture
def read_plans(two, tmp_path, monkeypatch):
    """Call the reader of plans over the two repositories."""
    monkeypatch.setattr(earlier_plans, "PROJECT_DIRECTORY", tmp_path / "catalogue")
    monkeypatch.setattr(inventory, "resolve_sources", lambda names: names)
    (tmp_path / "catalogue/catalog").mkdir()
    Made.file(two[1], "catalog/x", "x")
    two[1].commit()

    def call(revision, *sources, **options):
        arguments = {"inventory": [str(source) for source in sources], "old_inventory": [], "as_now": [], "limit": ""}
        given = argparse.Namespace(**arguments | options)
        return earlier_plans.read_earlier_plans(revision, given, NOW, tmp_path / "reports")

    return call


def test_inventory_that_is_or_was_not_there_is_refused(read_plans, two):
    two[0].file("in/new.yml", "")
    for source, why in (("gone", "gone is not there"), ("in/new.yml", "is not in HEAD; --old-inventory names")):
        with pytest.raises(CommandError, match=why):
            read_plans("HEAD", two[0].top / source)


@pytest.mark.parametrize("error", [CommandError("no host"), PolicyErrors([PolicyError("a.yml:3", "mode", "x", "y")])])
def test_policy_of_a_revision_that_does_not_compile_is_refused_with_the_reason(read_plans, two, monkeypatch, error):
    monkeypatch.setattr(inventory, "read_compile_input", make_refusal(error))
    with pytest.raises(CommandError, match=f"cannot be compiled by the current code:\n{error}"):
        read_plans("HEAD", two[0].top / "in/a.yml")


def test_comparison_with_everything_as_now_is_refused(read_plans, two):
    with pytest.raises(CommandError, match="nothing to compare"):
        read_plans("HEAD", two[0].top / "in/a.yml", as_now=[str(made.top) for made in two])


@pytest.mark.parametrize("option", ["old_inventory", "as_now"])
def test_plans_of_a_run_take_no_option_of_a_revision(read_plans, option, monkeypatch):
    monkeypatch.setattr(earlier_plans, "find_run", lambda reports, name: reports / name)
    with pytest.raises(CommandError, match=f"^--{option.replace('_', '-')} goes with a git revision"):
        read_plans("latest", **{option: ["x"]})


@pytest.fixture
def into(tmp_path):
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


@pytest.mark.parametrize(
    ("name", "text"), [("HEAD~1", "one"), ("HEAD", "two"), ("2026-11-05", "one"), ("2026-11-10T13:00:00+00:00", "two")]
)
def test_relative_revision_or_day_is_one_in_each_repository(two, into, name, text):
    then = FilesAtRevision(name, into)
    for repository in two:
        assert (then.extract_path(repository.top / "in", "the inventory") / "a.yml").read_text() == text
        assert (repository.top / "in/a.yml").read_text() == "of the working tree"
    commit = {"one": "HEAD~1", "two": "HEAD"}[text]
    assert then.commits == {repository.top: repository.git("rev-parse", commit) for repository in two}
    assert then.current_paths == [] and sorted(os.listdir(into)) == ["0", "1"]


def test_repository_without_such_a_revision_is_refused_and_not_taken_as_it_is_now(two, into):
    policy, catalogue = two
    then = FilesAtRevision(policy.git("rev-parse", "HEAD~1"), into)
    assert (then.extract_path(policy.top / "in", "the inventory") / "a.yml").read_text() == "one"
    with pytest.raises(CommandError, match=f"is no revision of {catalogue.top}.*--as-now {catalogue.top}"):
        then.extract_path(catalogue.top / "in", "the catalogue")


def test_repository_names_no_program_that_runs_and_no_file_that_is_left_out(two, into):
    policy = two[0]
    ran = policy.top.parent / "ran"
    policy.file(".gitattributes", "* export-subst filter=x ident\nin/waiver.yml export-ignore\n")
    policy.file("in/waiver.yml", "x")
    policy.file("in/$Format:%H$.yml", "$Format:%H$ $Id$\n")
    policy.commit()
    for key in ("core.fsmonitor", "filter.x.smudge", "filter.x.process", "tar.tar.command", "core.sshCommand"):
        policy.git("config", key, f"touch {ran}; false")
    policy.git("config", "filter.x.required", "true")
    policy.file(".git/hooks/post-checkout", f"#!/bin/sh\ntouch {ran}\n")
    (policy.top / ".git/hooks/post-checkout").chmod(0o755)
    found = FilesAtRevision("HEAD", into).extract_path(policy.top / "in", "the inventory")
    texts = {path.name: path.read_text() for path in found.iterdir()}
    assert texts == {"a.yml": "of the working tree", "waiver.yml": "x", "$Format:%H$.yml": "$Format:%H$ $Id$\n"}
    assert not ran.exists()


def test_repository_that_had_no_file_yet_is_empty(tmp_path, into):
    waivers = Made(tmp_path / "waivers")
    waivers.commit()
    waivers.file("w.yml", "x")
    waivers.commit()
    assert list(FilesAtRevision("HEAD~1", into).extract_path(waivers.top, "the waivers").iterdir()) == []


@pytest.mark.parametrize(
    ("where", "message"),
    [("nowhere", "is not there"), ("outside", "lies in no git checkout"), ("policy/new", "is not in HEAD~1")],
)
def test_path_without_an_earlier_state_is_refused(two, into, tmp_path, where, message):
    (tmp_path / "outside").mkdir()
    two[0].file("new/a.yml", "x")
    with pytest.raises(CommandError, match=message):
        FilesAtRevision("HEAD~1", into).extract_path(tmp_path / where, "the inventory")


def test_a_repository_inside_another_has_its_own_history(two, into):
    waivers = Made(two[0].top / "in" / "waivers")
    for text in WHEN:
        waivers.file("w.yml", text)
        waivers.commit()
    found = FilesAtRevision("HEAD~1", into).extract_path(two[0].top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("a.yml", "waivers/w.yml")] == ["one", "one"]


def test_links_lead_to_what_was_there_then(two, into):
    policy, catalogue = two
    policy.file("shared/all.yml", "one")
    (policy.top / "in" / "group_vars").symlink_to("../shared")
    (policy.top / "in" / "waivers").symlink_to(catalogue.top / "in")
    policy.commit()
    policy.file("shared/all.yml", "two")
    found = FilesAtRevision("HEAD", into).extract_path(policy.top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("group_vars/all.yml", "waivers/a.yml")] == ["one", "two"]


def test_a_link_out_of_all_repositories_is_refused(two, into, tmp_path):
    (tmp_path / "anywhere").mkdir()
    (two[0].top / "in" / "waivers").symlink_to(tmp_path / "anywhere")
    two[0].commit()
    with pytest.raises(CommandError, match="lies in no git checkout"):
        FilesAtRevision("HEAD", into).extract_path(two[0].top / "in", "the inventory")


def test_a_submodule_is_refused(two, into):
    policy, catalogue = two
    policy.git("submodule", "--quiet", "add", str(catalogue.top), "in/group_vars")
    policy.commit()
    with pytest.raises(CommandError, match="is a submodule"):
        FilesAtRevision("HEAD", into).extract_path(policy.top / "in", "the inventory")


def test_a_shallow_clone_says_so(two, into, tmp_path):
    cut = tmp_path / "cut"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{two[0].top}", str(cut)], check=True)
    for name in ("HEAD~1", "2026-11-05"):
        with pytest.raises(CommandError, match="shallow clone"):
            FilesAtRevision(name, into).extract_path(cut / "in", "the inventory")


def test_a_missing_object_is_fetched_from_nowhere(two, into, tmp_path):
    """What a partial clone lacks, git would get by whatever the repository's configuration names."""
    policy, ran = two[0], tmp_path / "ran"
    blob = policy.git("rev-parse", "HEAD:in/a.yml")
    (policy.top / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    promisor = ("origin.promisor=true", f"origin.url=ext::touch {ran}")
    for setting in ("core.repositoryFormatVersion=1", "extensions.partialClone=origin", "protocol.ext.allow=always"):
        policy.git("config", *setting.split("="))
    for setting in promisor:
        policy.git("config", *f"remote.{setting}".split("="))
    with pytest.raises(CommandError, match="cannot bring back"):
        FilesAtRevision("HEAD", into).extract_path(policy.top / "in", "the inventory")
    assert not ran.exists()


@pytest.mark.parametrize("name", ["2026-13-01", "2026-11-01Tnoon"])
def test_a_day_of_no_calendar_is_refused(name):
    with pytest.raises(CommandError, match="is no day"):
        parse_revision_time(name)


def test_time_is_a_length_ago_or_a_day_and_no_name_of_a_revision(two):
    week = datetime.timedelta(days=7)
    ago = datetime.datetime.now(datetime.timezone.utc) - parse_revision_time("7d")
    assert week - datetime.timedelta(minutes=9) < ago < week * 1.01
    for name in ("HEAD~1", "v1.0", "1234d", "main", "30days", "20261101T080000Z-audit-1a2b"):
        assert parse_revision_time(name) is None
    found = find_repository(two[0].top)
    with pytest.raises(CommandError, match=f"^{two[0].top} has no commit before 2026-10-01T00:00:00"):
        found.find_commit("2026-10-01")
    for name in ("nonsense", "--output=/tmp/x", "HEAD~9", "HEAD:in"):
        why = f"^'{name}' is no revision of {two[0].top}, and no complete report of a run$"
        with pytest.raises(CommandError, match=why):
            found.find_commit(name)


def test_without_git_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="git is not installed"):
        find_repository(tmp_path)


def test_folders_that_hosts_name_are_those_of_then(two, into):
    top = two[0].top
    for name in ("own/x", "new/x", "waivers/w", "approvers.yml", "allowed_signers"):
        two[0].file(name, "then")
    two[0].commit()
    own, waivers = str(top / "own"), str(top / "waivers")
    values = {"proscribe_catalog_dirs": [own, 5], "proscribe_waivers_dir": waivers, "other": own}
    hosts = [HostVariables("a", values, {}, str(top)), HostVariables("b", {"proscribe_catalog_dirs": own}, {}, "/x")]
    hosts.append(HostVariables("c", {"proscribe_catalog_dirs": 7, "proscribe_waivers_dir": ""}, {}, "/x"))
    requested = CompileInput(top, "audit", "audit", [str(top)], "", [], hosts, {})
    then = FilesAtRevision("HEAD", into)
    found = earlier_plans._replace_folders(requested, then)
    brought = {"proscribe_catalog_dirs": [f"{into}/0/own", 5], "proscribe_waivers_dir": f"{into}/0/waivers"}
    others = [{"proscribe_catalog_dirs": f"{into}/0/own"}, {"proscribe_catalog_dirs": 7, "proscribe_waivers_dir": ""}]
    assert [host.values for host in found] == [{**brought, "other": own}, *others] and values["other"] == own
    assert {path.name for path in (into / "0").iterdir()} == {"own", "waivers", "approvers.yml", "allowed_signers"}


def test_paths_of_then_are_named_as_in_their_repositories(two, into):
    then = FilesAtRevision("HEAD", into)
    assert then.translate_message(f"{into}/0/a") == f"{into}/0/a"
    assert then.convert_to_current_path(Path("/x/../y")) == Path("/y")
    first, second = (then.extract_path(made.top / "in", "the folder") for made in two)
    assert then.translate_message(f"{first}/a.yml:3, {second}/a.yml") == f"HEAD:in/a.yml:3, HEAD:{two[1].top}/in/a.yml"
    expected = [two[0].top / "in/a.yml", two[1].top.parent / "own", into / "x"]
    paths = (first / "a.yml", second / "../../own", into / "x")
    assert [then.convert_to_current_path(path) for path in paths] == expected

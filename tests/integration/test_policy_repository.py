"""examples/policy-repository, run as an organisation runs it: its commands, its pipelines, its Molecule scenario."""

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import vendored
from machines import network, podman
from patience import LONGEST
from pipelines import GITHUB, GITLAB, document, github, gitlab
from vendored import EXAMPLE, Repository, bin_directory, collection, collection_of_pypi, collection_repository

__all__ = ["bin_directory", "collection", "collection_repository"]  # fixtures
TOKEN = "a-secret-token"
# An audit of this machine that is short, in which the policy is what it is.
SHORT = "proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off'}\nproscribe_dns_backend: hosts\n"
HOSTILE = "```\n# heading\n@everyone <img src=x>\n~~~~\n``````` \u202eevil\u202c \x1b[2J \u200b\ud83d\n"
OTHERS = [{"id": number, "body": "Title\n\nx", "author": {"username": "mallory"}} for number in range(120)]
OWN = {"id": 7, "body": "Title\n\nold", "author": {"username": "bot"}}
OWN_ON_GITHUB = {"id": 8, "body": "Title\n\nold", "user": {"login": "bot"}}
LAB, HUB = "/merge_requests/3/notes", "/repos/a/p/issues/4/comments"


@pytest.fixture(scope="module")
def installed(bin_directory, collection_repository, tmp_path_factory):
    """The example with its collections, which come from this disk."""
    place = tmp_path_factory.mktemp("policy")
    repository = Repository(place / "policy", bin_directory, place / "home")
    shutil.copytree(EXAMPLE, repository.directory, dirs_exist_ok=True)
    podman = collection_of_pypi("containers", "podman")
    for file, entry in (
        ("requirements.yml", f"{{name: '{collection_repository}', type: git, version: v1.0.0}}"),
        ("molecule/default/collections.yml", f"{{name: {podman}, type: dir}}"),
    ):
        repository.write({file: f"---\ncollections:\n  - {entry}\n"})
    repository.run("ansible-galaxy", "collection", "install", "-r", "requirements.yml", "-p", "collections")
    return repository


@pytest.fixture
def policy(installed, tmp_path):
    """A clone of its own, with the branch main on a server."""
    policy = Repository(tmp_path / "policy", Path(installed.environment["PATH"].split(":")[0]), tmp_path / "home")
    shutil.copytree(installed.directory, policy.directory, dirs_exist_ok=True, symlinks=True)
    policy.commit("the policy")
    policy.git("clone", "--quiet", "--bare", ".", str(tmp_path / "server.git"))
    policy.git("remote", "add", "origin", (tmp_path / "server.git").as_uri())
    policy.git("fetch", "--quiet", "origin")
    return policy


@pytest.mark.parametrize("file, schema", [(GITHUB, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_the_pipelines_are_what_their_platforms_take(bin_directory, file, schema):
    check = [str(bin_directory / "check-jsonschema"), "--builtin-schema", f"vendor.{schema}", str(EXAMPLE / file)]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


class Comments(http.server.BaseHTTPRequestHandler):
    """A platform's API: remembers what is posted."""

    posted = []
    comments = []  # that the API lists
    code = 201

    def do_GET(self):
        page = int(dict(re.findall(r"(\w+)=(\d+)", self.path)).get("page", 1))
        answer = {"username": "bot"} if self.path == "/user" else self.comments[100 * page - 100 : 100 * page]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        method = "" if self.command == "POST" else f"{self.command} "
        self.posted.append((method + self.path, self.headers["Authorization"], body))
        self.send_response(self.code)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    do_PATCH = do_PUT = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(Comments, "posted", [])
    monkeypatch.setattr(Comments, "comments", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_jobs_that_read_pass_for_the_example(policy):
    steps = document(policy, GITHUB)["jobs"]["test"]["steps"]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    pipeline = document(policy, GITLAB)
    theirs = pipeline["test"]["script"] + pipeline["molecule"]["script"][-1:]
    assert [line for line in lines if line not in pipeline["default"]["before_script"]] == theirs
    said = github(policy, "test", {}, but="molecule test")
    assert "0 problems in" in said
    assert "expectations.yml: 11 of 11 names as expected" in said and "exceptions.yml: 2 of 2" in said
    assert re.search(r"Passed.*0 failure", said), said


def test_a_change_is_explained_in_a_comment_and_one_without_an_effect_is_not(policy, api):
    base = policy.git("rev-parse", "HEAD")
    hub = {"github.token": TOKEN, "github.api_url": api, "github.repository": "acme/policy", "github.event.number": "7"}
    lab = {"CI_API_V4_URL": api, "CI_PROJECT_ID": "12", "CI_MERGE_REQUEST_IID": "3", "POLICY_COMMENT_TOKEN": TOKEN}
    lab["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = base
    policy.git("switch", "--quiet", "--create", "change")
    policy.write({"NOTES.md": "no effect\n"})
    policy.commit("a note")
    github(policy, "comment", hub)
    assert not Comments.posted
    policy.write({"inventory/prod/group_vars/press.yml": "proscribe_services_exclude: [telegram]\n"})
    policy.commit("telegram for the press")
    said = github(policy, "comment", hub) + gitlab(policy, "comment", lab)
    assert [(path, token) for path, token, _ in Comments.posted] == [
        ("/repos/acme/policy/issues/7/comments", f"Bearer {TOKEN}"),
        ("/projects/12/merge_requests/3/notes", f"Bearer {TOKEN}"),
    ]
    for _, _, body in Comments.posted:
        title, opening, *lines = [line for line in body.splitlines() if line]
        assert title == "The effect of this change:"
        assert opening == "```text" and lines[-1] == "```" and "```" not in lines[:-1]
        assert any("press01.example.org" in line for line in lines) and any("telegram" in line for line in lines)
    assert TOKEN not in said and policy.git("status", "--porcelain") == ""


def test_an_error_of_the_comparison_fails_the_job(policy, api):
    """Python ends with exit code 1, too, which means that something changes."""
    broken = policy.directory / "collections/ansible_collections/proscribe/ban/plugins/module_utils"
    for file in (broken / "proscribe/controller/cli/diff/__init__.py", broken / "proscribe_command.py"):
        file.write_text("raise RuntimeError('broken')\n")
        assert "broken" in policy.run("sh", "-c", "ci/diff HEAD > comment.txt", code=None)
        assert (policy.directory / "comment.txt").read_text() == ""
        policy.run("sh", "-c", "! ci/diff HEAD")


def test_the_pipeline_fails_for_an_unsigned_waiver(policy):
    new = "waiver_id=w1 waiver_service=whatsapp waiver_host=press01.example.org waiver_reason=enquiries"
    parties = "waiver_requested_by=chan.tai.man waiver_approved_by=head.of.press waiver_approved_on=now"
    policy.run("ansible-playbook", "proscribe.ban.waiver", "-e", f"waiver_do=new {new} {parties} waiver_expires=90d")
    (verify,) = [line for line in document(policy, GITLAB)["test"]["script"] if "waiver_do=verify" in line]
    said = policy.run("bash", "-c", verify, code=2)
    assert "w1: not signed; unsigned" in said, said


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """What the pipelines install, in a directory: a test has no network."""
    place = tmp_path_factory.mktemp("wheels")
    (required,) = set(re.findall(r"'(ansible-core[^']*)'", (EXAMPLE / GITHUB).read_text()))
    vendored.downloaded(place, required)
    return place


def test_the_gate_fails_the_job_that_audits(policy, wheels, tmp_path):
    policy.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    hosts = policy.directory / "inventory/prod/hosts.yml"
    hosts.write_text("press: {hosts: {press01.example.org: {ansible_connection: local}}}\nfinance: {hosts: {}}\n")
    variables = policy.directory / "inventory/prod/group_vars/all.yml"
    variables.write_text(variables.read_text() + SHORT)
    policy.commit("this machine")
    said = github(policy, "audit", {"github.workspace": str(policy.directory)}, code=10)
    assert "1 host: 1 noncompliant" in said, said
    assert "the compliance gate (incomplete) is not met" in said
    assert (policy.directory / "report/report.html").is_file()  # what the jobs keep
    assert (tmp_path / "proscribe-reports/latest/report.html").is_file()  # what the next run compares with
    shutil.rmtree(policy.directory / "report")
    variables.write_text(variables.read_text().replace("2024-10-31", "2099-01-01"))
    gitlab(policy, "audit", {})
    assert (policy.directory / "report/report.html").is_file()
    assert Path("/var/lib/proscribe-reports/latest/report.html").is_file()


def commented(text, api, code=0, path="/notes", **environment):
    argv = [sys.executable, str(EXAMPLE / "ci/comment.py"), "Title", f"{api}{path}"]
    own = {**os.environ, "COMMENT_TOKEN": TOKEN, "COMMENT_USER": f"{api}/user", **environment}
    content = text.encode(errors="surrogatepass")
    done = subprocess.run(argv, input=content, env=own, capture_output=True, timeout=LONGEST)
    assert done.returncode == code, done.stderr
    assert TOKEN.encode() not in done.stdout + done.stderr and b"Traceback" not in done.stderr
    return Comments.posted[-1][2] if Comments.posted else ""


def test_hostile_text_stays_inside_the_block(api):
    lines = commented(HOSTILE, api).splitlines()
    assert lines[:3] == ["Title", "", "````````text"] and lines[-1] == "````````"
    assert not any(line.strip().startswith("````````") for line in lines[3:-1])
    inside = "\n".join(lines[3:-1])
    assert "# heading" in inside and not re.search("[\u202a-\u202e\u200b\x1b]", inside)


def test_a_long_text_is_cut_and_says_so(api):
    body = commented("x" * 100_000, api)
    assert len(body) < 65_536
    assert body.splitlines()[-1] == "The rest is left out: 40,000 characters. The job's log has it."
    assert commented("\n \n", api) == body and len(Comments.posted) == 1  # nothing to say: no comment


@pytest.mark.parametrize(
    ("text", "path", "comments", "request_line"),
    [
        ("text", LAB, OTHERS, LAB),
        ("text", LAB, [*OTHERS, OWN], f"PUT {LAB}/7"),
        ("", LAB, [OWN], f"PUT {LAB}/7"),  # a later push takes the effect away
        ("text", HUB, [OWN_ON_GITHUB], "PATCH /repos/a/p/issues/comments/8"),
        ("text", HUB, [{**OWN_ON_GITHUB, "body": "Another title\n\nTitle\n"}], HUB),
    ],
)
def test_one_comment_of_the_pipeline_is_written_anew_and_nobody_elses(
    api, monkeypatch, text, path, comments, request_line
):
    monkeypatch.setattr(Comments, "comments", comments)
    commented(text, api, path=path)
    assert [line for line, _, _ in Comments.posted] == [request_line]
    assert Comments.posted[-1][2].startswith("Title\n\n```text\n" + (text or "Nothing: no host has another policy"))


@pytest.mark.parametrize("code", [302, 403])
def test_the_token_goes_nowhere_else_and_a_refusal_is_one_line(api, code, monkeypatch):
    monkeypatch.setattr(Comments, "code", code)
    commented("text", api, code=1)
    assert len(Comments.posted) == 1


@pytest.fixture
def throw_away(tmp_path):
    """Return the variables with which Molecule makes hosts from a root of the tests, in an isolated network."""
    with contextlib.ExitStack() as stack:
        net, prefix = stack.enter_context(network("policy"))
        configuration = tmp_path / "containers.conf"
        engine = f'[engine]\nruntime = "runc"\n[network]\ndefault_network = "{net}"\n'
        configuration.write_text(f'[containers]\ndns_servers = ["{prefix}.1"]\n{engine}')
        environment = {"CONTAINERS_CONF_OVERRIDE": str(configuration)}
        name = stack.enter_context(vendored.image("trixie-host", environment))
        remove = ("rm", "--force", "--ignore", "--time", "0", "policy-finance", "policy-press")
        stack.callback(podman, *remove, check=False)
        yield {**environment, "POLICY_IMAGE": name}


@pytest.mark.nightly
def test_molecule_proves_the_policy_on_throw_away_hosts(policy, throw_away):
    said = policy.run("molecule", "test", **throw_away)
    assert "2 hosts: 2 compliant" in said, said
    for host in ("policy-finance", "policy-press"):
        for name in ("web.telegram.org", "www.debian.org"):
            assert f"ok: [{host}] => (item={name})" in said
    names = podman("ps", "--all", "--format", "{{.Names}}").stdout.split()
    assert not {"policy-finance", "policy-press"}.intersection(names)

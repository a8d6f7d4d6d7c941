"""Files, parts of Ansible's objects, git, version, mistakes in a policy, and signatures."""

import datetime
import itertools
import os
import pickle
import subprocess
from types import SimpleNamespace

import pytest
from ansible.utils.version import SemanticVersion
from proscribe.controller import policy_errors, ssh_signatures
from proscribe.controller import version as versions
from proscribe.controller.ansible_objects import find_part, identify_task
from proscribe.controller.git import run_git
from proscribe.controller.policy_errors import (
    DescribedValue,
    MistakeCollector,
    PolicyError,
    PolicyErrors,
    join_alternatives,
    propose_similar_names,
)
from proscribe.controller.ssh_signatures import (
    AllowedSigner,
    SignatureCheck,
    SigningError,
    format_signer_line,
    sign_content,
    verify_signature,
)
from proscribe.controller.version import CheckoutCommit, find_version, make_commit_version
from proscribe.wire import installation


class Play:
    pass


FIRST, SECOND = Play(), Play()


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (SimpleNamespace(number=1, other=FIRST, more=SECOND), FIRST),
        (SimpleNamespace(number=1), None),
    ],
)
def test_part_of_an_object_is_found_by_its_type(whole, part):
    assert find_part(whole, Play) is part


@pytest.mark.parametrize(("named", "expected"), [({"_uuid": "u"}, "u"), ({"_uuid": ""}, "a.yml:3"), ({}, "a.yml:3")])
def test_a_task_is_known_by_its_id_or_its_place(named, expected):
    assert identify_task(SimpleNamespace(get_path=lambda: "a.yml:3", **named)) == expected


GIT = """#!/bin/sh
pwd -P; cat; echo; echo oops >&2
for word; do echo "argument $word"; done
env | sort
exit 3
"""
ALWAYS = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_ATTR_NOSYSTEM": "1", "GIT_GRAFT_FILE": "/dev/null"}
ALWAYS |= dict.fromkeys(("GIT_NO_LAZY_FETCH", "GIT_NO_REPLACE_OBJECTS"), "1")
ALWAYS |= dict.fromkeys(("GIT_OPTIONAL_LOCKS", "GIT_TERMINAL_PROMPT"), "0")
ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def fake_git(tmp_path, monkeypatch):
    """A git that says how it was called, and what a hook of another repository has set."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(GIT)
    (tmp_path / "bin/git").chmod(0o755)
    set_before = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": "/home/a", "LC_ALL": "de_DE.UTF-8"}
    set_before |= {"GIT_DIR": "/elsewhere/.git", "GIT_CONFIG_GLOBAL": "/elsewhere/config"}
    set_before |= {"SSH_ASKPASS": "/elsewhere/asks", "SSH_ASKPASS_REQUIRE": "force"}
    for name, value in set_before.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("fake_git")
@pytest.mark.parametrize(("alone", "own"), [(False, {}), (True, ALONE)])
@pytest.mark.parametrize("more", [{}, {"GIT_INDEX_FILE": "/x", "GIT_GRAFT_FILE": "/y"}])
def test_git_ignores_environment_and_hooks_of_the_repository(tmp_path, alone, own, more):
    done = run_git(
        tmp_path,
        "log",
        "--x",
        timeout_seconds=600,
        without_configuration=alone,
        input_bytes=b"\xff content",
        extra_environment=more or None,
    )
    assert (done.returncode, done.stderr) == (3, b"oops\n")
    where, content, *said = done.stdout.splitlines()
    assert (where.decode(), content) == (os.path.realpath(tmp_path), b"\xff content")
    words = [line.decode() for line in said]
    options = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]
    arguments = [word.removeprefix("argument ") for word in words if word.startswith("argument ")]
    assert arguments == [*options, "log", "--x"]
    environment = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("argument "))
    concerning = {name: value for name, value in environment.items() if name.startswith(("GIT_", "SSH_ASK", "LC_ALL"))}
    assert environment["HOME"] == "/home/a" and concerning == {**ALWAYS, **own, **more}


def test_without_git_that_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        run_git(tmp_path, "log", timeout_seconds=600)


KNOWN = ["custody_path", "custody_service"]


@pytest.mark.parametrize(
    ("given", "typed", "mistakes"),
    [
        ("custody_path", True, []),
        ("custody_pth", True, ["custody_path; the variables are custody_path, custody_service"]),
        ("custody_pth", False, ["custody_path"]),
        ("custody_zebra", True, ["one of custody_path, custody_service"]),
        ("custody_zebra", False, []),  # an inventory may have it for something else
        ("their_own", True, []),
    ],
)
def test_a_variable_that_is_none_of_a_commands_is_a_mistake_with_what_was_meant(given, typed, mistakes):
    found = policy_errors.list_variable_mistakes([given], [given] if typed else [], "custody_", KNOWN)
    assert found == [f"{given}: found an unknown variable, expected {expected}" for expected in mistakes]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "nothing"),
        ({}, "an empty mapping"),
        ([], "an empty list"),
        (0, "0"),
        ("é\n", r"'\xe9\n'"),
        (b"", "b''"),
        ("x" * 78, f"'{'x' * 78}'"),
        ("x" * 79, f"'{'x' * 79}..."),
        (DescribedValue("x" * 90), "x" * 90),
    ],
)
def test_a_wrong_value_is_shown_in_few_characters(value, expected):
    assert policy_errors.format_value(value) == expected


@pytest.mark.parametrize(
    ("where", "key", "line"),
    [
        ("a.yml:3", "ports[1]", "a.yml:3: ports[1]: found 7, expected a name"),
        ("a\x1b[2J", "é", r"a\x1b[2J: \xe9: found 7, expected a name"),
    ],
)
def test_mistake_is_one_line_that_steers_no_terminal(where, key, line):
    error = PolicyError(where, key, 7, "a name")
    assert str(error) == line and pickle.loads(pickle.dumps(error)).args == (where, key, 7, "a name")


def test_all_mistakes_are_raised_together_each_of_them_once():
    one, two, three = (PolicyError("a.yml", key, 7, "a name") for key in "abc")
    mistakes = MistakeCollector()
    mistakes.raise_mistakes()
    assert not mistakes
    for wrong in (two, PolicyErrors([one, two]), PolicyErrors([])):
        with mistakes.collect_mistakes():
            raise wrong
    with mistakes.collect_mistakes():
        pass
    with pytest.raises(ValueError, match="ours"), mistakes.collect_mistakes():
        raise ValueError("ours")
    mistakes.add_mistakes(three, three)
    with pytest.raises(PolicyErrors) as raised:
        mistakes.raise_mistakes()
    assert mistakes and [line[7] for line in str(raised.value).splitlines()] == ["b", "a", "c"]
    assert raised.value.args == raised.value.errors


@pytest.mark.parametrize(
    ("words", "choice"),
    [([], ""), (["mail", "webhook"], "mail or webhook"), (["mail", "matrix", "webhook"], "mail, matrix or webhook")],
)
def test_words_as_a_choice(words, choice):
    assert join_alternatives(words) == choice


@pytest.mark.parametrize(
    ("word", "meant"),
    [("gmial", ", did you mean 'gmail'?"), ("slak", ", did you mean 'slack' or 'slackb'?"), ("zebra", ""), (7, "")],
)
def test_close_words_are_suggested(word, meant):
    assert propose_similar_names(word, ["slackb", "gmail", "slack", "slacks and more"]) == meant


MANIFEST = '{"collection_info": {"namespace": "acme", "name": "ban", "version": "1.2.3"}}'
NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)


DEV = "0.2.0-dev.20261130120000+gabcdef01"


@pytest.mark.parametrize(
    ("declared", "tag", "released", "changed", "expected"),
    [
        ("0.2.0", "v0.2.0", True, False, "0.2.0"),
        ("0.2.0", "v0.2.0", True, True, "0.2.0+gabcdef01.changed"),
        ("0.2.0", "", False, True, f"{DEV}.changed"),  # no tag yet, or a clone without tags
        ("0.2.9", "", True, False, DEV.replace("0.2.0", "0.2.10")),  # nobody has said what comes next
        ("0.2.0-rc.1", "", True, False, DEV),
        ("next", "", True, False, DEV.replace("0.2.0", "next")),
        ("0.2.0", "v0.2.0-rc.1", False, False, "0.2.0-rc.1"),
    ],
)
def test_version_of_a_commit_is_its_release_or_the_next_one(declared, tag, released, changed, expected):
    assert make_commit_version(declared, CheckoutCommit("abcdef01", NOON, tag, released, changed)) == expected


def test_versions_rise_with_time_as_ansible_galaxy_orders_them():
    later = NOON + datetime.timedelta(seconds=1)
    order = [
        "0.1.0",
        f"{'0.2.0'}-dev",  # an archive without git, of no known commit
        make_commit_version("0.2.0", CheckoutCommit("ffffffff", NOON, "", False, False)),
        make_commit_version("0.2.0", CheckoutCommit("00000000", later, "", False, False)),
        make_commit_version("0.2.0", CheckoutCommit("00000000", later, "v0.2.0", True, False)),
        make_commit_version("0.2.0", CheckoutCommit("00000000", later, "", True, False)),
        "0.2.1",
    ]
    parsed = [SemanticVersion(one) for one in order]
    assert all(one < two for one, two in itertools.pairwise(parsed)), order


def run_local_git(root, *words):
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_DATE": "2026-11-30T12:00:00Z"}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *words], cwd=root, env={**os.environ, **own}, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    for path, text in (
        ("pyproject.toml", '[project]\nname = "x"\nversion = "0.2.0"\n'),
        ("CHANGELOG.md", "# C\n\n## [0.2.0] - unreleased\n\n## [0.1.0] - 2026-01-02\n"),
        ("library/one.py", "1"),
        ("inventory/hosts.yml", "all:\n"),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    run_local_git(tmp_path, "init", "--quiet")
    run_local_git(tmp_path, "add", "--all")
    run_local_git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def test_checkout_has_a_version_from_commit_to_release(checkout):
    between = find_version(checkout)
    assert between.startswith("0.2.0-dev.20261130120000+g") and len(between) == 34
    (checkout / "inventory/hosts.yml").write_text("all: {}\n")  # a fleet of its own
    (checkout / "library/untracked.py").touch()
    assert find_version(checkout) == between
    (checkout / "library/one.py").write_text("2")
    assert find_version(checkout) == f"{between}.changed"
    run_local_git(checkout, "checkout", "--quiet", "library")
    run_local_git(checkout, "tag", "collection-v9.9.9")
    assert find_version(checkout) == between, "a tag of something else"
    run_local_git(checkout, "tag", "--annotate", "v0.2.0", "--message", "0.2.0")
    run_local_git(checkout, "tag", "v0.2.0-rc.1")
    assert find_version(checkout) == "0.2.0", "of several tags the one that pyproject.toml names"
    run_local_git(checkout, "commit", "--quiet", "--allow-empty", "--message", "two")
    assert find_version(checkout).startswith("0.2.1-dev.20261130120000+g")


def test_a_branch_without_a_commit_has_no_version_of_another_one(checkout):
    run_local_git(checkout, "tag", "v0.2.0")
    run_local_git(checkout, "checkout", "--quiet", "--orphan", "empty")
    assert find_version(checkout) == "0.2.0-dev"


def test_git_is_asked_two_questions_and_reads_no_history(checkout, monkeypatch):
    commands = []
    monkeypatch.setattr(
        versions, "run_git", lambda *words, **more: commands.append(words[1]) or run_git(*words, **more)
    )
    find_version(checkout)
    assert commands == ["log", "status"]


def test_checkout_without_git_tool_is_no_release(checkout, monkeypatch):
    run_local_git(checkout, "tag", "v0.2.0")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_version(checkout) == "0.2.0-dev"


@pytest.mark.parametrize(("day", "expected"), [("unreleased", "0.2.0-dev"), ("2026-12-01", "0.2.0")])
def test_an_archive_without_git_is_a_release_where_the_changelog_has_its_day(checkout, day, expected):
    (checkout / ".git").rename(checkout / "elsewhere")
    (checkout / "CHANGELOG.md").write_text(f"# C\n\n## [0.2.0] - {day}\n")
    assert find_version(checkout) == expected


def test_an_installed_collection_says_what_its_manifest_says(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "PROJECT_DIRECTORY", tmp_path)
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    for text, expected in ((None, "unknown"), ("[]", "unknown"), (MANIFEST, "1.2.3")):
        versions.get_own_version.cache_clear()
        if text is not None:
            (tmp_path / "MANIFEST.json").write_text(text)
        assert versions.get_own_version() == expected
    versions.get_own_version.cache_clear()


NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
SIGNER = AllowedSigner("head of press", "proscribe-x", "exports")
CONTENT = b"what \xff was signed"


class Signed:
    def __init__(self, root):
        self.root, self.signers, self.signature = root, root / "allowed_signers", root / "content.sig"
        self.keys = [self.key("one"), self.key("two")]
        self.signature.write_bytes(sign_content(CONTENT, self.keys[0], SIGNER.namespace))
        self.signers.write_text(format_signer_line(self.keys[0], SIGNER) + "\n")

    def key(self, name):
        path = self.root / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    def verified(self, content=CONTENT, signer=SIGNER):
        return verify_signature(content, self.signature, self.signers, signer, NOW)


@pytest.fixture
def signed(tmp_path):
    return Signed(tmp_path)


def test_a_signature_counts_and_says_which_key_made_it(signed):
    shown = subprocess.run(["ssh-keygen", "-lf", signed.keys[0]], capture_output=True, text=True).stdout
    assert signed.verified() == SignatureCheck("", f"ED25519 key {shown.split()[1]}")


def test_why_one_does_not_count(signed):
    other = format_signer_line(signed.keys[1], AllowedSigner("b", SIGNER.namespace, ""))
    own, changed = signed.signers.read_text(), "it does not fit the file, which was changed after it was signed"
    expired = own.replace("namespaces=", 'valid-before="20261129",namespaces=')
    begins = own.replace("namespaces=", 'valid-before="20261202",namespaces=')
    for signers, content, signer, why in (
        (own, b"another", SIGNER, changed),
        (own, CONTENT, SIGNER._replace(namespace="other"), changed),
        (own, CONTENT, SIGNER._replace(name="b"), "it is by head of press, not by b"),
        (other, CONTENT, SIGNER, "allowed_signers has no such key of head of press for exports now"),
        (expired, CONTENT, SIGNER, "allowed_signers has no such key of head of press for exports now"),
        (begins, CONTENT, SIGNER, ""),
    ):
        signed.signers.write_text(signers)
        found = signed.verified(content, signer)
        assert found.problem.startswith(why) and bool(found.problem) == bool(why) != bool(found.key), why
        assert "\n" not in found.problem and (why != changed or found.problem.endswith(")")), "what ssh-keygen says"


@pytest.mark.parametrize("missing", ["signers", "signature", "tool"])
def test_missing_file_or_tool_is_named(signed, monkeypatch, missing):
    if missing == "tool":
        monkeypatch.setenv("PATH", str(signed.root))
        with pytest.raises(SigningError, match="no ssh-keygen"):
            sign_content(CONTENT, signed.keys[0], SIGNER.namespace)
    else:
        getattr(signed, missing).unlink()
        getattr(signed, missing).mkdir()
    why = {"signers": str(signed.signers), "signature": "it is no file", "tool": "no ssh-keygen"}[missing]
    found = signed.verified()
    assert why in found.problem and not found.key


@pytest.mark.parametrize(
    ("program", "why"),
    [("exit 3", "exit code 3"), ("exit 0", "exit code 0"), ("echo bad >&2; exit 1", "bad"), ("echo x; exit 1", "")],
)
def test_failed_signing_says_why(tmp_path, monkeypatch, program, why):
    with pytest.raises(SigningError, match=f"there is no key {tmp_path}/key"):
        sign_content(CONTENT, tmp_path / "key", SIGNER.namespace)
    (tmp_path / "key").touch()
    (tmp_path / "ssh-keygen").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SigningError, match=rf"could not sign with {tmp_path}/key: {why}"):
        sign_content(CONTENT, tmp_path / "key", SIGNER.namespace)


def test_check_that_times_out_trusts_no_signature(signed, monkeypatch):
    place = signed.root / "bin"
    place.mkdir()
    (place / "ssh-keygen").write_text("#!/bin/sh\nexec sleep 600\n")
    (place / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setattr(ssh_signatures, "TIMEOUT_SECONDS", 0.1)
    assert "timed out" in signed.verified().problem


@pytest.mark.parametrize(
    ("name", "public", "line"),
    [
        ("a", "ssh-ed25519 AAAA a comment\n", 'a namespaces="proscribe-x" ssh-ed25519 AAAA'),
        ("a b", "ssh-ed25519 AAAA", '"a b" namespaces="proscribe-x" ssh-ed25519 AAAA'),
        ("a", "ssh-ed25519", ""),
        ("a", None, ""),
    ],
)
def test_the_line_of_a_key_for_those_who_check(tmp_path, name, public, line):
    if public is not None:
        (tmp_path / "my.key.pub").write_text(public, encoding="latin-1")
    for key in ("my.key", "my.key.pub"):
        assert format_signer_line(tmp_path / key, AllowedSigner(name, "proscribe-x", "")) == line

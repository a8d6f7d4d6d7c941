"""What a host that pulls takes from a repository in hostile hands: real git, real SSH and OpenPGP keys."""

import contextlib
import datetime
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import require_tool
from patience import until
from proscribe.host.programs.pulling import commits
from proscribe.host.programs.pulling.commits import GOOD_REF, Checkout, PullError

PAST = "2024-06-01T12:00:00Z"  # when the key of `old`, which ended with 2024, was good


class Repository:
    """An organisation's repository, with a working tree to commit in, keys, and a host that follows `main`."""

    def __init__(self, directory, monkeypatch):
        self.directory, self.bare, self.tree = directory, directory / "origin.git", directory / "tree"
        self.keys, self.state = directory / "keys", directory / "state"
        for made in (self.keys, self.state, directory / "home"):
            made.mkdir(mode=0o700)
        monkeypatch.setenv("HOME", str(directory / "home"))
        monkeypatch.setenv("GNUPGHOME", str(directory / "home" / ".gnupg"))
        self.signers = self.keys / "signers"
        for name in ("ops", "old", "stranger"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.keys / name))
        ended = f'old@example.org valid-before="20241231Z" {self.public("old")}'
        self.allow(f"ops@example.org {self.public('ops')}", ended)
        self._run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self._run("git", "init", "--quiet", "--initial-branch=main", str(self.tree))
        for name, value in (("user.name", "Ops"), ("user.email", "ops@example.org"), ("gpg.format", "ssh")):
            self.git("config", name, value)

    def _run(self, *argv, **environment):
        variables = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **environment}
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout.strip()

    def git(self, *words, **environment):
        return self._run("git", "-C", str(self.tree), *words, **environment)

    def public(self, name):
        return " ".join((self.keys / f"{name}.pub").read_text().split()[:2])

    def allow(self, *lines):
        self.signers.write_text("".join(f"{line}\n" for line in lines))

    def commit(self, key="ops", at=""):
        """A commit on what is checked out, signed with that key ("" for none); its name."""
        (self.tree / "policy").write_text(os.urandom(8).hex())
        self.git("add", "--all")
        signed = [f"-S{self.keys / key}.pub"] if key else ["--no-gpg-sign"]
        when = {"GIT_COMMITTER_DATE": at, "GIT_AUTHOR_DATE": at} if at else {}
        self.git("commit", "--quiet", "--allow-empty", "-m", "x", *signed, **when)
        return self.git("rev-parse", "HEAD")

    def put_object(self, kind, raw):
        """Put an object into the working tree's repository, whatever git would say of it; its name."""
        (self.directory / "raw").write_bytes(raw)
        return self.git("hash-object", "-t", kind, "-w", "--literally", str(self.directory / "raw"))

    def put_folder(self):
        """Put a folder that has the policy as `config` and `file`; its name."""
        blob = self.git("hash-object", "-w", str(self.tree / "policy"))
        lines = "".join(f"100644 blob {blob}\\t{name}\\n" for name in ("config", "file"))
        return self._run("sh", "-c", f"printf '{lines}' | git -C {self.tree} mktree")

    def push(self, what="HEAD", to="refs/heads/main"):
        self.git("push", "--quiet", "--force", str(self.bare), f"{what}:{to}")

    def publish(self, key="ops", at=""):
        """Commit, and push the commit; its name."""
        commit = self.commit(key, at)
        self.push()
        return commit

    def push_tree(self, raw, parent):
        """Push a signed commit of a tree that git itself would not make."""
        made = self.put_object("tree", raw)
        self.push(self.git("commit-tree", f"-S{self.keys / 'ops'}.pub", "-p", parent, "-m", "x", made))

    def host(self, **settings):
        options = {"repository": str(self.bare), "branch": "main", "signed": True, **settings}
        return Checkout(str(self.state), options, str(self.signers))

    def takes(self, **settings):
        """The commit that the host fetches, which is then its last good one. Raises Problem."""
        host = self.host(**settings)
        commit = host.fetch_commit()
        host.check_out_commit(commit)
        host.keep_good_commit(commit)
        return commit

    def size(self):
        return sum(path.stat().st_size for path in self.state.rglob("*") if path.is_file())

    def refuses(self, **settings):
        """Why it does not take what is there; what it had stays."""
        host = self.host(**settings)
        before = host.find_good_commit()
        with pytest.raises(PullError) as raised:
            host.fetch_commit()
        assert host.find_good_commit() == before
        return str(raised.value)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for tool in ("git", "ssh-keygen", "gpg"):
        require_tool(tool)
    return Repository(tmp_path, monkeypatch)


def begun(repository):
    repository.publish()
    return repository.takes()


def test_a_signed_commit_is_taken_and_its_files_laid_out(repository):
    commit = begun(repository)
    assert (repository.state / "checkout" / "policy").read_text() == (repository.tree / "policy").read_text()
    assert repository.host().find_good_commit() == commit == repository.takes()
    assert repository.publish() == repository.takes()


def test_a_signed_merge_and_a_message_of_many_lines_are_taken(repository):
    begun(repository)
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit("")
    repository.git("tag", "-a", "-m", "a tag\n\ngpgsig no\n", f"-u{repository.keys / 'ops'}.pub", "v1")
    repository.git("checkout", "--quiet", "main")
    repository.commit()
    message = "merge\n\ngpgsig -----\n more\n"
    repository.git("merge", "--quiet", "--no-ff", "-m", message, f"-S{repository.keys}/ops.pub", "v1", "-s", "ours")
    repository.push()
    assert repository.takes() == repository.git("rev-parse", "HEAD")


def test_a_signer_may_be_named_in_the_ways_of_ssh_keygen(repository):
    late = f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2):%Y%m%d}"
    of_keys = ('x namespaces="git,file"', f'x valid-before="{late}Z"')
    for line in ("*@example.org", "a@example.org,b@example.org", *of_keys):
        repository.allow(f"{line} {repository.public('ops')}")
        assert repository.publish() == repository.takes()


@pytest.mark.parametrize("begins", [False, True], ids=["a fresh host", "a host with a good commit"])
@pytest.mark.parametrize(
    ("key", "at", "why"),
    [
        ("", "", "it is not signed"),
        ("stranger", "", "none of the signers"),
        ("old", "", "none of the signers"),
        ("old", PAST, "none of the signers"),  # git verifies as of the time that the commit gives
    ],
)
def test_a_commit_that_no_signer_has_signed_now_is_refused(repository, begins, key, at, why):
    if begins:
        begun(repository)
    repository.publish(key, at)
    refusal = repository.refuses()
    assert "has no good signature" in refusal and why in refusal, refusal


def test_an_openpgp_signature_is_refused_whoever_is_in_the_key_ring(repository):
    generate = ("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "ops@example.org", "ed25519")
    repository._run(*generate)
    (repository.tree / "policy").write_text("openpgp")
    repository.git("add", "--all")
    repository.git("-c", "gpg.format=openpgp", "commit", "--quiet", "-m", "x", "-Sops@example.org")
    repository.git("verify-commit", "HEAD")
    repository.push()
    assert "its signature is none of SSH's" in repository.refuses()


def test_a_signature_that_was_made_for_something_else_is_refused(repository):
    """A signer signs waivers, too, and files; the namespace distinguishes them (ssh-keygen(1), -n)."""
    raw = repository._run("git", "-C", str(repository.tree), "cat-file", "commit", repository.commit("")) + "\n"
    payload = repository.directory / "payload"
    payload.write_text(raw)
    head, _, message = raw.partition("\n\n")
    for namespace in ("file", "git"):
        key = str(repository.keys / "ops")
        repository._run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key, str(payload))
        signature = (repository.directory / "payload.sig").read_text().strip().replace("\n", "\n ")
        (repository.directory / "payload.sig").unlink()
        made = repository.put_object("commit", f"{head}\ngpgsig {signature}\n\n{message}".encode())
        repository.push(made)
        if namespace == "file":
            assert "has no good signature" in repository.refuses()
    assert repository.takes() == made


def test_a_good_signature_of_another_commit_is_refused(repository):
    raw = repository._run("git", "-C", str(repository.tree), "cat-file", "commit", begun(repository))
    signature = raw[raw.index("gpgsig ") : raw.index("-----END SSH SIGNATURE-----")] + "-----END SSH SIGNATURE-----\n"
    other = repository._run("git", "-C", str(repository.tree), "cat-file", "commit", repository.commit("")) + "\n"
    head, _, message = other.partition("\n\n")
    for forged in (f"{head}\n{signature}\n{message}", f"{head}\n{signature}{signature}\n{message}"):
        repository.push(repository.put_object("commit", forged.encode()))
        assert "has no good signature" in repository.refuses() or "fsck" in repository.refuses()


def test_an_older_commit_is_refused(repository):
    begun(repository)
    begun(repository)
    repository.push("HEAD~1")
    assert "goes back behind the last good one" in repository.refuses()


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "nobody has to sign"])
def test_a_commit_of_another_branch_is_refused(repository, signed):
    """Whoever may push but not sign moves `main` to something else that was signed."""
    repository.publish()
    repository.takes(signed=signed)
    repository.git("checkout", "--quiet", "-b", "experiment")
    sibling = repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.publish()
    repository.takes(signed=signed)
    repository.push(sibling)
    assert "comes from another branch" in repository.refuses(signed=signed)
    repository.git("checkout", "--quiet", "--orphan", "unrelated")
    repository.publish()
    assert "comes from another branch" in repository.refuses(signed=signed)


def test_a_tag_of_the_branchs_name_is_not_what_is_followed(repository):
    good = begun(repository)
    repository.commit()
    repository.push("HEAD", "refs/tags/main")
    assert repository.takes() == good


def test_a_branch_that_is_no_commit_is_refused(repository):
    good = begun(repository)
    blob = repository.git("hash-object", "-w", str(repository.tree / "policy"))
    subprocess.run(["cp", "-r", f"{repository.tree}/.git/objects", str(repository.bare)], check=True)
    (repository.bare / "refs/heads/main").write_text(f"{blob}\n")
    repository.refuses()
    assert repository.host().find_good_commit() == good


def test_a_fresh_host_takes_nothing_but_what_comes_after_the_first_commit_that_is_named(repository):
    first = repository.commit()
    newer = repository.commit()
    repository.git("checkout", "--quiet", "--orphan", "unrelated")
    repository.publish()
    assert f"does not come after, {first[:12]}" in repository.refuses(first_commit=first)
    assert not (repository.state / "repository").exists(), "what was refused is kept"
    repository.push(newer)
    assert repository.takes(first_commit=first) == newer


def planted(repository, evil):
    """All that in a repository's own directory changes what git says or does."""
    store, mark = repository.state / "repository", repository.directory / "was-here"
    program = repository.directory / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 0\n")
    program.chmod(0o755)
    (store / "config").write_text(
        f"[core]\n\tfsmonitor = {program}\n\tsshCommand = {program}\n\thooksPath = {store}/hooks\n\tworktree = /tmp\n"
        f'[gpg]\n\tprogram = {program}\n\tformat = openpgp\n[gpg "ssh"]\n\tprogram = {program}\n'
        f'[filter "x"]\n\tsmudge = {program}\n\tclean = {program}\n\trequired = true\n'
        f'[url "{repository.directory}/evil.git"]\n\tinsteadOf = {repository.bare}\n'
        f"[include]\n\tpath = {repository.directory}/more\n[credential]\n\thelper = {program}\n"
        f"[uploadpack]\n\tpackObjectsHook = {program}\n"
    )
    (store / "hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"):
        (store / "hooks" / hook).write_text(program.read_text())
        (store / "hooks" / hook).chmod(0o755)
    (store / "info").mkdir(exist_ok=True)
    (store / "info" / "attributes").write_text("* filter=x\n")
    (store / "info" / "grafts").write_text(f"{evil} {repository.host().find_good_commit()}\n")
    (store / "shallow").write_text(f"{evil}\n")
    (store / "objects" / "info").mkdir(exist_ok=True)
    (store / "objects" / "info" / "alternates").write_text(f"{repository.tree}/.git/objects\n")
    (store / "refs" / "replace").mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", "--bare", f"{repository.directory}/evil.git"], check=True)


def test_settings_planted_in_the_hosts_own_copy_run_and_change_nothing(repository):
    good = begun(repository)
    repository.git("checkout", "--quiet", "--orphan", "evil")
    evil = repository.commit("stranger")
    repository.git("checkout", "--quiet", "main")
    newer = repository.publish()
    planted(repository, evil)
    assert repository.takes() == newer and not (repository.directory / "was-here").exists()
    assert (repository.state / "checkout" / "policy").read_text() == (repository.tree / "policy").read_text()
    # An unrelated commit that a graft gives the good one as its parent.
    planted(repository, evil)
    repository.push(evil)
    repository.refuses()
    assert repository.host().find_good_commit() == newer != good


def test_a_commit_that_another_replaces_is_itself(repository):
    """refs/replace in the host's copy: git would show the one and run the other."""
    begun(repository)
    unsigned = repository.commit("")
    repository.git("checkout", "--quiet", "HEAD~1")
    signed = repository.commit()
    repository.push(signed)
    repository.push(unsigned, "refs/heads/other")
    store = f"--git-dir={repository.state}/repository"
    for name in ("main", "other"):
        repository._run("git", store, "fetch", "--quiet", str(repository.bare), name)
    repository._run("git", store, "pack-refs", "--all")
    repository._run("git", store, "replace", unsigned, signed)
    repository._run("git", store, "pack-refs", "--all")
    repository.push(unsigned)
    assert "it is not signed" in repository.refuses()


def test_the_environment_leads_nowhere_else(repository, monkeypatch):
    good = begun(repository)
    mark = repository.directory / "was-here"
    (repository.directory / "home" / ".gitconfig").write_text(
        f'[core]\n\tfsmonitor = "touch {mark}"\n[url "/nowhere"]\n\tinsteadOf = {repository.bare}\n'
    )
    monkeypatch.setenv("GIT_DIR", str(repository.tree / ".git"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"touch {mark}")
    monkeypatch.setenv("GIT_EXEC_PATH", str(repository.directory))
    assert repository.takes() == good and not mark.exists()


def test_files_that_a_commit_brings_along_run_nothing(repository):
    begun(repository)
    mark, tree = repository.directory / "was-here", repository.tree
    program = tree / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    (tree / ".gitattributes").write_text("* filter=x ident\npolicy export-subst\n")
    (tree / ".gitconfig").write_text(f"[core]\n\thooksPath = hooks\n\tfsmonitor = {program}\n")
    (tree / "hooks").mkdir()
    shutil.copy(program, tree / "hooks" / "post-checkout")
    other = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh {program}\n\tupdate = !touch {mark}\n'
    (tree / ".gitmodules").write_text(other)
    repository.git("add", "--all")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{repository.git('rev-parse', 'HEAD')},x")
    newer = repository.publish()
    with contextlib.suppress(PullError):
        assert repository.takes() == newer
    assert not mark.exists() and [path.name for path in (repository.state / "checkout").glob("x/*")] == []


@pytest.mark.parametrize("name", [".git", ".GIT", "..", "git~1", ".git\u200c"])
def test_a_tree_that_would_write_elsewhere_is_refused(repository, name):
    """Made by hand, since git makes no such tree: it would lay out a repository in the checkout, or leave it."""
    good = begun(repository)
    repository.push_tree(b"40000 " + name.encode() + b"\0" + bytes.fromhex(repository.put_folder()), good)
    assert "could not be fetched" in repository.refuses()
    assert not (repository.state / "config").exists() and not (repository.state / "checkout" / ".git").exists()


@pytest.mark.parametrize("first", ["link", "folder"])
def test_a_tree_with_a_link_and_a_folder_of_one_name_is_refused(repository, first):
    """Made by hand: the link leads out of the checkout, and the file of the folder would be written through it."""
    good = begun(repository)
    outside = repository.directory / "outside"
    outside.mkdir()
    (repository.directory / "target").write_text(str(outside))
    link = repository.git("hash-object", "-w", str(repository.directory / "target"))
    entries = [b"120000 x\0" + bytes.fromhex(link), b"40000 x\0" + bytes.fromhex(repository.put_folder())]
    repository.push_tree(b"".join(entries if first == "link" else entries[::-1]), good)
    assert "could not be fetched" in repository.refuses() and list(outside.iterdir()) == []


def test_a_remote_leads_to_no_other_place_with_what_it_advertises(repository):
    begun(repository)
    mark = repository.directory / "asked"
    (repository.directory / "helper").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (repository.directory / "helper").chmod(0o755)
    helper = f"ext::{repository.directory}/helper"
    own = {"uploadpack.advertiseBundleURIs": "true", "bundle.version": "1", "bundle.mode": "all"}
    own |= {"bundle.x.uri": helper, "uploadpack.allowFilter": "true", "promisor.advertise": "true"}
    for name, value in {**own, "remote.lop.promisor": "true", "remote.lop.url": helper}.items():
        repository._run("git", "--git-dir", str(repository.bare), "config", name, value)
    repository.commit("stranger")
    repository.push(to="refs/heads/evil")
    repository._run("git", "--git-dir", str(repository.bare), "symbolic-ref", "refs/heads/main", "refs/heads/evil")
    assert "none of the signers" in repository.refuses()
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    newer = repository.commit()
    repository.push(to="refs/heads/evil")
    assert repository.takes() == newer and not mark.exists()
    config = (repository.state / "repository/config").read_text()
    assert "promisor" not in config and "lop" not in config


@pytest.mark.parametrize(
    "branch", ["--upload-pack=touch was-here", "main:refs/proscribe/good", "../../x", "ma*n", "HEAD"]
)
def test_a_branch_of_an_odd_name_leads_to_nothing(repository, branch, monkeypatch):
    good = begun(repository)
    repository.publish("stranger")
    monkeypatch.chdir(repository.directory)
    assert "could not be fetched" in repository.refuses(branch=branch) and repository.host().find_good_commit() == good
    assert not (repository.directory / "was-here").exists()


@pytest.mark.parametrize("line", ['ops@example.org valid-after="20990101Z"', 'ops@example.org namespaces="file"'])
def test_a_key_that_is_not_good_yet_or_for_something_else_signs_nothing(repository, line):
    begun(repository)
    repository.allow(f"{line} {repository.public('ops')}")
    repository.publish("ops", "2099-06-01T12:00:00Z")
    assert "has no good signature" in repository.refuses()


def test_a_repository_without_its_history_gives_nothing_that_cannot_be_judged(repository):
    """A shallow clone in place of the repository: whether a commit comes after the last good one is not in it."""
    good = begun(repository)
    repository.commit()
    newer = repository.publish()
    shallow = repository.directory / "shallow.git"
    repository._run("git", "clone", "--quiet", "--bare", "--depth=1", f"file://{repository.bare}", str(shallow))
    assert "no whole history" in repository.refuses(repository=str(shallow))
    assert repository.host().find_good_commit() == good
    assert repository.takes() == newer, "nothing of it keeps the next run from the whole one"


def test_too_much_is_refused_and_nothing_of_it_stays(repository, monkeypatch):
    good = begun(repository)
    monkeypatch.setattr(commits, "MAX_FILE_BYTES", 4 * 1024 * 1024)
    (repository.tree / "large").write_bytes(os.urandom(16 * 1024 * 1024))
    repository.publish()
    assert "could not be fetched" in repository.refuses()
    assert repository.size() < 1024 * 1024 and repository.host().find_good_commit() == good


def test_a_repository_that_never_answers_is_ended_with_all_that_it_began(repository, monkeypatch):
    begun(repository)
    programs = repository.directory / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f"#!/bin/sh\nsleep 1000 &\necho $! >{programs}/pid\nwait\n")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(commits, "FETCH_TIMEOUT_SECONDS", 3)
    assert "did not end within 3 s" in repository.refuses(repository="ssh://git.example.org/x")
    pid = (programs / "pid").read_text().strip()
    state = Path(f"/proc/{pid}/stat")
    until(lambda: not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_commit_refused_every_night_does_not_fill_the_disk(repository):
    begun(repository)
    for _ in range(3):
        (repository.tree / "junk").write_bytes(os.urandom(2 * 1024 * 1024))
        repository.publish("stranger")
        repository.refuses()
        assert repository.size() < 1024 * 1024
    assert repository.host()._find_commit(GOOD_REF)

"""A portable copy on its whole way through the launcher: found, taken, given back by its id, taken again, given back.

The host is a mount namespace of this machine with an /etc, a /var/lib, homes and gates of its own, and the app is a
made one, of which nobody's home has a copy.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch

pytestmark = [
    pytest.mark.playbook,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mount namespaces and to enforce"),
]

INTERPRETER = """#!/bin/sh
exec unshare --mount sh -c '
    cd {host} && mount --bind etc /etc && mount --bind lib /var/lib && mount --bind libexec /usr/libexec &&
    mount --bind home /home && mount -t tmpfs tmpfs /run && cd / &&
    cd {project} && mount -t tmpfs tmpfs /tmp && mkdir -p {project} && mount --bind . {project} && cd / &&
    exec {python} "$@"' sh "$@"
"""  # It has a /tmp of its own: there would be what it was made from. (The checkout may lie in /tmp.)
SERVICE = """
id: made_parrot
name: Parrot
category: instant_messaging
vendor: Made for a test
audience: consumer
enforce: true
packages: {apt: [proscribe-made-parrot]}
processes: {linux: [proscribe-made-parrot]}
paths: {linux: [~/proscribe-made-parrot]}
sources: [made]
"""


class Made:
    """The host, and the launcher over it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home/alice"
        self.gate = directory / "etc/dpkg/dpkg.cfg.d/proscribe"
        self.quarantine = directory / "lib/proscribe/quarantine"
        (directory / "fleet").mkdir()
        for place in (
            "etc/dpkg/dpkg.cfg.d",
            "lib/dpkg/info",
            "libexec",
            "home/alice",
            "catalog/instant_messaging",
        ):
            (directory / place).mkdir(parents=True)
        (directory / "lib/dpkg/status").touch()
        for name in ("group", "nsswitch.conf", "os-release", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", directory / "etc")
        accounts = "root:x:0:0:root:/nonexistent:/bin/sh\nalice:x:61234:61234::/home/alice:/bin/sh\n"
        (directory / "etc/passwd").write_text(accounts)
        python = directory / "python"
        python.write_text(INTERPRETER.format(host=directory, project=PROJECT, python=sys.executable))
        python.chmod(0o755)
        (directory / "catalog/instant_messaging/made_parrot.yml").write_text("---" + SERVICE)
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(python),
            "proscribe_catalog_dirs": [str(directory / "catalog")],
            "proscribe_categories": [],
            "proscribe_services_include": ["made_parrot"],
            "proscribe_contact": "it-security@example.org",
        }
        hosts = {"department": {"hosts": {"pc17": variables}}}
        (directory / "fleet/hosts.yml").write_text(json.dumps(hosts))

    def __call__(self, word: str, *options: str) -> Ended:
        reports = str(self.directory / "reports")
        wanted = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, PROSCRIBE_REPORTS=reports)
        words = (word, "-i", "fleet", "--tags", "apps", *options)
        return launch(PROJECT / "proscribe", *words, cwd=self.directory, environment=wanted)

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "reports/latest/hosts.jsonl").read_text()))

    @property
    def kept(self) -> list[str]:
        return [path.name for path in self.quarantine.glob("*") if path.is_dir()]

    def picture(self) -> dict[str, tuple[Any, ...]]:
        """Everything at home, but for what restoring a name does to the directory above it."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            seen = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, content)
        return found


def test_given_back_by_its_id_while_the_ban_stays_and_then_with_the_ban(tmp_path: Path) -> None:
    made = Made(tmp_path)
    app = made.home / "proscribe-made-parrot"
    app.mkdir()
    for name in ("proscribe-made-parrot", "libparrot.so"):  # a program, and what shows that it is an app's
        shutil.copy("/usr/bin/true", app / name)
    (made.home / "letter").write_text("dear diary")
    for path in (*app.iterdir(), app, made.home / "letter", made.home):
        os.chown(path, 61234, 61234)
        os.utime(path, ns=(1_500_000_000_111_222_333, 1_600_000_000_444_555_666))
    before = made.picture()

    for options in (("--check", "--diff"), ()):
        ended = made("enforce", *options)
        assert ended.code == 0, ended.said
        assert "quarantine /home/alice/proscribe-made-parrot" in ended.said
        assert app.exists() == bool(options)
    assert made.record["state"] == "repaired" and made.gate.exists()
    assert [path.name for path in made.home.iterdir()] == ["letter"]

    (id_,) = made.kept
    refused = made("lift", "-e", "proscribe_restore=parrot-1")
    assert refused.code != 0 and f"parrot-1 is not in the quarantine of this host; there is {id_}" in refused.said
    ended = made("lift", "-e", f"proscribe_restore={id_}")
    assert ended.code == 0, ended.said
    assert made.picture() == before and made.kept == [] and made.gate.exists()

    assert made("audit").code == 0
    (rule,) = [rule for rule in made.record["rules"] if rule["rule"] == "apps/made_parrot"]
    assert (rule["state"], rule["findings"][0]["path"]) == ("noncompliant", "/home/alice/proscribe-made-parrot")
    assert made("enforce").code == 0 and not app.exists()

    ended = made("lift")
    assert ended.code == 0, ended.said
    assert made.picture() == before and not made.gate.exists() and not made.quarantine.exists()

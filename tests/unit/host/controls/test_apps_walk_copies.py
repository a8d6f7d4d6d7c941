"""Copies of apps that no package system knows: what is taken for one, what for certain, and what never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_apps import lay as put
from proscribe.host.controls import apps
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.portable import evidence, names
from proscribe.host.controls.apps.portable import scan as portable
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.system import Host, Result, User

ELF = made.elf()

SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {
        "processes": ["wechat", "WeChatAppEx"],
        "paths": ["/opt/wechat/wechat", "/usr/bin/wechat"],
        "desktop_files": ["com.tencent.WeChat.desktop"],
        "windows": ["Tencent/WeChat/WeChat.exe"],
        "packages": {"apt": ["wechat"], "flatpak": ["com.tencent.WeChat"]},
    },
    "telegram": {"processes": ["Telegram", "telegram-desktop"]},
    "signal": {"processes": ["signal-desktop"]},
    "mega": {"processes": ["megasync"], "packages": {"apt": ["megasync"]}},
    "dropbox": {"processes": ["dropbox"], "paths": ["~/.dropbox-dist"]},
    "tunnels": {
        "markers": {
            "go": ["github.com/cloudflare/cloudflared", "github.com/jpillora/chisel"],
            "programs": ["cloudflared", "chisel"],
        }
    },
    "whatsapp": {"web_hosts": ["whatsapp.com", "chat.example.com/wa"], "web_allow": ["business.whatsapp.com"]},
}


def section(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
    services = {id_: {"name": id_, **empty, **given, **changes.get(id_, {})} for id_, given in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {}}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for place in ("home/alice", "proc", "etc", "var/lib"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\nbin:x:2:2::/bin:/bin/false\n")
    return Host(str(tmp_path), lambda argv, **options: Result(1, "", ""))


def search(host: Host, **region: Any) -> portable._Search:
    """A search of single paths on the host's own behalf."""
    services = section()["services"]
    of = portable.Region({}, ["/opt"], **region)
    return portable._Search(host, names.Names(services), of, (), {})


def test_what_a_package_system_owns_is_reported_and_stays_whatever_the_evidence(host: Host) -> None:
    """Else an environment of pipx's would be taken apart, of which another of its programs needs the rest."""
    for name in ("wechat", "libcef.so"):
        put(host, f"/opt/venv/wechat/{name}")
    for owned, kind, doubt in (("/opt/venv", "program", "a package system owns it, so it is not moved"),
                               ("/opt/ven", "tree", "")):  # fmt: skip
        one = search(host, owned=[owned])
        one._add("wechat", "program", "/opt/venv/wechat/wechat", evidence.Known("why", own=True))
        assert [(copy.kind, copy.doubt, bool(copy.parts)) for copy in one.found] == [(kind, doubt, False)]


ALICE = User("alice", 1000, 1000, "/home/alice")


@pytest.mark.parametrize("doubt", ["", "known by its name alone"])
def test_what_a_package_of_the_host_owns_stays_and_a_doubt_is_reported_instead(host: Host, doubt: str) -> None:
    put(host, "/usr/bin/dpkg-query", b"")
    put(host, "/opt/x/wechat")
    host._run = lambda argv, **options: Result(0, "some: x\n", "")
    one = search(host)
    one._add("wechat", "program", "/opt/x/wechat", evidence.Known("why", doubt))
    (copy,) = one.found
    assert copy.doubt == (doubt or "it belongs to the dpkg package some, so it is not moved")


@pytest.mark.parametrize(
    ("directory", "content", "sign", "counts"),
    [
        ("/home/alice/x", ELF, True, True),
        ("/opt/x", ELF, True, False),  # the host's own browser
        ("/home/alice/x", b"#!/bin/sh\n", True, False),
        ("/home/alice/x", ELF, False, False),
    ],
)
def test_a_copy_of_a_browser_counts_in_a_home_with_the_rest_of_one_around_it(
    host: Host, directory: str, content: bytes, sign: bool, counts: bool
) -> None:
    put(host, f"{directory}/firefox", content)
    if sign:
        put(host, f"{directory}/libcef.so")
    services = {"tor": {"packages": {}, "processes": [], "paths": [], "copies": ["firefox"]}}
    region = portable.Region({"/home/alice": ALICE}, ["/opt"])
    one = portable._Search(host, names.Names(services), region, (), {})
    one.directory(directory, ["_crx_abc", "firefox"])  # a web app is checked elsewhere
    assert [(copy.kind, copy.path) for copy in one.found] == ([("program", f"{directory}/firefox")] if counts else [])


def found(host: Host, **changes: Any) -> list[tuple[str, ...]]:
    portable_apps: list[PortableApp] = sorted(
        observe_apps(host, section(**changes)).portable_apps, key=lambda copy: copy.path
    )
    return [(" ".join(c.services), c.kind, c.path, "doubt" if c.doubt else "certain") for c in portable_apps]


HOME = "/home/alice"


BROWSERS = {"mode": "report", "name": "", "packages": {}, "processes": ["dillo"], "paths": [], "copies": ["chrome"]}


@pytest.mark.parametrize(("mode", "state"), [("report", "not_applicable"), ("audit", "noncompliant")])
def test_browsers_that_no_policy_reaches(host, mode, state):
    put(host, f"{HOME}/bin/dillo")
    put(host, f"{HOME}/chrome-linux/chrome")
    put(host, f"{HOME}/chrome-linux/icudtl.dat", made.icu())
    put(host, f"{HOME}/x/icudtl.dat")
    put(host, f"{HOME}/x/chrome")  # nothing of a browser around it
    put(host, "/opt/google/chrome/chrome")
    put(host, "/opt/google/chrome/icudtl.dat")
    of = section()
    of["settings"]["unmanaged_browsers"] = {**BROWSERS, "mode": mode}
    (verdict,) = [
        v for v in apps.observe(host, {"contact": "", "controls": {"apps": of}}) if v.rule == "apps/unmanaged-browsers"
    ]
    assert (verdict.state, [f.path for f in verdict.findings], verdict.drifted) == (
        state,
        [f"{HOME}/bin/dillo", f"{HOME}/chrome-linux/chrome"],
        False,
    )


@pytest.mark.parametrize(
    ("outer", "path", "stays"),
    [
        pytest.param({}, "/opt/app/bin/x", False, id="it moves with the tree"),
        pytest.param({"doubt": "by its name"}, "/opt/app/bin/x", True, id="the tree is doubtful and stays"),
        pytest.param({"parts": ["/opt/app/lib"]}, "/opt/app/bin/x", True, id="another part of the tree moves"),
        pytest.param({"parts": ["/opt/app/bin"]}, "/opt/app/bin/x", False, id="its part moves"),
        pytest.param({"parts": ["/opt/app/bi"]}, "/opt/app/bin/x", True, id="a part with half of its name moves"),
        pytest.param({"kind": "web_app"}, "/opt/app/bin/x", True, id="no tree"),
        pytest.param({}, "/opt/app2/x", True, id="beside it"),
    ],
)
def test_only_what_moves_with_a_directory_is_reported_with_it(outer, path, stays):
    """Else a program that stays would be reported by nobody."""
    tree = PortableApp(["a"], "tree", "/opt/app", "app", None, "")._replace(**outer)
    inner = PortableApp(["b"], "program", path, "x", None, "")
    assert [copy.path for copy in portable._outermost([inner, tree])] == ["/opt/app", *([path] if stays else [])]
    assert tree.services == ["a"]

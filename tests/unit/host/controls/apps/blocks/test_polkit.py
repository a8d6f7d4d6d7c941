"""The rules of polkit, read by a JavaScript engine as polkit reads them: whom they refuse what, and that neither a
contact nor a name in them is code.
"""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from proscribe.host.controls.apps.blocks import polkit
from proscribe.host.controls.apps.systems import snap
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.system import Host, Unseen

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: reads the rules as polkit does")
CONTACTS = ["it@example.org", "*/ }); throw 1; // \u2028 throw 2"]
ASK = """
let verdicts = [];
const polkit = {addRule: f => verdicts.push(f), log: () => {}, Result: {NO: "no"}};
const [rule, questions] = JSON.parse(require("fs").readFileSync(0, "utf8"));
eval(rule);
const ask = ([id, details, user]) => verdicts[0]({id: id, lookup: key => details[key]}, {user: user}) || "-";
console.log(JSON.stringify(questions.map(ask)));
"""
PACKAGEKIT = "org.freedesktop.packagekit."
WECHAT = {"package_ids": "wechat;4.0;amd64;made"}


def answers(rule: str, *questions: tuple[str, dict[str, str], str]) -> list[Any]:
    """What a rule says to an action with these details that a user wants."""
    words = json.dumps([rule, questions])
    done = subprocess.run(["node", "-e", ASK], input=words, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("contact", CONTACTS)
def test_packagekit_installs_no_restricted_package(contact):
    rule = polkit.packagekit("dpkg", {"wechat", 'odd"]) || true || ["'}, contact)
    assert rule.path == "/etc/polkit-1/rules.d/00-proscribe-packagekit-dpkg.rules"
    install, untrusted = PACKAGEKIT + "package-install", PACKAGEKIT + "package-install-untrusted"
    both = {"package_ids": "weechat;4.6;amd64;made&wechat;4.0;amd64;made"}
    like = {"package_ids": "weechat;4.6;amd64;made&wechat-theme;4.0;amd64;wechat"}
    assert answers(
        rule.content,
        (install, WECHAT, "alice"),
        (install, both, "alice"),
        (untrusted, WECHAT, "alice"),
        (install, like, "alice"),
        (install, {}, "alice"),
        (install, WECHAT, "root"),
        (PACKAGEKIT + "package-remove", WECHAT, "alice"),
        (PACKAGEKIT + "system-update", WECHAT, "alice"),
        ("org.example.package-install", WECHAT, "alice"),
    ) == ["no", "no", "no", *"------"]


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("etc/polkit-1/rules.d/00-first.rules", True),
        ("usr/local/share/polkit-1/rules.d/00-first", False),
        ("etc/polkit-1/rules.d/00-proscribe-flatpak.rules", False),
        ("usr/local/share/polkit-1/rules.d/00-proscribe-flatpak.rules", True),
        ("usr/share/polkit-1/rules.d/00-proscribe-snap.rules", False),  # the one of its name that polkit reads first
    ],
)
def test_rule_that_polkit_asks_earlier_makes_the_block_unknown(tmp_path, path, before):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("polkit.addRule(function(action, subject) { return polkit.Result.YES; });")
    (rule,) = snap.block_parts(Block({"telegram-desktop"}))
    effect = polkit.first(rule.path)
    folders = [f"{above}/polkit-1/rules.d" for above in ("/etc", "/run", "/usr/local/share", "/usr/share")]
    assert list(effect.depends(Host(str(tmp_path)))) == [*folders, rule.path]
    if not before:
        assert effect.trial(Host(str(tmp_path))) == ""
        return
    with pytest.raises(Unseen, match="polkit asks /.* before 00-proscribe-snap.rules"):
        effect.trial(Host(str(tmp_path)))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("folder", polkit.ALL)
@pytest.mark.parametrize("users", [True, False])
def test_a_rule_that_users_can_change_is_unknown_whatever_its_name(tmp_path, folder, users):
    """All rules are one program: one that is asked last may change what the first one does."""
    place = tmp_path / folder[1:]
    place.mkdir(parents=True)
    (place / "99-last.rules").write_text("String.prototype.indexOf = function() { return -1; };")
    os.chown(place, 12345 * users, 0)
    effect = polkit.first(f"{polkit.DIRECTORY}/00-proscribe-snap.rules")
    if not users or folder == polkit.DIRECTORY:  # of that one the distribution says whose it is
        assert effect.trial(Host(str(tmp_path))) == ""
        return
    with pytest.raises(
        Unseen, match=f"^users can change {folder}, and polkit runs the rules of {folder}/99-last.rules$"
    ):
        effect.trial(Host(str(tmp_path)))


@pytest.mark.parametrize("contact", CONTACTS)
def test_snapd_is_managed_by_root_alone(contact):
    (rule,) = snap.block_parts(Block({"telegram-desktop"}, contact))
    manage = "io.snapcraft.snapd.manage"
    login, connect = "io.snapcraft.snapd.login", "io.snapcraft.snapd.manage-interfaces"
    questions = ((manage, {}, "alice"), (manage, {}, "root"), (login, {}, "alice"), (connect, {}, "alice"))
    assert answers(rule.content, *questions) == ["no", "-", "no", "-"]

"""The control `apps` on real npm, in a throw-away root: packages for the whole host, and below users' prefixes."""

import json

import pytest
from proscribe.host.controls.apps import removed_packages
from test_apps_real_dpkg import TREE
from throwaway import archive, plan, seen, two_users


@pytest.fixture(scope="session")
def tarballs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("npm")
    directory.chmod(0o755)
    for name, version in (("wechaty", "1.20.2"), ("@made/telegram", "2.0.0"), ("weechat-js", "0.1.0")):
        manifest = {"name": name, "version": version, "bin": {name.rpartition("/")[2]: "run.js"}}
        manifest["scripts"] = {"preuninstall": "touch /tmp/ran", "uninstall": "touch /tmp/ran"}
        files = {"package/package.json": json.dumps(manifest), "package/run.js": b"#!/usr/bin/env node\n"}
        archive(directory / f"{name.rpartition('/')[2]}.tgz", files)
    return directory


@pytest.fixture
def machine(tmp_path, request):
    with two_users(tmp_path, request.getfixturevalue("tarballs")) as system:
        yield system


NPM = "npm install --global --offline --no-audit --no-fund --no-update-notifier"
PLAN = plan("npm", wechat=["wechaty"], telegram=["@made/telegram"])
HOST = "/usr/local/lib/node_modules"


def test_npm_packages_of_host_and_users_are_seen_and_removed(machine):
    before = machine.sh(TREE).stdout
    machine.sh(f"{NPM} /debs/wechaty.tgz /debs/weechat-js.tgz")
    machine.as_user("alice", f"{NPM} --prefix ~/.npm-global /debs/wechaty.tgz /debs/telegram.tgz")
    machine.as_user("bob", f"echo 'prefix=${{HOME}}/node' >.npmrc && {NPM} /debs/telegram.tgz /debs/weechat-js.tgz")
    machine.remount("ro")
    verdicts = machine.verb("observe", PLAN)
    machine.remount("rw")
    alice, bob = "/home/alice/.npm-global/lib/node_modules", "/home/bob/node/lib/node_modules"
    wechat, telegram = ("npm", "wechaty", "1.20.2"), ("npm", "@made/telegram", "2.0.0")
    places = [("system", f"{HOST}/wechaty"), ("user:alice", f"{alice}/wechaty")]
    assert seen(verdicts["apps/wechat"]) == [(*wechat, *place) for place in places]
    places = [("user:alice", f"{alice}/@made/telegram"), ("user:bob", f"{bob}/@made/telegram")]
    assert seen(verdicts["apps/telegram"]) == [(*telegram, *place) for place in places]
    done = machine.verb("enforce", PLAN)
    assert (done["error"], done["refused"], len(done["actions"])) == (None, [], 4)
    assert machine.sh(f"ls {HOST}; ls /usr/local/bin").stdout.split() == ["weechat-js", "weechat-js"]
    users_own = machine.sh(f"find {alice}/.. {bob}/.. -name '*we*' -o -name '*te*'").stdout.split()
    assert users_own == [f"{bob}/../node_modules/weechat-js"]
    foreign = "find /home/alice -not -uid 71001; find /home/bob -not -uid 71002; ls /tmp/ran"
    assert machine.sh(foreign, check=False).stdout == ""
    assert {verdict["state"] for verdict in machine.verb("observe", PLAN).values()} == {"compliant"}
    assert machine.verb("enforce", PLAN)["actions"] == []
    machine.as_user("alice", f"{NPM} --prefix ~/.npm-packages /debs/wechaty.tgz")  # no install block
    assert machine.verb("observe", PLAN)["apps/wechat"]["findings"][0]["scope"] == "user:alice"
    machine.verb("enforce", PLAN)
    lifted = [f"delete {removed_packages.REMOVED_PACKAGES_PATH}", "delete /var/lib/proscribe/users_tools.json"]
    assert machine.verb("lift", PLAN)["actions"] == lifted
    machine.sh("npm uninstall --global --offline weechat-js >/dev/null; rmdir /usr/local/lib/node_modules")
    assert machine.sh(TREE).stdout == before


def test_a_linked_package_is_unlinked_and_its_source_stays(machine):
    machine.as_user("alice", "mkdir work && tar xf /debs/wechaty.tgz -C work")
    machine.as_user("alice", "cd work/package && npm_config_prefix=~/.npm-global npm link --offline")
    verdict = machine.verb("observe", PLAN)["apps/wechat"]
    assert [finding["path"] for finding in verdict["findings"]] == ["/home/alice/.npm-global/lib/node_modules/wechaty"]
    assert machine.verb("enforce", PLAN)["error"] is None
    assert machine.verb("observe", PLAN)["apps/wechat"]["state"] == "compliant"
    assert machine.as_user("alice", "ls work/package").stdout.split() == ["package.json", "run.js"]

"""The control `apps` on real pip and pipx, in a throw-away root: the host's packages, users' own, and environments."""

import zipfile

import pytest
from proscribe.host.controls.apps import removed_packages
from test_apps_real_dpkg import TREE
from throwaway import plan, seen, two_users


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wheels")
    directory.chmod(0o755)
    build(directory, "Telethon", "1.40")
    build(directory, "signalbot-cli.tool", "0.9")
    build(directory, "notifier", "2.0", "Requires-Dist: telethon")
    return directory


def build(directory, name, version, *fields):
    module = name.lower().replace("-", "_").replace(".", "_")
    info = f"{module}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *fields]
    files = {
        f"{module}/__init__.py": "def main():\n    print('runs')\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n\nmade for a test\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{module} = {module}:main\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(directory / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, content)


@pytest.fixture
def machine(tmp_path, request):
    with two_users(tmp_path, request.getfixturevalue("wheels")) as system:
        yield system


PIP = "python3 -m pip install --quiet --no-index --find-links /debs --break-system-packages --root-user-action ignore"
PIPX = "pipx install --quiet --pip-args='--no-index --find-links /debs --find-links /usr/share/python-wheels'"
PLAN = plan("pip", telegram=["telethon"], signal=["Signalbot.cli-tool"])
SITE = "lib/python3.13/{}-packages"


def test_pip_packages_of_host_and_user_are_seen_and_removed(machine):
    before = machine.sh(TREE).stdout
    machine.sh(f"{PIP} notifier signalbot-cli.tool")
    machine.as_user("alice", f"{PIP} --user --ignore-installed telethon")
    machine.remount("ro")
    verdicts = machine.verb("observe", PLAN)
    machine.remount("rw")
    host, own = f"/usr/local/{SITE.format('dist')}", f"/home/alice/.local/{SITE.format('site')}"
    places = [("system", f"{host}/telethon-1.40.dist-info"), ("user:alice", f"{own}/telethon-1.40.dist-info")]
    assert seen(verdicts["apps/telegram"]) == [("pip", "telethon", "1.40", *place) for place in places]
    signalbot = ("pip", "Signalbot.cli-tool", "0.9", "system", f"{host}/signalbot_cli_tool-0.9.dist-info")
    assert seen(verdicts["apps/signal"]) == [signalbot]
    # A module of that name where root stands must not be run: that may be a user's directory.
    machine.sh("mkdir -p /tmp/trap/pip && echo 'import os; os.mkdir(\"/tmp/trapped\")' >/tmp/trap/pip/__main__.py")
    done = machine.verb("enforce", PLAN)
    assert (done["error"], done["refused"]) == (None, []) and len(done["actions"]) == 3
    assert machine.sh(f"ls {host}").stdout.split() == ["notifier", "notifier-2.0.dist-info"]
    assert machine.sh("find /home/alice/.local -type f").stdout == ""
    assert {verdict["state"] for verdict in machine.verb("observe", PLAN).values()} == {"compliant"}
    assert machine.verb("enforce", PLAN)["actions"] == []
    assert machine.sh("find /home/alice -not -uid 71001; test ! -e /tmp/trapped").stdout == ""
    machine.sh("cp /debs/telethon* /tmp")  # pip has no install block: the package is found after every installation
    machine.as_user("bob", f"{PIP} /tmp/telethon-1.40-py3-none-any.whl")
    assert machine.verb("observe", PLAN)["apps/telegram"]["findings"][0]["scope"] == "user:bob"
    machine.verb("enforce", PLAN)
    lifted = [f"delete {removed_packages.REMOVED_PACKAGES_PATH}", "delete /var/lib/proscribe/users_tools.json"]
    assert machine.verb("lift", PLAN)["actions"] == lifted
    machine.sh("python3 -m pip uninstall --quiet --yes --break-system-packages notifier 2>/dev/null")
    machine.sh("find /usr -name __pycache__ -newer /etc/passwd -prune -exec rm -r {} +; rm -rf /tmp/t*")
    assert set(machine.sh(TREE).stdout.splitlines()) <= set(before.splitlines())


def test_environments_of_pipx(machine):
    machine.as_user("alice", f"{PIPX} telethon && {PIPX} notifier")
    machine.sh(f"PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin {PIPX} signalbot-cli.tool")
    verdicts = machine.verb("observe", PLAN)
    venvs = "/home/alice/.local/share/pipx/venvs"
    site = f"{SITE.format('site')}/telethon-1.40.dist-info"
    paths = [f"{venvs}/{venv}/{site}" for venv in ("notifier", "telethon")]
    assert seen(verdicts["apps/telegram"]) == [("pipx", "telethon", "1.40", "user:alice", path) for path in paths]
    done = machine.verb("enforce", PLAN)
    [(rule, subject, why)] = done["refused"]
    assert (done["error"], rule, subject) == (None, "apps/telegram", "telethon") and "along with 'notifier'" in why
    assert machine.as_user("alice", "ls .local/share/pipx/venvs; ls .local/bin").stdout.split() == ["notifier"] * 2
    assert machine.sh("ls /opt/pipx/venvs; find /home/alice -not -uid 71001").stdout == ""
    assert machine.verb("observe", PLAN)["apps/signal"]["state"] == "compliant"
    machine.as_user("alice", f"pipx uninstall notifier >/dev/null && {PIPX} telethon")
    assert machine.verb("observe", PLAN)["apps/telegram"]["state"] == "noncompliant"


def test_package_that_a_user_made_unremovable_is_that_users_finding(machine):
    """Whoever made his own package unremovable made the control fail, and with it the canary of the whole fleet."""
    machine.as_user("alice", f"{PIP} --user telethon && chmod -R a-w .local/lib")
    machine.as_user("bob", f"{PIP} --user telethon")
    machine.sh(f"{PIP} signalbot-cli.tool")
    done = machine.verb("enforce", PLAN)
    assert done["error"] is None
    [(rule, subject, why)] = done["refused"]
    assert (rule, subject.split()[:2]) == ("apps/telegram", ["telethon", "(user:alice)"])
    assert why.startswith("alice's, could not be changed: ") and "Permission denied" in why
    verdicts = machine.verb("observe", PLAN)
    assert [finding["scope"] for finding in verdicts["apps/telegram"]["findings"]] == ["user:alice"]
    assert verdicts["apps/signal"]["state"] == "compliant"


def test_a_users_own_python_that_prints_without_end_is_ended_and_fails_nothing(machine):
    python = ".pyenv/versions/3.11.9/bin/python3.11"
    info = ".pyenv/versions/3.11.9/lib/python3.11/site-packages/telethon-1.0.dist-info"
    script = "#!/bin/sh\\nsleep 600 &\\nyes xxxxxxxxxxxxxxxxxxxxxxx\\n"
    machine.as_user("alice", f"mkdir -p {info} $(dirname {python}) && echo pip >{info}/INSTALLER")
    machine.as_user("alice", f"printf 'Name: telethon\\nVersion: 1.0\\n' >{info}/METADATA")
    machine.as_user("alice", f"printf '{script}' >{python} && chmod 755 {python}")
    done = machine.verb("enforce", PLAN)
    assert done["error"] is None
    [(rule, subject, why)] = done["refused"]
    place = "/home/alice/.pyenv/versions/3.11.9/lib/python3.11/site-packages"
    assert (rule, subject) == ("apps/telegram", f"telethon (user:alice) from {place}")
    assert "printed more than 262144 bytes" in why
    assert machine.sh("ps -o args= -u alice 2>/dev/null | grep -e sleep -e yes || true").stdout == ""

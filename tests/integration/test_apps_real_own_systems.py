"""The control `apps` on package systems that users bring along, in a throw-away root."""

import asyncio
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from conftest import missing
from test_apps_real_pip import build
from throwaway import USERS, become, plan, seen, two_users

NIX = "build-users-group =\nexperimental-features = nix-command flakes\nsandbox = false\nsubstitute = false\n"
DERIVATION = """
name: derivation {
  inherit name;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "/bin/mkdir -p $out/bin; /bin/cp /bin/sleep $out/bin/${name}" ];
}
"""


def conda_package(channel, name, version, *depends):
    program = Path("/usr/bin/sleep").read_bytes()
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends)}
    path = {"_path": f"bin/{name}", "path_type": "hardlink", "sha256": hashlib.sha256(program).hexdigest()}
    paths = [{**path, "size_in_bytes": len(program)}]
    files = {
        "info/index.json": json.dumps({**index, "subdir": "linux-64", "arch": "x86_64", "platform": "linux"}).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "info/files": f"bin/{name}\n".encode(),
        f"bin/{name}": program,
    }
    with tarfile.open(channel / f"linux-64/{name}-{version}-0.tar.bz2", "w:bz2") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))


def conda_environment(directory):
    """An environment with a restricted package that another one needs, and one that nothing needs."""
    try:
        import rattler
    except ImportError:
        missing("needs py-rattler: it is in the project's own test environment")
    channel = directory / "channel"
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
    conda_package(channel, "rclone", "1.70.0")
    conda_package(channel, "backup-suite", "2.0", "rclone")
    conda_package(channel, "megatools", "1.11")

    async def install():
        await rattler.index.index_fs(channel)
        options = {"platforms": ["linux-64", "noarch"], "virtual_packages": []}
        channels, specs = [rattler.Channel(channel.as_uri())], ["backup-suite", "megatools"]
        records = await rattler.solve(channels, specs, **options)
        where = {"cache_dir": str(directory / "cache"), "platform": rattler.Platform("linux-64")}
        await rattler.install(records, str(directory / "env"), show_progress=False, **where)

    asyncio.run(install())


@pytest.fixture(scope="session")
def brought(tmp_path_factory):
    directory = tmp_path_factory.mktemp("brought")
    directory.chmod(0o755)
    build(directory, "Telethon", "1.40")
    build(directory, "notifier", "2.0")
    (directory / "derivation.nix").write_text(DERIVATION)
    conda_environment(directory)
    try:
        from uv import find_uv_bin
    except ImportError:
        missing("needs uv: it is in the project's own test environment")
    shutil.copy(find_uv_bin(), directory / "uv")
    subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
    return directory


@pytest.fixture
def machine(tmp_path, request):
    with two_users(tmp_path, request.getfixturevalue("brought")) as system:
        yield system


def packages(machine, banned):
    return seen(machine.verb("observe", banned)["apps/telegram"])


UV = "uv tool install --quiet --offline --no-index --find-links /debs --python /usr/bin/python3"
TOOLS = "/home/alice/.local/share/uv/tools"
SITE = "lib/python3.13/site-packages/telethon-1.40.dist-info"


def test_tools_of_uv(machine):
    banned = plan("pip", telegram=["telethon"])
    machine.sh("install -m 755 /debs/uv /usr/local/bin/uv")
    machine.as_user("alice", f"{UV} telethon && {UV} --with telethon notifier")
    machine.as_user("bob", f"UV_TOOL_DIR=~/elsewhere {UV} telethon")
    packages_found = packages(machine, banned)
    assert packages_found == [
        ("uv", "telethon", "1.40", "user:alice", f"{TOOLS}/notifier/{SITE}"),
        ("uv", "telethon", "1.40", "user:alice", f"{TOOLS}/telethon/{SITE}"),
        ("uv", "telethon", "1.40", "user:bob", f"/home/bob/elsewhere/telethon/{SITE}"),
    ]
    done = machine.verb("enforce", banned)
    why = "it came along with 'notifier', which uv installed and nothing restricts"
    assert (done["error"], done["refused"]) == (None, [["apps/telegram", "telethon", why]])
    assert [packages_found[0]] == packages(machine, banned)
    assert machine.as_user("alice", "ls ~/.local/bin; ~/.local/bin/notifier").stdout == "notifier\nruns\n"
    assert machine.as_user("bob", "ls ~/.local/bin; ls ~/elsewhere").stdout == ""
    machine.as_user("alice", "uv tool uninstall --quiet notifier")
    assert packages(machine, banned) == []


def install(kind, *names):
    """Return a command that installs made derivations into the profile of whoever runs it."""
    tool = "nix-env --quiet --install --file" if kind == "env" else "nix profile install --file"
    command = "echo 'import /debs/derivation.nix \"{0}\"' >~/{0}.nix && {1} ~/{0}.nix"
    return " && ".join(command.format(name, tool) for name in names)


@pytest.mark.parametrize("kind", ["env", "profile"])
def test_profiles_of_nix_without_a_daemon(machine, kind):
    """The store is alice's own, as where she installed Nix for herself."""
    banned = plan("nix", telegram=["telegram-desktop"])
    machine.sh(f"mkdir -p /etc/nix /nix/var/nix && echo '{NIX}' >/etc/nix/nix.conf && chown -R {USERS['alice']} /nix")
    machine.as_user("alice", install(kind, "telegram-desktop-5.2.3", "hello-2.12"))
    ((manager, id_, version, scope, path),) = packages(machine, banned)
    assert (manager, id_, version, scope) == ("nix", "telegram-desktop", "5.2.3", "user:alice")
    assert path.startswith("/nix/store/") and path.endswith("-telegram-desktop-5.2.3")
    running = machine.start(f"{path}/bin/telegram-desktop-5.2.3", *become("alice"))
    processes = [f for f in machine.verb("observe", banned)["apps/telegram"]["findings"] if f["kind"] == "process"]
    expected = ("nix", "user:alice", f"{path}/bin/telegram-desktop-5.2.3")
    assert [(f["manager"], f["scope"], f["path"]) for f in processes] == [expected]
    done = machine.verb("enforce", banned)
    assert (done["error"], done["refused"]) == (None, []) and running.wait() != 0
    assert machine.verb("observe", banned)["apps/telegram"]["state"] == "compliant"
    assert machine.as_user("alice", "ls ~/.nix-profile/bin").stdout == "hello-2.12\n"
    assert machine.verb("enforce", banned)["actions"] == []


def test_profiles_of_nix_with_a_daemon(machine):
    """The store is root's; bob and the whole host have a profile each, and what nobody installed is seen as it runs."""
    banned = plan("nix", telegram=["telegram-desktop"], signal=["signal-desktop"])
    machine.sh(f"mkdir -p /etc/nix && echo '{NIX}' >/etc/nix/nix.conf")
    machine.sh("export HOME=/root; " + install("env", "telegram-desktop-5.2.3"))
    daemon = subprocess.Popen([*machine.enter, "nix", "daemon"], stderr=subprocess.DEVNULL)
    while machine.sh("test -S /nix/var/nix/daemon-socket/socket", check=False).returncode:
        assert daemon.poll() is None
        time.sleep(0.05)
    remote = "export NIX_REMOTE=daemon; "
    machine.as_user("bob", remote + install("profile", "telegram-desktop-5.2.3", "hello-2.12"))
    built = "nix build --no-link --print-out-paths --impure --expr 'import /debs/derivation.nix \"signal-desktop-7.0\"'"
    path = machine.as_user("bob", remote + built).stdout.strip()
    running = machine.start(f"{path}/bin/signal-desktop-7.0", *become("bob"))
    verdicts = machine.verb("observe", banned)
    assert [row[3] for row in seen(verdicts["apps/telegram"])] == ["system", "user:bob"]
    (process,) = verdicts["apps/signal"]["findings"]
    assert (process["kind"], process["manager"], process["detail"][:4]) == ("process", "nix", "pid ")
    done = machine.verb("enforce", banned)
    assert (done["error"], done["refused"]) == (None, []) and running.wait() != 0
    assert {verdict["state"] for verdict in machine.verb("observe", banned).values()} == {"compliant"}
    assert machine.as_user("bob", "ls ~/.nix-profile/bin").stdout == "hello-2.12\n"
    daemon.kill()
    daemon.wait()


def test_environments_of_conda(machine):
    """The environment is py-rattler's. Nothing is removed, and the run names the command."""
    banned = plan("conda", rclone=["rclone"], mega=["megatools"])
    machine.as_user("alice", "mkdir -p ~/miniforge3/bin ~/miniforge3/envs && cp -r /debs/env ~/miniforge3/envs/chat")
    meta = "/home/alice/miniforge3/envs/chat/conda-meta/rclone-1.70.0-0.json"
    verdicts = machine.verb("observe", banned)
    assert seen(verdicts["apps/rclone"]) == [("conda", "rclone", "1.70.0", "user:alice", meta)]
    assert len(seen(verdicts["apps/mega"])) == 1
    done = machine.verb("enforce", banned)
    command = f"`conda remove --prefix {meta.partition('/conda-meta')[0]} rclone`"
    assert (done["error"], len(done["refused"])) == (None, 2) and command in str(done["refused"])
    assert {verdict["state"] for verdict in machine.verb("observe", banned).values()} == {"noncompliant"}

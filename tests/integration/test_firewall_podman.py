"""The ban beside the real podman, whose netavark has a table of its own."""

import subprocess

from conftest import require_tool
from proscribe.host.controls import firewall
from traffic_world import BAN, BLOCKED, FREE, world


class Podman:
    def __init__(self, world, folder):
        own = [f"--root={folder}/root", f"--runroot={folder}/runroot", f"--network-config-dir={folder}/networks"]
        self.command = [*world.spaces.enter("local"), "podman", "--runtime=runc", *own]
        self.filesystem = folder / "filesystem"
        for name in ("proc", "dev", "sys", "etc", "tmp", "run", "usr"):
            (self.filesystem / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (self.filesystem / name).symlink_to(f"usr/{name}")

    def run(self, *words):
        done = subprocess.run([*self.command, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def connects(self, address):
        """Return the name of the error, or "ok"."""
        code = "import errno, socket, sys; s = socket.socket(); s.settimeout(4); e = s.connect_ex((sys.argv[1], 443))"
        code += "; print(errno.errorcode.get(e, 'ok'))"
        return self.run("exec", "guest", "/usr/bin/python3", "-c", code, address)


__all__ = ["world"]  # a fixture


def test_a_container_of_podman_is_refused_too_and_podmans_rules_stay(world, tmp_path):
    for tool in ("podman", "runc"):
        require_tool(tool)

    def of_podman():
        return world.run(["nft", "-s", "list", "table", "inet", "netavark"]).out

    podman = Podman(world, tmp_path / "podman")
    try:
        options = ["--detach", "--name=guest", "--no-hosts", "--network=bridge", "--volume=/usr:/usr:ro"]
        podman.run("run", *options, "--rootfs", str(podman.filesystem), "/usr/bin/sleep", "300")
        assert (podman.connects(BLOCKED), podman.connects(FREE)) == ("ok", "ok")
        before = of_podman()
        assert "masquerade" in before
        world.enforce(BAN)
        for _ in range(2):
            assert (podman.connects(BLOCKED), podman.connects(FREE)) == ("ECONNREFUSED", "ok")
            assert of_podman() == before
            podman.run("network", "reload", "--all")
        assert world.refused() == 2
        assert [v.rule for v in firewall.observe(world.host, BAN) if v.drifted and v.rule != "firewall/boot"] == []
    finally:
        subprocess.run([*podman.command, "rm", "--all", "--force", "--time=0"], capture_output=True, check=False)

"""Programs are noticed when they start, on a real systemd host without a controller."""

import base64
import json
from pathlib import Path

import launches_host as launches
import made_apps as made
import made_starts as starts
import pytest
from launches_host import UNIT
from machines import booted
from patience import BUSY, until

pytestmark = pytest.mark.whole_hosts

FRIDA, DIETER, BERTHA = 2001, 2002, 2003
ROOTS, PORTABLE = "/opt/viber/Viber", "/home/frida/viber/Viber"
INNOCENT = ("/home/frida/bin/Viber", "/srv/tools/Viber", "/home/frida/bin/other")
RATIO = 4.0  # of what starting the programs costs their starter, at most; 0.3 to 1 alone, 2.1 beside other work

# Starts programs that stay, and prints their numbers.
STAYING = """\
import json, os, subprocess, sys
uid = int(sys.argv[1])
started = [subprocess.Popen([exe, "600"], user=uid, group=uid, extra_groups=[], cwd="/") for exe in sys.argv[2:]]
print(json.dumps([process.pid for process in started]))
"""

# Starts copies of a program, each as another subordinate id of a user's, in a namespace that the user has made; they
# stay until they are ended.
AS_MANY = """\
import ctypes, os, signal, sys
uid, first, number, copies = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ready, go = os.pipe(), os.pipe()
maker = os.fork()
if not maker:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
    assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, so that the map may be written
    os.write(ready[1], b"x"); os.read(go[0], 1)
    for other in range(1, number + 1):
        if not os.fork():
            os.setresgid(other, other, other); os.setresuid(other, other, other)
            os.execv(f"{copies}/{other}/Viber", ["Viber", "600"])
    os._exit(0)
os.read(ready[0], 1)
for name in ("uid_map", "gid_map"):  # what newuidmap(1) writes for who may have these ids
    with open(f"/proc/{maker}/{name}", "w") as stream:
        stream.write(f"0 {first} 65536\\n")
os.write(go[1], b"x")
os.waitpid(maker, 0)
"""

# Services of a user's own manager that start the program as soon as it has ended, and a timer of theirs.
UNITS = """\
set -eu
place=/home/frida/.config/systemd/user
mkdir -p $place
cat >$place/again@.service <<'END'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=%h/viber/Viber 600
Restart=always
RestartSec=50ms
END
printf '[Timer]\\nOnActiveSec=1\\nOnUnitActiveSec=1\\nAccuracySec=100ms\\n' >$place/again@.timer
chown -R frida:frida /home/frida
chmod 755 /home/frida
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with booted("launches", root="trixie-host") as (machine,):
        launches.install(machine, launches.plan([{"waiver": "w1", "users": ["dieter"]}]))
        yield machine


def staying(host, uid, *programs):
    return json.loads(host.run("python3", "-IS", "-c", STAYING, str(uid), *programs))


def alive(host, pids):
    return [pid for pid in pids if host.run("readlink", f"/proc/{pid}/exe", check=False)]


def is_ended(host, exe=ROOTS, uid=FRIDA):
    """Whether a program that starts now is ended, and does not end by itself."""
    return launches.starts(host, exe, uid, 1, 20.0)[0][0] is not None


def count_ended(host):
    return sum(line["times"] for line in launches.ended(host))


def test_a_restricted_program_is_ended_a_hundred_times(host):
    before = count_ended(host)
    ends = launches.starts(host, ROOTS, FRIDA, 50) + launches.starts(host, PORTABLE, FRIDA, 50)
    seconds = sorted(seconds for _, seconds in ends)
    print(f"\n100 starts: median {seconds[50]:.3f} s, longest {seconds[-1]:.3f} s")
    assert all(code in (-15, -9) for code, _ in ends)
    # All attempts are counted, a line a minute.
    until(lambda: count_ended(host) == before + 100)
    lines = launches.ended(host)
    assert {(line["rule"], line["program"], line["user"]) for line in lines} == {("apps/viber", "Viber", "frida")}
    assert len(lines) < 10 and host.run("stat", "--format=%a %U", launches.JOURNAL) == "600 root\n"


def test_programs_of_the_same_name_and_those_of_a_waiver_stay(host):
    innocent = staying(host, FRIDA, *INNOCENT) + staying(host, DIETER, ROOTS)
    for _ in range(3):
        assert is_ended(host)
    assert alive(host, innocent) == innocent
    host.run("systemctl", "restart", UNIT)  # the scan at the beginning finds nothing else
    until(lambda: launches.is_ready(host))
    assert "noticed by fanotify" in launches.status(host)
    until(lambda: is_ended(host))
    assert alive(host, innocent) == innocent
    host.run("kill", *map(str, innocent))


def test_a_program_with_a_view_of_the_disk_of_its_own_is_ended_too(host):
    inside = f"exec unshare --user --map-root-user --mount {ROOTS} 600"
    assert host.run("runuser", "-u", "frida", "--", "sh", "-c", f"{inside}; true", check=False) == ""
    # It has ended, or `run` would still wait; as a program in a root that its user has made it would stay.


@pytest.mark.parametrize(
    "attack", ["under another name", "a sealed memfd", "through the loader", "deleted while it runs"]
)
def test_a_marked_program_is_ended_however_it_is_started(host, attack):
    """In a container no kernel reports processes: there the daemon finds two of these in its scan every 30 s."""
    text = base64.b64encode(made.marked(Path(starts.SLEEP).read_bytes(), starts.PACKAGE)).decode()
    host.run("sh", "-c", "base64 -d >/home/frida/notes && chmod 755 /home/frida/notes", stdin=text)
    host.run("chown", "frida:", "/home/frida", "/home/frida/notes")
    command = ["setpriv", "--reuid=2001", "--regid=2001", "--clear-groups", *starts.ATTACKS[attack]]
    code = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], cwd='/home/frida', stdout=-3, stderr=-3).pid)"
    pid = int(host.run("python3", "-ISc", code, *command))
    until(lambda: alive(host, [pid]) == [], BUSY)


def test_a_file_system_that_is_mounted_later_counts(host):
    host.run("sh", "-c", "mount -t tmpfs tmpfs /opt/viber && cp /usr/bin/sleep /opt/viber/Viber")
    try:
        until(lambda: is_ended(host), BUSY)
    finally:
        host.run("umount", "/opt/viber")


def test_program_that_started_before_the_daemon_is_ended(host):
    host.run("systemctl", "stop", UNIT)
    missed = staying(host, FRIDA, ROOTS, PORTABLE)
    assert "not noticed" in launches.status(host)
    host.run("systemctl", "start", UNIT)
    until(lambda: not alive(host, missed), BUSY)


def test_forks_of_a_restricted_program_end_with_it(host):
    """A fork is no start, so nobody hears of it."""
    host.run("sh", "-c", "mkdir -p /opt/viber && cp /usr/bin/python3 /opt/viber/forks && chmod 755 /opt/viber/forks")
    code = "import os, time; os.fork(); os.fork(); time.sleep(600)"
    host.run("runuser", "-u", "frida", "--", "/opt/viber/forks", "-ISc", code, check=False)
    until(lambda: host.run("pgrep", "-u", "frida", "-x", "forks", check=False) == "", BUSY)


def test_files_beside_a_program_do_not_hide_its_starts(host):
    host.run("sh", "-c", "cd /home/frida/viber && seq -f '%g.so' 150000 | xargs touch && chown -R frida: .")
    ends = launches.starts(host, PORTABLE, FRIDA, 5, 20.0)
    assert [code for code, _ in ends if code is None] == [], ends
    pids = staying(host, FRIDA, *([PORTABLE] * 30))
    until(lambda: alive(host, pids) == [], BUSY)
    host.run("sh", "-c", "cd /home/frida/viber && find . -name '*.so' -delete")


def test_a_user_with_many_ids_takes_nobodys_turn(host):
    script = "for id in $(seq 300); do mkdir -p /srv/copies/$id; cp /usr/bin/sleep /srv/copies/$id/Viber; done"
    host.run("sh", "-c", script)
    host.run("python3", "-IS", "-c", AS_MANY, str(FRIDA), "100000", "300", "/srv/copies")
    assert len(host.run("pgrep", "-x", "Viber", check=False).split()) == 300, "they are innocent, and stay"
    code, seconds = launches.starts(host, ROOTS, BERTHA, 1, 20.0)[0]
    print(f"\nbeside 300 ids of another user: ended after {seconds:.3f} s")
    assert code is not None
    host.run("pkill", "-x", "Viber", check=False)


def test_units_of_a_user_that_start_a_program_again_and_again_take_nobodys_turn(host):
    host.run("sh", "-c", UNITS)
    host.run("systemctl", "start", f"user@{FRIDA}.service")
    as_frida = ("runuser", "-u", "frida", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{FRIDA}", "systemctl", "--user")
    try:
        before = count_ended(host)
        host.run(*as_frida, "start", *(f"again@{number}.service" for number in range(10)), "again@t.timer")
        until(lambda: "Viber" in host.run(*as_frida, "show", "-P", "ExecStart", "again@1.service"))
        for _ in range(5):
            ((code, _),) = launches.starts(host, "/home/frida/viber/Viber", BERTHA, 1, 20.0)
            assert code is not None
        until(lambda: count_ended(host) > before + 50, BUSY)
        assert "frida" in {line["user"] for line in launches.ended(host)}
    finally:
        host.run("systemctl", "stop", f"user@{FRIDA}.service", check=False)
    until(lambda: not host.run("pgrep", "-u", "frida", "Viber", check=False).strip())


def test_a_daemon_that_is_killed_comes_back(host):
    before = launches.daemon(host)
    host.run("kill", "-9", str(before))
    until(lambda: launches.daemon(host) not in (0, before), BUSY)
    until(lambda: is_ended(host), BUSY)


# Innocent programs of a restricted name; and a restricted one, until its user has no more processes.
@pytest.mark.parametrize(("exe", "wait"), [("/srv/tools/Viber", "0"), (ROOTS, "600")])
def test_a_flood_of_starts_costs_little_and_stops_nothing(host, exe, wait):
    daemon = launches.daemon(host)
    burst = launches.burst(host, exe, 1000, 20.0, FRIDA, wait)
    print(f"\n{burst.number} starts in 20 s: {100 * burst.share:.2f} % of a processor, {burst.ratio:.2f} of them")
    assert burst.ratio <= RATIO
    assert launches.daemon(host) == daemon  # it is the same one
    until(lambda: host.run("pgrep", "-u", "frida", "-x", "Viber", check=False) == "")
    until(lambda: is_ended(host), BUSY)
    assert is_ended(host)

"""A host with its own processes, on which users run a restricted program so that it is hard to end.

    restricted_programs.py MODULES [EVASION...]

As root, in namespaces of its own for processes and mounts (see COMMAND). Mallory runs Viber by each EVASION, and bob
runs it too. An enforcing run ends what it finds. Prints JSON: `before` and `after`, how many processes each user has;
`seconds` that the run took; `left`, what it could not change, by user; `done`.
"""

import json
import os
import resource
import subprocess
import sys
import time

MALLORY, BOB = 61235, 61236
COMMAND = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-euc")
SETUP = """\
umount -R -l /proc; mount -t proc proc /proc
mount -t tmpfs -o size=256m,mode=755 homes /home
mkdir -p /var/lib/proscribe; mount -t tmpfs -o size=16m,mode=755 state /var/lib/proscribe
cat >/home/passwd <<'END'
root:x:0:0::/root:/bin/sh
mallory:x:61235:61235::/home/mallory:/bin/sh
bob:x:61236:61236::/home/bob:/bin/sh
END
mount --bind /home/passwd /etc/passwd
for place in mallory/viber mallory/viber/more bob/viber; do mkdir -p /home/$place; cp "$0" /home/$place/Viber; done
chown -R 61235:61235 /home/mallory; chown -R 61236:61236 /home/bob
exec "$@"
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
# The first thread ends, another one goes on: the process has no executable by its own number in /proc.
HEADLESS = """\
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(flush=True)
ctypes.CDLL(None).syscall(60, 0)
"""
# Each copy forks as fast as it can, as long as its user may have more processes.
FORKING = """\
import os, resource, signal, time
resource.setrlimit(resource.RLIMIT_NPROC, (60, 60))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print(flush=True)
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.001)
"""
# Waits for a file system of its user's that never answers: there not even KILL ends it.
HANGING = "import os; print(flush=True); os.listdir('/home/mallory/hanging')"
# So many processes that waiting for each by itself takes minutes, on a fast machine too.
EVASIONS = {"deaf": (DEAF, 40, "viber"), "stopped": (DEAF, 20, "viber"), "headless": (HEADLESS, 1, "viber")}
EVASIONS |= {"forking": (FORKING, 1, "viber"), "hanging": (HANGING, 8, "viber")}
EVASIONS["hanging elsewhere"] = (HANGING, 8, "viber/more")
VIBER = {"name": "Viber", "mode": "enforce", "packages": {}, "processes": ["Viber"], "paths": ["/opt/viber", "~/viber"]}
SETTINGS = {"user_notice": "", "grace": 3, "quarantine_keep": 0, "exec_control": "off", "full_scan_every": 7}


def start(place, uid, code):
    argv = [f"/home/{place}/Viber", "-ISc", code]
    process = subprocess.Popen(argv, user=uid, group=uid, extra_groups=[], cwd="/", stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


def count(uid):
    """How many processes a user has, of which a thread lives that no KILL waits for."""
    number = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid != uid:
                continue
            states = []
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/stat", errors="replace") as stream:
                    states.append(stream.read().rpartition(")")[2].split()[0])
            number += any(state not in "ZX" for state in states)
        except OSError:
            continue
    return number


def main():
    sys.path.insert(0, sys.argv[1])
    from proscribe.host.controls import apps
    from proscribe.host.controls.change_execution import apply_changes
    from proscribe.host.system import Host
    from proscribe.model import plan as plans

    control = {"mode": "enforce", "services": {"viber": VIBER}, "settings": SETTINGS}
    plan = plans.add_digest(
        {"schema": plans.PLAN_SCHEMA, "contact": "x", "browsers": [], "controls": {"apps": control}}
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "hanging" in sys.argv:
        os.mkdir("/home/mallory/hanging")
        server = os.path.join(os.path.dirname(__file__), "hanging_fuse.py")
        argv = [sys.executable, "-IS", server, "/home/mallory/hanging", str(MALLORY), "36"]
        hanging = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert hanging.stdout and hanging.stdout.readline() == b"mounted\n"
    started = []
    for evasion in sys.argv[2:]:
        code, number, place = EVASIONS[evasion]
        own = [start(f"mallory/{place}", MALLORY, code) for _ in range(number)]
        if evasion == "stopped":
            for process in own:
                process.send_signal(19)
        started += own
    start("bob/viber", BOB, DEAF)
    time.sleep(1)  # what forks has forked by then, and what hangs hangs
    before = {"mallory": count(MALLORY), "bob": count(BOB)}
    began = time.monotonic()
    carried = apply_changes(apps.enforce(Host(), plan))
    seconds = time.monotonic() - began
    after = {"mallory": count(MALLORY), "bob": count(BOB)}
    left = [[action.user, why] for action, why in carried["left"]]
    print(json.dumps({"before": before, "after": after, "seconds": seconds, "left": left, "done": carried["done"]}))


if __name__ == "__main__":
    main()

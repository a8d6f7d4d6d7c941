"""A schedule on a machine with other people: root never runs what they can change, and the units do their work."""

import pytest
from scheduled_machine import CHECKOUT, scheduled_machine

pytestmark = pytest.mark.whole_hosts

SERVICE, UNIT = "proscribe-drift.service", "/etc/systemd/system/proscribe-drift.service"
THEIRS, LINK = "/home/alice/proscribe", f"{CHECKOUT}/fleet/x.yml"
NO_MAIL = f"sed -i /proscribe_notify/d {CHECKOUT}/fleet/group_vars/all.yml"  # which needs programs that are setgid
HIDDEN = "/etc/systemd/system/proscribe-drift.service.d"
NO_HOMES = f"mkdir -p {HIDDEN}; printf '[Service]\\nProtectHome=yes\\n' >{HIDDEN}/homes.conf"
NO_EXEC = "mkdir -p /srv/noexec; mount -t tmpfs -o noexec,mode=755 tmpfs /srv/noexec"
OF_A_UNIT = """
import sys
from proscribe.host.system import Host
from proscribe.host.system.units import list_drop_ins
print(*list_drop_ins(Host(), sys.argv[1]))
"""


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("others") as booted:
        booted.script(f"""
            id alice >/dev/null 2>&1 || useradd --create-home alice
            cp -r {CHECKOUT} {THEIRS} && chown -R alice: {THEIRS}
            install -d -o alice -g alice -m 0700 /home/alice/.ssh
            cp /root/.ssh/id_ed25519 /root/.ssh/known_hosts /home/alice/.ssh/ && chown alice: /home/alice/.ssh/*
        """)
        yield booted


def refused(machine, checkout, *options):
    """What `schedule` says of it, and that it has done nothing."""
    argv = (f"{checkout}/proscribe", "schedule", "-i", f"{checkout}/fleet", *options)
    done = machine.run(*argv, check=False)
    assert not machine.there(UNIT), done
    return " ".join(done.split())


def test_root_does_not_schedule_what_an_ordinary_user_can_write(machine):
    said = refused(machine, THEIRS)
    assert "/home/alice (of alice, mode 07" in said and "can be changed by alice" in said, said
    assert "proscribe_schedule_account" in said and "/opt/proscribe" in said
    refused(machine, THEIRS, "--check")


@pytest.mark.parametrize(
    ("change", "back", "reason"),
    [
        (f"chown alice {CHECKOUT}", f"chown root {CHECKOUT}", f"{CHECKOUT} (of alice, mode 0755)"),
        (f"chmod o+w {CHECKOUT}/roles", f"chmod o-w {CHECKOUT}/roles", f"{CHECKOUT}/roles (of root, mode 0757)"),
        ("chmod 0777 /srv", "chmod 0755 /srv", "/srv (of root, mode 0777) can be changed by everybody"),
        (f"chgrp users {CHECKOUT}/fleet; chmod g+w {CHECKOUT}/fleet", f"chmod g-w {CHECKOUT}/fleet", "the group users"),
        (f"touch /home/alice/x; ln -s /home/alice/x {LINK}", f"rm {LINK}", "/home/alice"),
        (f"mkdir {CHECKOUT}/.venv; chown alice {CHECKOUT}/.venv", f"rmdir {CHECKOUT}/.venv", f"{CHECKOUT}/.venv"),
    ],
)
def test_root_schedules_nothing_of_which_a_part_is_in_others_reach(machine, change, back, reason):
    machine.script(change)
    try:
        assert reason in refused(machine, CHECKOUT)
    finally:
        machine.script(back)


@pytest.mark.parametrize(
    ("place", "change", "back", "reason"),
    [
        ("/tmp/p", "", "", "/tmp/p is below /tmp, which is not kept"),
        ("/root/p", NO_HOMES, f"rm -r {HIDDEN}", "(No such file or directory) for proscribe-drift.service"),
        ("/srv/noexec/p", NO_EXEC, "umount /srv/noexec", "/srv/noexec/p/proscribe cannot be run for proscribe-drift"),
    ],
)
def test_a_checkout_that_its_units_would_not_see_is_refused(machine, place, change, back, reason):
    machine.script(f"{change}\ncp -r {CHECKOUT}/. {place}")
    try:
        done = machine.run("sh", f"{place}/proscribe", "schedule", "-i", f"{place}/fleet", check=False)
        said = " ".join(done.split())
        assert reason in said and "such as /opt/proscribe" in said, said
        assert not machine.there(UNIT) and not machine.there(UNIT.replace(".service", ".timer"))
    finally:
        machine.script(f"rm -r {place}/* 2>/dev/null || :\n{back}")


def test_the_drop_ins_of_a_unit_are_those_that_systemd_reads(machine):
    name = "drops-a-b.service"
    machine.write(f"/etc/systemd/system/{name}", "[Service]\nExecStart=/bin/true\n")
    parts = (f"{name}.d", "drops-a-.service.d", "drops-.service.d", "service.d")
    folders = [f"{place}/systemd/system" for place in ("/usr/lib", "/usr/local/lib", "/run", "/etc")]
    for number, folder in enumerate(f"{folder}/{part}" for folder in folders for part in parts):
        for drop_in in (f"{number:02}.conf", "all.conf", f"under-{folder.rpartition('/')[2]}.conf", "not.txt"):
            machine.write(f"{folder}/{drop_in}", "[Service]\nNice=1\n")
    machine.script(f"""
        ln -s /dev/null /run/systemd/system/{name}.d/gone.conf
        echo >/usr/lib/systemd/system/{name}.d/gone.conf
        systemctl daemon-reload
    """)
    try:
        read = machine.run("systemctl", "show", "--value", "--property=DropInPaths", name).split()
        ours = machine.run("env", f"PYTHONPATH={CHECKOUT}/module_utils", "python3", "-c", OF_A_UNIT, name).split()
        assert len(read) > 16 and ours == read
    finally:
        machine.script(f"rm -r {' '.join(f'{folder}/{part}' for folder in folders for part in parts)}")
        machine.script(f"rm /etc/systemd/system/{name}; systemctl daemon-reload")


def test_an_ansible_of_an_ordinary_users_is_refused(machine):
    machine.script("cp /usr/bin/ansible-playbook /home/alice/ansible-playbook")
    named = ("env", "PROSCRIBE_ANSIBLE_PLAYBOOK=/home/alice/ansible-playbook")
    done = machine.run(*named, f"{CHECKOUT}/proscribe", "schedule", "-i", f"{CHECKOUT}/fleet", check=False)
    assert "/home/alice (of alice" in " ".join(done.split()) and not machine.there(UNIT), done


def test_runs_of_the_account_that_owns_it_are_no_danger_and_work_locked_in(machine):
    machine.script(f"sed -i /proscribe_notify/d {THEIRS}/fleet/group_vars/all.yml")
    account = ("-e", "proscribe_schedule_account=alice")
    machine.run(f"{THEIRS}/proscribe", "schedule", "-i", f"{THEIRS}/fleet", *account)
    machine.script(f"chown -R alice: {THEIRS}")  # root's run has left files there
    unit = machine.read(UNIT)
    assert "User=alice" in unit and "SystemCallFilter=@system-service" in unit and "NoNewPrivileges=yes" in unit
    assert machine.run("systemd-analyze", "verify", UNIT) == ""
    for _ in range(2):
        assert machine.start(SERVICE), machine.log(SERVICE)
    assert machine.record(f"{THEIRS}/reports")["state"] == "compliant"
    machine.proscribe("schedule", "-e", "proscribe_schedule=off")


def test_roots_runs_on_its_own_machine_change_what_they_have_to(machine):
    machine.write(f"{CHECKOUT}/fleet/hosts.yml", "all: {hosts: {web01: {ansible_connection: local}}}\n")
    machine.proscribe("lift")
    machine.script(NO_MAIL)
    machine.proscribe("schedule")
    assert "SystemCallFilter=~@clock" in machine.read(UNIT)
    machine.script("dpkg --install /root/wechat.deb")
    for state in ("repaired", "compliant"):
        assert machine.start(SERVICE), machine.log(SERVICE)
        assert (machine.record()["state"], machine.record()["errors"]) == (state, []), machine.record()
    assert not machine.there("/opt/wechat/wechat")
    assert machine.succeeds("nft", "list", "table", "inet", "proscribe")

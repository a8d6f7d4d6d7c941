"""The parts of the fleet's bench that decide whether a figure is a result."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from patience import LONGEST

sys.path.append(str(Path(__file__).resolve().parents[4] / "bench" / "fleet"))

import peers
import scenarios
from beside import expected_state, goss, oval
from controller import NoResult
from drift import one_per_cent, wrong
from footprint import sample
from hosts import Fleet
from meter import Cost, least
from slow_link import Line, carry
from table import AIMS, growth, rows

CONTROLS = ("apps", "browser", "firewall", "dns")


@pytest.mark.parametrize(("hosts", "count"), [(1, 1), (10, 1), (100, 1), (250, 2), (1000, 10)])
def test_one_host_in_a_hundred_drifts_and_at_least_one(hosts, count):
    seeded = one_per_cent(hosts, CONTROLS)
    assert (len(seeded), set(seeded) <= set(range(hosts))) == (count, True)
    assert len(set(seeded.values())) == min(count, len(CONTROLS))


def report(folder, *records):
    (folder / "latest").mkdir()
    text = "".join(json.dumps({"host": f"host{n}", **record}) + "\n" for n, record in enumerate(records))
    (folder / "latest" / "hosts.jsonl").write_text(text)
    return folder


def record(state, *rules):
    return {"state": state, "rules": [{"rule": name, "state": of} for name, of in rules]}


FINE = record("compliant", ("apps/mail", "not_applicable"))


@pytest.mark.parametrize(
    ("records", "right"),
    [
        ((FINE, record("repaired", ("dns/a", "repaired"), ("dns/b", "repaired"))), True),
        ((FINE, FINE), False),  # not found
        ((FINE, record("noncompliant", ("dns/a", "noncompliant"))), False),  # not corrected
        ((FINE, record("repaired", ("dns/a", "repaired"), ("apps/b", "repaired"))), False),  # more than was seeded
        ((record("unknown"), record("repaired", ("dns/a", "repaired"))), False),
        ((record("repaired", ("dns/a", "repaired")),), False),  # a host is missing
    ],
)
def test_a_run_is_a_result_only_if_its_report_is_what_was_seeded(tmp_path, records, right):
    assert (wrong(report(tmp_path, *records), 2, {1: "dns"}) == []) is right


def test_the_others_get_the_same_packages_and_paths():
    entry = {"packages": {"apt": ["a&b"]}, "paths": ["~/x", "/opt/<y>"]}
    services = {"one": entry, "none": {"packages": {}, "paths": ["/opt/z"]}}
    packages, paths = expected_state({"controls": {"apps": {"services": services}}})
    assert (packages, paths) == (["a&b"], ["/home/alice/x", "/opt/<y>"])
    assert list(json.loads(goss(packages, paths))["file"]) == paths
    tree = ElementTree.fromstring(oval(packages, paths))
    assert len(tree.findall(".//{*}criterion")) == 3
    assert [element.text for element in tree.iter() if element.tag.endswith(("}filepath", "linux}name"))] == [
        "a&b",
        *paths,
    ]


PING, PYINFRA = Cost(controller=5.0, hosts=20.0, wall=16.0), Cost(controller=1.0, hosts=3.0, wall=3.0)


def cells(costs, name, aims=AIMS):
    """The shares of a row, as they are printed."""
    (line,) = (line for line in rows(100, costs, dict.fromkeys(costs, "open"), aims) if line.startswith(f"{name} "))
    return line.removesuffix(" s").split()[5:-1]


@pytest.mark.parametrize(
    ("audit", "shares"),
    [
        (Cost(1.0, 6.0, 4.0), ["0.20", "0.30", "0.25", "1.00", "1.33"]),
        (Cost(1.5, 6.0, 4.0), ["0.30!", "0.30", "0.25", "1.50!", "1.33"]),  # the controller is too dear
        (Cost(1.0, 6.0, 8.0), ["0.20", "0.30", "0.50!", "1.00", "2.67"]),  # a sweep takes too long
    ],
)
def test_a_row_has_its_shares_of_a_ping_and_of_pyinfra_and_marks_those_that_miss_an_aim(audit, shares):
    assert cells({"ping": PING, "audit": audit, "pyinfra": PYINFRA}, "audit") == shares
    assert cells({"ping": PING, "audit": audit}, "audit") == shares[:3]  # without a peer, without its columns


def test_processor_time_is_before_the_clock():
    head = list(rows(1, {"ping": PING}, {}, AIMS))[1].split()
    assert head[2:5] == ["controller", "hosts", "wall"] == list(Cost._fields)


def test_the_least_of_each_column_is_a_result_of_its_own():
    assert least([Cost(1, 5, 9), Cost(2, 4, 9), Cost(3, 6, 8)]) == Cost(1, 4, 8)


@pytest.mark.parametrize(("factor", "mark"), [(10.0, False), (10.9, False), (11.5, True)])
def test_a_host_costs_as_much_among_many_as_among_few(factor, mark):
    few = {"ping": PING, "audit": PYINFRA}
    many = {name: Cost(*(factor * seconds for seconds in cost)) for name, cost in few.items()}
    title, _, ping, audit = growth(100, 1000, few, many)
    assert title.startswith("t(1,000) / (10 t(100))")
    assert audit.split()[1:4] == [f"{factor / 10:.2f}"] * 3
    assert (audit.endswith("!"), ping.endswith("!")) == (mark, False)  # what a peer does is no aim of ours


def test_a_packet_leaves_a_fixed_time_after_it_came_and_in_order():
    line = Line(delay=0.02, loss=0)
    for number in range(3):
        line.put(float(number), number, bytes([number]))
    assert (line.wait(0.0), line.wait(5.0)) == (pytest.approx(0.02), 0.0)
    assert list(line.due(0.01)) == []
    assert list(line.due(1.5)) == [(0, b"\0"), (1, b"\1")]
    assert list(line.due(9.0)) == [(2, b"\2")]
    assert (line.wait(9.0), line.late) == (None, pytest.approx(6.98))


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.3])
def test_a_share_of_the_packets_gets_lost_and_no_queue_grows_without_end(loss):
    line = Line(delay=1, loss=loss, most=5000)
    for _ in range(4000):
        line.put(0.0, 0, b"")
    assert line.lost == pytest.approx(4000 * loss, rel=0.3)
    assert (len(line.packets), line.overflowed) == (4000 - line.lost, 0)
    for _ in range(10_000):
        line.put(0.0, 0, b"")
    assert (len(line.packets), line.came) == (5000, 14_000)
    assert line.lost + line.overflowed + 5000 == 14_000


def test_the_link_carries_packets_both_directions_until_it_is_ended():
    ours, theirs = zip(*(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)))
    end, until = os.pipe()[::-1]
    for one in theirs:
        one.setblocking(False)
    line, delay = Line(delay=0.02, loss=0), 0.02
    packets = [random.Random(number).randbytes(1 + 300 * number) for number in range(5)]
    with contextlib.ExitStack() as stack:
        for one in (*ours, *theirs):
            stack.enter_context(one)
            one.settimeout(LONGEST if one in ours else 0)
        thread = threading.Thread(target=carry, args=(line, theirs[0].fileno(), theirs[1].fileno(), until))
        thread.start()
        for here, there in (ours, ours[::-1]):
            started = time.monotonic()
            for packet in packets:
                here.send(packet)
            assert [there.recv(65536) for _ in packets] == packets
            assert time.monotonic() - started >= delay
        os.close(end)
        thread.join(LONGEST)
        assert not thread.is_alive()
    os.close(until)
    assert (line.came, line.lost, line.refused) == (10, 0, 0)


def test_memory_is_of_the_processes_that_still_run():
    with subprocess.Popen(["sleep", "60"]) as ended:
        found = sample([os.getpid(), ended.pid])
        ended.kill()
    assert (found.count, found.ssh_count, found.ssh) == (2, 0, 0)
    alone = sample([os.getpid(), ended.pid])
    assert (alone.count, alone.whole > 1) == (1, True)


def test_each_address_is_served_by_one_of_the_hosts_that_run(tmp_path):
    made = Fleet(tmp_path, [tmp_path], "none")
    for number in range(3):
        (tmp_path / "hosts" / str(number)).mkdir(parents=True)
        (tmp_path / "hosts" / str(number) / "pid").write_text(f"{number}\n")
    made.first = [None] * 3
    made.serve(5)
    made.serve(8)
    pids = [(tmp_path / "hosts" / str(number) / "pid").read_text().strip() for number in range(8)]
    assert pids == ["0", "1", "2", "0", "1", "2", "0", "1"]
    assert len({made.address(number) for number in range(8)}) == 8


@pytest.mark.parametrize(("name", "kind", "ends"), [("mitogen", "Mitogen", False), ("pyinfra", "Pyinfra", True)])
def test_a_peer_on_request_that_cannot_run_has_no_row_and_one_that_aims_need_ends_the_bench(
    monkeypatch, capsys, name, kind, ends
):
    def lacking(*_):
        raise NoResult("no such package")

    monkeypatch.setattr(peers, kind, lacking)
    with pytest.raises(NoResult) if ends else contextlib.nullcontext():
        assert scenarios.Rows(None, Path(), [name]).peers == {}
        assert f"no row of {name}: no such package" in capsys.readouterr().out

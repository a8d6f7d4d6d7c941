"""Commands on hosts, over clients and open connections, and the threads that run them; a host is a real shell."""

import array
import contextlib
import fcntl
import os
import socket
import struct
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST, until
from proscribe.wire.parallel import exchange as exchanges
from proscribe.wire.parallel import thread_pool
from proscribe.wire.parallel.exchange import (
    BecomePassword,
    ExchangeLimits,
    ExchangeResult,
    run_exchange,
    start_by_client,
    start_over_connection,
)
from proscribe.wire.parallel.multiplexing import MultiplexSession, NoMultiplexSession, end_connection, find_control_path

LIMITS = ExchangeLimits(1 << 20, 30)
SUDO = """
printf 'prompt:' >&2
read -r word
if [ "$word" = secret ]; then echo accepted; cat; else echo 'Sorry, try again' >&2; sleep 60; fi
"""
SUDO_IN_PIECES = f"printf 'Hi\nprom' >&2; sleep 0.1; {SUDO.replace('prompt', 'pt')}"


def shell(script, data=b"", limits=LIMITS, password=None):
    return run_exchange(start_by_client([b"/bin/sh", b"-c", script.encode()]), data, limits, password)


def make_password(text):
    return BecomePassword(
        text,
        lambda printed: b"prompt:" in printed,
        lambda printed: b"accepted" in printed,
        lambda printed: "Incorrect password" if b"Sorry" in printed else "",
    )


@pytest.mark.parametrize(
    ("script", "data", "expected"),
    [
        ("cat; echo err >&2; exit 7", b"in", ExchangeResult(7, b"in", b"err\n")),
        ("exit 3", b"x" * 300_000, ExchangeResult(3, b"", b"")),  # it does not read what is written
        ("exec <&-; echo early", b"x" * 300_000, ExchangeResult(0, b"early\n", b"")),
        ("cat | wc -c", b"x" * 300_000, ExchangeResult(0, b"300000\n", b"")),
        ("kill -9 $$", b"", ExchangeResult(-9, b"", b"")),
        # its errors stay open: ControlPersist
        ("(sleep 60 >/dev/null &) ; echo over", b"", ExchangeResult(0, b"over\n", b"")),
    ],
    ids=range(6),
)
def test_command_ends_with_its_output_and_exit_code(script, data, expected):
    assert shell(script, data) == expected


def test_input_that_fits_into_its_pipe_is_there_with_its_end_when_a_command_starts():
    def start(descriptors):
        os.set_blocking(descriptors[0], False)
        read.extend([os.read(descriptors[0], 100), os.read(descriptors[0], 100)])
        return start_by_client([b"/bin/true"])(descriptors)

    read = []
    assert run_exchange(start, b"all of it", LIMITS).code == 0 and read == [b"all of it", b""]


@pytest.mark.slow
@given(st.binary(max_size=200_000))
def test_bytes_reach_a_command_and_come_back_unchanged(data):
    assert shell("cat", data).stdout == data


@pytest.mark.parametrize(
    ("script", "limits", "why"),
    [
        ("yes >&2", ExchangeLimits(2 << 20, 30), "it answered with more than 2 MiB"),
        ("sleep 60", ExchangeLimits(1 << 20, 0.3), "it took longer than"),
        ("exec >&-; sleep 60", ExchangeLimits(1 << 20, 0.3), "it took longer than"),
        ("while :; do echo x; sleep 0.05; done", ExchangeLimits(1 << 20, 0.3), "it took longer than"),
    ],
)
def test_command_over_a_limit_is_ended(script, limits, why):
    assert shell(script, b"", limits).cut_reason.startswith(why)


@pytest.mark.parametrize(("script", "gone"), [("yes", True), ("trap '' PIPE; yes; sleep 60", False)])
def test_command_that_prints_too_much_is_gone_once_its_pipe_is_closed(script, gone, monkeypatch):
    monkeypatch.setattr(exchanges, "END_TIMEOUT_SECONDS", 30 if gone else 0.05)
    ended = shell(script, b"", ExchangeLimits(2 << 20, 30))
    assert ended.cut_reason and ended.has_ended is gone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "word", "expected"),
    [
        (SUDO, b"secret", ExchangeResult(0, b"accepted\ndata", b"prompt:")),
        (SUDO, b"guess", ExchangeResult(-1, b"", b"prompt:Sorry, try again\n", refusal="Incorrect password")),
        (SUDO_IN_PIECES, b"secret", ExchangeResult(0, b"accepted\ndata", b"Hi\nprompt:")),
        ("echo accepted; cat", b"secret", ExchangeResult(0, b"accepted\ndata", b"")),  # none was needed or written
        # it never asks
        ("cat >/dev/null; exit 1", b"secret", ExchangeResult(-1, b"", b"", cut_reason="it took longer than")),
    ],
)
def test_password_is_written_at_its_prompt_and_the_data_once_it_is_accepted(script, word, expected):
    ended = shell(script, b"data", ExchangeLimits(1 << 20, 30 if not expected.cut_reason else 0.5), make_password(word))
    assert ended._replace(cut_reason=ended.cut_reason[: len(expected.cut_reason)]) == expected


@pytest.mark.slow
def test_prompt_that_does_not_come_is_not_waited_for_long(monkeypatch):
    # A login shell that does not even start sudo.
    monkeypatch.setattr(exchanges, "PROMPT_TIMEOUT_SECONDS", 0.3)
    assert shell("echo menu; sleep 60", b"data", LIMITS, make_password(b"secret")) == ExchangeResult(-1, b"menu\n", b"")
    assert shell("sleep 0.6; cat", b"data", LIMITS, None) == ExchangeResult(0, b"data", b"")
    slow = "printf prompt: >&2; read -r word; sleep 0.6; echo accepted; cat"
    assert shell(slow, b"data", LIMITS, make_password(b"secret")) == ExchangeResult(0, b"accepted\ndata", b"prompt:")


class Dripping:
    """A command that prints byte by byte, each once the one before was read."""

    def __init__(self, drops, errors):
        self.drops, self.errors = drops, errors
        self.reads = 0

    def __call__(self, descriptors):
        self.stdin, self.stdout, self.stderr = map(os.dup, descriptors)
        self.thread = threading.Thread(target=self._drip)
        self.thread.start()
        return self

    def _drip(self):
        with contextlib.suppress(BrokenPipeError):
            for drop in self.drops:
                printed = self.stderr if self.errors else self.stdout
                os.write(printed, bytes([drop]))
                while count_unread(printed):
                    time.sleep(0)
                self.reads += 1
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)

    def wait_for_exit_code(self, timeout):
        return 0

    def close(self):
        pass  # the thread ends where nobody reads any more


def count_unread(descriptor):
    number = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, number)
    return number[0]


DRIPS = 3000


@pytest.mark.parametrize("errors", [False, True], ids=["output", "errors"])
@pytest.mark.parametrize("drop", [b"\n", b"x"], ids=["lines", "one line"])
def test_output_that_drips_before_a_password_is_accepted_is_matched_once(monkeypatch, drop, errors):
    # Each byte with all before it is the square of the output: 250 KiB took 15 s.
    monkeypatch.setattr(exchanges, "PAUSE_SECONDS", 0)
    matched = []

    def count(printed):
        matched.append(len(printed))
        return False

    host = Dripping(drop * DRIPS, errors)
    run_exchange(host, b"data", LIMITS, BecomePassword(b"word", count, count, lambda printed: "x" * count(printed)))
    host.thread.join()
    assert sum(matched) >= 3 * DRIPS and max(matched) <= 513
    if drop == b"\n":
        assert sum(matched) == 3 * DRIPS


@pytest.mark.parametrize("where", ["", " >&2"], ids=["output", "errors"])
def test_flood_before_a_password_is_accepted_is_cut(where):
    # More than a pipe holds beside it: what is too much is read before the password can be accepted.
    flood = f"head -c {3 * 65_536} /dev/zero{where}; echo accepted; cat"
    assert "64 KiB" in shell(flood, b"data", LIMITS, make_password(b"secret")).cut_reason
    banner = f"head -c {65_536 // 2} /dev/zero{where}; {SUDO}"
    assert shell(banner, b"data", LIMITS, make_password(b"secret")).stdout.endswith(b"accepted\ndata")


def test_output_that_drips_is_read_in_pieces():
    # Or each byte would cost the process of its batch a turn.
    host, pauses = Dripping(b"x" * 400, errors=False), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchanges.time, "sleep", pauses.append)
        run_exchange(host, b"", LIMITS)
    host.thread.join()
    assert 0.02 in pauses and len([pause for pause in pauses if pause]) >= 200


def test_silent_host_is_reported_once(monkeypatch):
    monkeypatch.setattr(exchanges, "SILENCE_SECONDS", 0.01)
    calls = []
    run_exchange(
        start_by_client([b"/bin/sh", b"-c", b"sleep 0.5; echo x"]), b"", LIMITS, report_silence=lambda: calls.append(1)
    )
    assert calls == [1]


# -- over a connection that is open

Answers = Callable[[socket.socket], None]

# PROTOCOL.mux, 4
HELLO, NEW_SESSION, TERMINATE = 0x00000001, 0x10000002, 0x10000005
OK, EXIT, OPENED = 0x80000001, 0x80000004, 0x80000006
LOST = 255  # ssh(1): if an error occurred


@contextlib.contextmanager
def connection(answers):
    """Serve the socket of an open connection with these answers; yield its path."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        path = str(Path(directory) / "c")
        listening.bind(path)
        listening.listen()

        def serve():
            with contextlib.suppress(OSError):
                client = listening.accept()[0]
                with client:
                    answers(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        thread.join(10)


def packet(*numbers, rest=b""):
    content = struct.pack(f">{len(numbers)}I", *numbers) + rest
    return struct.pack(">I", len(content)) + content


def take_command(client):
    """Read the command that a client sends; return the descriptors that come with it."""
    assert client.recv(12, socket.MSG_WAITALL) == packet(1, 4)
    client.sendall(packet(HELLO, 4))
    # A session without a terminal, X11, an agent, a subsystem and an escape character; and no further is read:
    # descriptors come with the bytes that follow.
    session = packet(NEW_SESSION, 1, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0, 2, rest=b"x\xff")
    assert client.recv(len(session), socket.MSG_WAITALL) == session
    return [descriptor for _ in range(3) for descriptor in socket.recv_fds(client, 1, 1)[1]]


def says(content):

    def answer(client):
        client.sendall(content)
        while client.recv(4096):
            pass

    return answer


def runs(*answers, prints=b""):

    def answer(client):
        stdin, stdout, stderr = take_command(client)
        client.sendall(answers[0])
        os.write(stdout, prints)
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        for rest in answers[1:]:
            client.sendall(rest)

    return answer


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (lambda client: None, "."),
        (says(packet(HELLO, 3)), "another version"),
        (says(packet(HELLO)), "another version"),
        (says(packet(OPENED, 4)), "another version"),
        (says(b"\xff\xff\xff\xff" + b"x" * 1000), "a packet of 4294967295 bytes"),
        (says(b"\0\0\0\0"), "a packet of 0 bytes"),
        (says(b"\0\4\0\1"), "a packet of 262145 bytes"),
        (says(packet(HELLO, 4, rest=b"x" * (2**18 - 8)) + packet(OK, 1)), "it takes no command: message 0x80000001$"),
        (runs(packet(0x80000003, 1, rest=b"\0\0\0\2no")), "it takes no command: no$"),
        (runs(packet(0x80000002, 1, rest=b"\0\0\0\3n\xffo")), "it takes no command: n\ufffdo$"),
        (runs(packet(77, 1)), "it takes no command: message 0x4d$"),
    ],
)
def test_connection_that_takes_no_command_is_no_session(answers, why):
    with connection(answers) as path, pytest.raises(NoMultiplexSession, match=why):
        run_exchange(start_over_connection(path, "x\udcff"), b"", LIMITS)


@pytest.mark.parametrize("beside", [b"", packet(77, 1, 2), packet(EXIT, 5)])
def test_exit_code_is_read_from_a_packet_of_its_own(beside):
    with connection(runs(packet(OPENED, 1, 5), beside, packet(EXIT, 5, 9, rest=b"more"))) as path:
        assert run_exchange(start_over_connection(path, "x\udcff"), b"", LIMITS) == ExchangeResult(9, b"", b"")


def test_session_has_a_timeout_and_ends_when_it_is_closed():
    heard = []

    def answer(client):
        for descriptor in take_command(client):
            os.close(descriptor)
        client.sendall(packet(OPENED, 1, 5))
        heard.append(client.recv(1))

    with connection(answer) as path:
        session = MultiplexSession(path, "x\udcff", (0, 1, 2), 10)
        with pytest.raises(TimeoutError):
            session.wait_for_exit_code(0.01)
        session.close()
    assert heard == [b""]
    still = threading.Event()
    with connection(lambda client: still.wait(10)) as path:
        with pytest.raises(NoMultiplexSession, match="timed out$"):
            MultiplexSession(path, "x\udcff", (0, 1, 2), 0.01)
        still.set()


@pytest.mark.parametrize("rest", [b"", b"\0\0\0\1x", packet(EXIT), packet(77, 1)])
def test_lost_connection_has_the_exit_code_of_ssh(rest):
    with connection(runs(packet(OPENED, 1, 5), rest, prints=b"half")) as path:
        assert run_exchange(start_over_connection(path, "x\udcff"), b"", LIMITS) == ExchangeResult(LOST, b"half", b"")


@given(st.binary(max_size=300))
def test_any_bytes_of_the_other_end_end_the_conversation(content):
    with connection(lambda client: client.sendall(content)) as path, contextlib.suppress(NoMultiplexSession):
        assert run_exchange(start_over_connection(path, "x\udcff"), b"", LIMITS).code == LOST


def test_open_connection_is_ended_by_its_own_message():
    heard = []

    def answer(client):
        client.sendall(packet(HELLO, 4))
        heard.append(client.recv(24, socket.MSG_WAITALL))
        client.sendall(packet(OK, 1))

    with connection(answer) as path:
        end_connection(path, 10)
    assert heard == [packet(HELLO, 4) + packet(TERMINATE, 1)]


@pytest.mark.slow
def test_connection_that_is_not_there_or_does_not_end_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        end_connection(str(tmp_path / "nosuch"), 10)
    still = threading.Event()
    with connection(lambda client: still.wait(10)) as path, pytest.raises(TimeoutError):
        end_connection(path, 0.01)
    still.set()


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ([b"ssh", b"-o", b'ControlPath="/c/1 2"', b"h"], "/c/1 2"),
        ([b"ssh", b"-o", b"controlpath /c/1", b"-o", b"ControlPath=/c/2"], "/c/1"),  # as ssh: the first one
        *(([b"ssh", *words, b"h"], "") for words in ([b"-oControlPath=/c/1"], [b"ControlPath=none"], [b"-S", b"/c/1"])),
        ([b"ssh", b"-o", b"ControlPath=/c/%C"], ""),
    ],
)
def test_socket_of_a_connection_is_that_of_the_command(command, path):
    assert find_control_path(command) == path


# -- threads that do one job each


def collect_answers(*arguments):
    return [answer for batch in thread_pool.run_tasks(*arguments) for answer in batch]


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.integers()), st.integers(1, 5), st.integers(0, 3))
def test_tasks_of_a_thread_pool_have_their_own_results(tasks, width, beside):
    def do(number, step_aside):
        if number % 3 == 0:
            step_aside()
        return -number

    assert dict(collect_answers(tasks.items(), do, width, beside)) == {key: -number for key, number in tasks.items()}


def test_thread_pool_without_tasks_waits_for_nothing_and_raises_errors(monkeypatch):
    monkeypatch.setattr(thread_pool, "GATHER_SECONDS", LONGEST)
    assert len(collect_answers([("a", 1), ("b", 2)], lambda task, _: task, 2, 0)) == 2
    with pytest.raises(ZeroDivisionError):
        collect_answers([("a", 0), ("b", 2)], lambda task, _: 1 // task, 1, 0)


def test_task_that_waits_for_a_silent_host_holds_up_no_other():
    """Two of three places are for the silent; the fourth has to wait for one of them."""

    def do(name, step_aside):
        if name.startswith("silent"):
            step_aside()
            step_aside()  # once is enough
            assert spoke.wait(LONGEST)
        else:
            spoke.set()
        order.append(name)

    spoke, order = threading.Event(), []
    assert len(collect_answers([(name, name) for name in ("silent 1", "silent 2", "loud")], do, 1, 2)) == 3
    assert order[0] == "loud"


def test_task_without_room_beside_the_others_makes_them_wait_and_one_that_ends_makes_room():
    def do(name, step_aside):
        if name == "second":
            until(lambda: (step_aside(), third.is_set())[1])
        elif name == "third":
            third.set()
        step_aside()
        order.append(name)

    third, order = threading.Event(), []
    assert len(collect_answers([(name, name) for name in "abc"], do, 1, 0)) == 3 and order == ["a", "b", "c"]
    assert len(collect_answers([(name, name) for name in ("first", "second", "third")], do, 1, 1)) == 3

"""The relay on real processes: a holder, sessions in it, and a person's terminal played by pexpect."""

from __future__ import annotations

import os
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from holder_room import PATIENCE, eventually, python
from view_project import RELAY, Project, end, project

ECHO = (
    "import os,tty; tty.setraw(0); os.write(1, b'ready\\r\\n')\n"
    "while True: os.write(1, repr(os.read(0, 4096)).encode())"
)
SIZE = (
    "import os,signal\n"
    "def show(*_): c, r = os.get_terminal_size(0); os.write(1, f'size {r}x{c}\\r\\n'.encode())\n"
    "signal.signal(signal.SIGWINCH, show); show()\n"
    "while True: signal.pause()"
)
PASTE_READER = (
    "import os,tty; tty.setraw(0); os.write(1, b'\\x1b[?2004hready\\r\\n'); seen = b''\n"
    "while not seen.endswith(b'\\x1b[201~\\r'): seen += os.read(0, 100)\n"
    "body = seen[seen.index(b'\\x1b[200~') + 6:seen.index(b'\\x1b[201~')]\n"
    "os.write(1, b'lines %d bytes %d' % (len(body.split(b'\\r')), len(body))); os.read(0, 1)"
)


@pytest.fixture
def held() -> Iterator[Project]:
    with project() as made:
        yield made


def person(held: Project, name: str, *words: str, rows: int = 30, cols: int = 90) -> pexpect.spawn:
    return pexpect.spawn(RELAY[0], [*RELAY[1:], held.socket, name, *words], dimensions=(rows, cols), timeout=PATIENCE)


def test_keys_reach_the_session_and_its_output_the_person(held: Project) -> None:
    held.spawn("a", python(ECHO))
    seat = person(held, "a")
    seat.expect("ready")
    seat.send("hello\x03\x1a\x11")
    seat.expect_exact(repr(b"hello\x03\x1a\x11"))


def test_the_size_of_the_window_is_the_size_of_the_session(held: Project) -> None:
    held.spawn("a", python(SIZE))
    seat = person(held, "a", rows=31, cols=101)
    seat.expect_exact("size 31x101")
    seat.setwinsize(41, 121)
    seat.expect_exact("size 41x121")


def test_who_comes_later_sees_what_was_printed_before_and_asks_the_terminal_nothing(held: Project) -> None:
    held.spawn("a", python("import os\nos.write(1, b'shown before\\x1b[c\\x1b[6n!'); os.read(0, 1)"))
    eventually(lambda: b"!" in held.logged("a"))
    seat = person(held, "a")
    seat.expect_exact("shown before!")
    assert b"\x1b[c" not in seat.before


def test_ctrl_backslash_twice_leaves_the_session_alone_and_the_terminal_as_it_was(held: Project) -> None:
    pid = held.spawn("a", python(ECHO))
    seat = person(held, "a")
    before = termios.tcgetattr(seat.child_fd)
    seat.expect("ready")
    eventually(lambda: termios.tcgetattr(seat.child_fd) != before)
    seat.send("\x1c\x1c")
    seat.expect(pexpect.EOF)
    seat.close()
    assert seat.exitstatus == 0
    os.kill(pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_the_relay_and_puts_the_terminal_back(held: Project, number: signal.Signals) -> None:
    held.spawn("a", python(ECHO))
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    relay = subprocess.Popen([*RELAY, held.socket, "a"], stdin=slave, stdout=slave, stderr=slave)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(master, 4096)
    assert termios.tcgetattr(slave) != before
    relay.send_signal(number)
    assert relay.wait(PATIENCE) == 128 + number
    assert termios.tcgetattr(slave) == before
    assert b"Traceback" not in os.read(master, 65536)
    os.close(master)
    os.close(slave)


def test_the_end_of_a_session_is_said_and_its_next_start_is_shown(held: Project) -> None:
    held.spawn("a", python("import os; os.write(1, b'first'); os.read(0, 1); raise SystemExit(3)"))
    seat = person(held, "a")
    seat.expect_exact("first")
    seat.send("\r")
    seat.expect_exact("[loops] a ended: exit 3 — waiting for the next start".encode())
    held.wait_for_exit()
    held.spawn("a", python(ECHO), incarnation=2)
    seat.expect("ready")
    seat.send("again")
    seat.expect_exact(repr(b"again"))


def test_a_session_killed_by_a_signal_is_named_so(held: Project) -> None:
    pid = held.spawn("a", python(ECHO))
    seat = person(held, "a")
    seat.expect("ready")
    end(pid)
    seat.expect_exact("killed by SIGKILL")


def test_the_relay_outlives_the_holder_and_connects_to_the_next(held: Project) -> None:
    held.spawn("a", python(ECHO))
    seat = person(held, "a")
    seat.expect("ready")
    held.kill()
    seat.expect_exact("trying again")
    held.start()
    held.spawn("a", python(ECHO))
    seat.expect("ready")
    seat.send("back")
    seat.expect_exact(repr(b"back"))


def test_while_there_is_no_holder_ctrl_c_leaves(held: Project) -> None:
    held.spawn("a", python(ECHO))
    seat = person(held, "a")
    seat.expect("ready")
    held.kill()
    seat.expect_exact("trying again")
    seat.send("\x03")
    seat.expect(pexpect.EOF)
    seat.close()
    assert seat.exitstatus == 0


def test_a_wrong_name_is_an_error_for_a_person_and_a_reason_to_wait_for_a_view(held: Project) -> None:
    seat = person(held, "nobody")
    seat.expect_exact("there is no session 'nobody'")
    seat.expect(pexpect.EOF)
    seat.close()
    assert seat.exitstatus == 6
    pane = person(held, "later", "--no-detach")
    pane.expect_exact("trying again")
    held.spawn("later", python(ECHO))
    pane.expect("ready")


def test_without_a_holder_a_person_is_told_and_no_traceback_shown(tmp_path: Path) -> None:
    done = subprocess.run([*RELAY, str(tmp_path / "none.sock"), "a"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 6
    assert "no holder runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_into_a_pipe_goes_plain_text(held: Project) -> None:
    held.spawn("a", python("import os; os.write(1, b'\\x1b[31mred\\x1b]52;c;aGk=\\x07 line\\n'); os.read(0, 1)"))
    relay = subprocess.Popen([*RELAY, held.socket, "a"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert relay.stdout is not None
    assert relay.stdout.readline() == b"red line\n"
    relay.terminate()
    relay.communicate(timeout=PATIENCE)


def test_a_reader_in_a_pipe_changes_nobodys_size(held: Project) -> None:
    held.spawn("a", python(SIZE))
    seat = person(held, "a", rows=31, cols=101)
    seat.expect_exact("size 31x101")
    relay = subprocess.Popen([*RELAY, held.socket, "a"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert relay.stdout is not None
    assert b"size" in relay.stdout.readline()
    seat.send("\x1c\x1c")
    seat.expect(pexpect.EOF)
    second = person(held, "a", rows=32, cols=102)
    second.expect_exact("size 32x102")
    assert b"size 0x0" not in held.logged("a")
    relay.terminate()
    relay.communicate(timeout=PATIENCE)


def test_the_end_of_the_pipes_reader_ends_the_relay_quietly(held: Project) -> None:
    held.spawn("a", python("import os,time\nwhile True: os.write(1, b'line\\n'); time.sleep(0.01)"))
    relay = subprocess.Popen(
        [*RELAY, held.socket, "a"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert relay.stdout is not None
    assert relay.stderr is not None
    relay.stdout.readline()
    relay.stdout.close()
    assert relay.wait(PATIENCE) == 0
    assert relay.stderr.read() == b""
    relay.stderr.close()


def test_the_end_of_the_terminal_ends_the_relay(held: Project) -> None:
    held.spawn("a", python(ECHO))
    master, slave = os.openpty()
    relay = subprocess.Popen([*RELAY, held.socket, "a"], stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    assert relay.wait(PATIENCE) == 0
    assert b"Traceback" not in relay.communicate()[1]


def test_a_persons_multi_line_paste_arrives_whole(held: Project) -> None:
    held.spawn("a", python(PASTE_READER))
    seat = person(held, "a", "--no-detach")
    seat.expect("ready")
    seat.send(b"\x1b[200~" + b"\r".join(b"line %d" % number for number in range(1000)) + b"\x1b[201~\r")
    seat.expect_exact("lines 1000 bytes 8889")

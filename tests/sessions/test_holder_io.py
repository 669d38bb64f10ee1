"""Bytes in and out, viewers, silence, bounds (fault classes 9 and 16)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holder_room import Room, events_of, eventually, open_room, python
from loops.sessions.client import (
    Activity,
    Exited,
    HolderClient,
    HumanLine,
    NotWritten,
    Quiet,
    Spawned,
    Written,
)

RAW = "import os, tty; tty.setraw(0); os.write(1, b'up')\n"
ECHO = RAW + "while True: os.write(1, os.read(0, 65536))"


@pytest.fixture
def room() -> Iterator[Room]:
    with open_room() as room:
        room.launch()
        yield room


@pytest.fixture
def client(room: Room) -> HolderClient:
    return room.connect()


def begin(room: Room, client: HolderClient, name: str, program: str = ECHO) -> None:
    """Start *program*, and wait until its terminal is raw."""
    client.spawn(room.order(name, argv=python(program)))
    events_of(client, Spawned)
    eventually(lambda: client.tail(name).startswith(b"up"))


def memory_of(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---- writes ---------------------------------------------------------------------------------------------------------


def test_a_write_is_typed_once_per_id(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    client.write("a", 1, "n1", b"hello", guard=True)
    client.write("a", 1, "n1", b"hello", guard=True)
    client.write("a", 1, "n2", b"!", guard=True)
    answers = events_of(client, Written, 3)
    assert [(answer.id, answer.repeated) for answer in answers] == [("n1", False), ("n1", True), ("n2", False)]
    eventually(lambda: client.tail("a") == b"uphello!")
    client.close()
    successor = room.connect(epoch=2)
    successor.write("a", 1, "n1", b"hello", guard=True)
    assert events_of(successor, Written)[0].repeated
    assert successor.tail("a") == b"uphello!"


def test_a_write_for_another_incarnation_or_a_dead_session_is_gone(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    client.write("a", 2, "later", b"x", guard=False)
    client.write("nobody", 1, "no", b"x", guard=False)
    client.spawn(room.order("dead", "exit 0"))
    events_of(client, Exited)
    client.write("dead", 1, "late", b"x", guard=False)
    assert events_of(client, NotWritten)[0].reason == "gone"
    assert client.tail("a") == b"up"


def test_a_session_that_does_not_read_fills_up_and_the_order_is_kept(room: Room, client: HolderClient) -> None:
    program = RAW + "import time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    program += (
        "got = b''\nwhile b'END' not in got: got += os.read(0, 65536)\nopen('got', 'wb').write(got)\nopen('done', 'w')"
    )
    begin(room, client, "slow", program)
    sent = b""
    typed = 0
    for number in range(100):
        data = b"<%03d>" % number + b"." * 20_000
        client.write("slow", 1, str(number), data, guard=False)
        client.tail("slow")  # its answer comes after a refusal of what was written before
        refused = [event for event in client.read() if isinstance(event, NotWritten)]
        if refused:
            assert refused == [NotWritten("slow", str(number), "full")]
            break
        sent += data
        typed += 1
    else:
        pytest.fail("it took two megabytes")
    (room.root / "go").touch()
    eventually(lambda: finished(client, typed))
    client.write("slow", 1, "end", b"END", guard=False)
    eventually(lambda: (room.root / "done").exists())
    assert (room.root / "got").read_bytes() == sent + b"END"


def finished(client: HolderClient, count: int) -> bool:
    client.read()
    return len(client.sessions()["slow"].written) >= min(count, 64)


# ---- a person -------------------------------------------------------------------------------------------------------


def test_a_guarded_write_waits_for_the_end_of_a_persons_line(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    viewer = room.view("a")
    viewer.say("data", b"half a li")
    assert events_of(client, HumanLine) == [HumanLine("a", True)]
    client.write("a", 1, "n", b"NUDGE", guard=True)
    assert events_of(client, NotWritten) == [NotWritten("a", "n", "human")]
    client.write("a", 1, "urgent", b"+", guard=False)
    events_of(client, Written)
    viewer.say("data", b"ne\r")
    assert events_of(client, HumanLine) == [HumanLine("a", False)]
    client.write("a", 1, "n", b"NUDGE", guard=True)
    events_of(client, Written)
    viewer.read_until(b"uphalf a li+ne\rNUDGE")


def test_a_successor_is_told_of_the_open_line(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    viewer = room.view("a")
    viewer.say("data", b"x")
    events_of(client, HumanLine)
    assert room.connect(epoch=2).sessions()["a"].human


# ---- viewers --------------------------------------------------------------------------------------------------------


def test_a_viewer_sees_what_was_then_what_comes_and_stays_for_the_next_incarnation(
    room: Room, client: HolderClient
) -> None:
    client.spawn(room.order("a", "echo first; read line; echo bye; exit 2"))
    events_of(client, Spawned)
    eventually(lambda: b"first" in client.tail("a"))
    viewer = room.view("a")
    assert viewer.hear("welcome") == {"op": "welcome", "name": "a", "incarnation": 1, "alive": True}
    viewer.read_until(b"first\r\n")
    viewer.say("data", b"\r")
    assert viewer.hear("exit")["code"] == 2
    assert viewer.seen == b"first\r\n\r\nbye\r\n"
    events_of(client, Exited)
    client.spawn(room.order("a", "echo second; sleep 300", incarnation=2))
    assert viewer.hear("welcome")["incarnation"] == 2
    viewer.read_until(b"second")


def test_a_viewer_of_a_dead_session_sees_its_last_words(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("a", "echo last words; kill -9 $$"))
    events_of(client, Exited)
    viewer = room.view("a")
    assert viewer.hear("welcome")["alive"] is False
    assert viewer.hear("exit")["signal"] == 9
    assert viewer.seen == b"last words\r\n"


def test_a_viewer_of_nothing_is_refused(room: Room, client: HolderClient) -> None:
    viewer = room.view("nobody")
    assert viewer.hear("refused")["reason"] == "there is no session 'nobody'"


def test_the_viewers_of_a_forgotten_session_are_sent_away(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("a", "exit 0"))
    events_of(client, Exited)
    viewer = room.view("a")
    viewer.hear("exit")
    client.forget("a")
    assert viewer.sock.recv(1000) == b""


def test_the_last_keys_of_a_viewer_that_leaves_are_typed(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    viewer = room.view("a")
    for _ in range(50):
        viewer.say("data", b"k")
    viewer.sock.close()
    eventually(lambda: client.tail("a") == b"up" + b"k" * 50)


def test_the_newest_size_counts(room: Room, client: HolderClient) -> None:
    report = "import os, time\nlast = None\nwhile True:\n size = os.get_terminal_size(0)\n"
    report += " if size != last: print('size', *size, flush=True)\n last = size\n time.sleep(0.005)"
    client.spawn(room.order("a", argv=python(report), rows=50, cols=200))
    events_of(client, Spawned)
    eventually(lambda: b"size 200 50" in client.tail("a"))
    large = room.view("a", 40, 120)
    large.read_until(b"size 120 40")
    small = room.view("a", 20, 60)
    large.read_until(b"size 60 20")
    large.say("resize", rows=41, cols=121)
    large.read_until(b"size 121 41")
    small.read_until(b"size 121 41")
    small.seen = b""
    large.sock.close()
    small.read_until(b"size 60 20")
    client.resize("a", 30, 100)
    small.read_until(b"size 100 30")


def test_a_stuck_viewer_costs_no_memory_and_nobody_else_any_time(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("flood", argv=python(RAW + "while True: os.write(1, b'y' * 4096)")))
    events_of(client, Spawned)
    begin(room, client, "neighbour")
    stuck, watching = room.view("flood"), room.view("neighbour")
    watching.hear("welcome")
    before = memory_of(room.holder)
    log = Path(room.log("flood"))

    def written() -> int:
        return sum(path.stat().st_size for path in log.parent.glob("flood.log*"))

    for number in range(20):
        watching.say("data", b"ping%d;" % number)
        watching.read_until(b"ping%d;" % number)
    eventually(lambda: written() > 20_000_000)
    assert memory_of(room.holder) - before < 4_000_000
    stuck.read_until(b"bytes were skipped, this terminal was too slow]")


def test_a_flood_is_bounded_in_memory_and_on_disk(room: Room, client: HolderClient) -> None:
    program = RAW + "for _ in range(5000): os.write(1, b'z' * 8192)\nos._exit(0)"
    client.spawn(room.order("flood", argv=python(program), log_bytes=1_000_000, log_keep=3))
    events_of(client, Spawned)
    before = memory_of(room.holder)
    assert events_of(client, Exited)[0].code == 0
    assert memory_of(room.holder) - before < 4_000_000
    logs = {path.name: path.stat().st_size for path in (room.root / "logs").glob("flood*")}
    assert set(logs) == {"flood.log", "flood.log.1", "flood.log.2"}
    assert max(logs.values()) <= 1_000_000
    assert len(client.tail("flood")) == 16_384


def test_nul_bytes_invalid_text_and_a_line_of_ten_megabytes_pass_unchanged(room: Room, client: HolderClient) -> None:
    program = "import os, tty; tty.setraw(0)\nline = bytes(range(256)) * 40_000\n"
    program += "while line: line = line[os.write(1, line[:65536]):]"
    client.spawn(room.order("binary", argv=python(program), log_bytes=20_000_000))
    assert events_of(client, Exited)[0].code == 0
    assert room.logged("binary") == bytes(range(256)) * 40_000


def test_output_into_a_log_that_cannot_be_written_does_not_stop_the_session(room: Room, client: HolderClient) -> None:
    client.spawn(room.order("a", "seq 1 5000; echo end", log_path="/dev/full"))
    assert events_of(client, Exited)[0].code == 0
    assert client.tail("a").endswith(b"end\r\n")


# ---- silence --------------------------------------------------------------------------------------------------------


def test_the_edges_of_silence_are_told_and_only_they(room: Room, client: HolderClient) -> None:
    begin(room, client, "a")
    client.watch("a", 1.0)
    first = events_of(client, Quiet)[0]
    assert first.name == "a"
    for number in range(5):
        client.write("a", 1, str(number), b"x", guard=False)
    edges: list[Activity | Quiet] = []

    def is_silent_again() -> bool:
        edges.extend(event for event in client.read() if isinstance(event, Activity | Quiet))
        return bool(edges) and isinstance(edges[-1], Quiet)

    eventually(is_silent_again)
    begun, ended = edges
    assert isinstance(begun, Activity)
    assert ended.at - begun.at >= 1.0
    assert ended.total == 7


def test_a_terminal_that_nobody_has_open_costs_nothing_and_may_be_opened_again(
    room: Room, client: HolderClient
) -> None:
    program = "import os, time\nfor n in (0, 1, 2): os.close(n)\nopen('closed', 'w').close()\n"
    program += "while not os.path.exists('go'): time.sleep(0.01)\n"
    program += "fd = os.open('/dev/tty', os.O_RDWR)\nos.write(fd, b'back')\ntime.sleep(300)"
    client.spawn(room.order("a", argv=python(program)))
    events_of(client, Spawned)
    eventually(lambda: (room.root / "closed").exists())

    before = cpu_of(room.holder)
    time.sleep(0.3)  # a loop that spins would burn all of it
    assert cpu_of(room.holder) - before < 0.1
    (room.root / "go").touch()
    eventually(lambda: client.tail("a") == b"back")


def cpu_of(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9

"""Tests of the engine's own senses that need no project: the detectors on samples, and one session's whole round trip."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from loops.agents.port import DialogShown, Fatal, Idle, LimitReached, Screen, Signal, Working
from loops.agents.registry import STRUCTURED, adapter
from loops.config.backends import BUILT_IN
from loops.errors import LoopsError
from loops.places import Runtime, runtime_root
from loops.sessions import tree
from loops.sessions.client import Exited, HolderClient, SpawnOrder
from loops.sessions.launch import MARKER, ensure_holder
from loops.supervisor.processes import Departure

MARK = b"loops selftest \xe2\x9c\x93"
ROUND_TRIP = 10.0
"""Seconds for what takes a tenth of one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """``complaint`` empty: it went well."""

    name: str
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a terminal showed, and what it means."""

    backend: str
    name: str
    lines: tuple[str, ...]
    expected: type[Signal]
    ours: tuple[str, ...] = ()


SAMPLES = (
    Sample("claude", "a turn that runs", ("✻ Baking… (12s · esc to interrupt)", "", "❯ "), Working),
    Sample("claude", "an idle prompt after a turn", ("✻ Baked for 4s", "", "❯ ", "  ? for shortcuts"), Idle),
    Sample("claude", "a usage limit", ("  You've hit your session limit · resets 3pm (UTC)", "", "❯ "), LimitReached),
    Sample(
        "claude",
        "our own words about a limit are none",
        ("❯ go on, unless you have hit your usage limit", "", "❯ "),
        Idle,
        ("go on, unless you have hit your usage limit",),
    ),
    Sample(
        "claude", "a poisoned conversation", ("  ⎿ API Error: redacted_thinking blocks cannot be modified", "❯ "), Fatal
    ),
    Sample("codex", "a turn that runs", ("• Working (3s • esc to interrupt)", "› "), Working),
    Sample(
        "codex", "a usage limit", ("■ You've hit your usage limit. Try again in 2 hours 3 minutes.", "› "), LimitReached
    ),
    Sample("opencode", "a turn that runs", ("  ⬝⬝⬝■■■  esc interrupt",), Working),
    Sample("pi", "a turn that runs", ("⠙ Working...", ""), Working),
    Sample("demo", "a dialog", ("Do you trust this folder?", "Enter to confirm"), DialogShown),
)


def trials() -> Iterator[Trial]:
    """Run everything, one after the other."""
    for sample in SAMPLES:
        yield Trial(f"{sample.backend}: {sample.name}", _read(sample))
    yield Trial("escapes never reach a listing", _strip())
    yield Trial("a session: started, typed into, read, ended with its tree", _guarded(_round_trip))


def _read(sample: Sample) -> str:
    backend = BUILT_IN[sample.backend]
    if backend.adapter in STRUCTURED:  # its events say more than its screen, whose patterns are for it as a command
        backend = replace(backend, adapter="command")
    signals = adapter(backend).read_screen(Screen(sample.lines, sample.ours), time.time())
    if any(isinstance(signal, sample.expected) for signal in signals):
        return ""
    seen = ", ".join(type(signal).__name__ for signal in signals) or "nothing"
    return f"should be seen as {sample.expected.__name__}, was seen as {seen}"


def _strip() -> str:
    from loops.sessions.screen import plain

    shown = plain(b"\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b2J\x00\xff \xe2\x80\xaeend\r\n")
    return f"left {shown!r}" if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown) else ""


def _guarded(trial: Callable[[], str]) -> str:
    try:
        return trial()
    except (LoopsError, OSError) as error:
        return str(error)


def _round_trip() -> str:
    """A holder and a terminal of their own in a temporary directory, gone afterwards."""
    # Where sockets belong: their path has 107 bytes, and TMPDIR may be deep.
    os.makedirs(runtime_root(), mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="selftest-", dir=runtime_root()) as root:
        runtime = Runtime("selftest")
        runtime.root = os.path.join(root, "run")
        pid = ensure_holder(runtime, supervisor=None, env=dict(os.environ), log_path=os.path.join(root, "holder.log"))
        client = HolderClient(runtime.holder_socket, 1)
        try:
            client.connect()
            return _converse(client, pid, root)
        finally:
            _end(client, pid)


def _converse(client: HolderClient, holder: int, root: str) -> str:
    mark = f"selftest-{os.getpid()}"
    env = {"PATH": os.environ.get("PATH", os.defpath), "TERM": "xterm-256color", MARKER: mark}
    client.spawn(
        SpawnOrder("echo", 1, ("sh", "-c", "sleep 600 & exec cat"), env, root, log_path=os.path.join(root, "log"))
    )
    deadline = time.monotonic() + ROUND_TRIP

    def until(condition: Callable[[], bool]) -> bool:
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    if not until(lambda: bool(client.read()) and "echo" in client.sessions()):
        return "the holder did not start a session"
    client.write("echo", 1, "w1", MARK + b"\r", guard=False)
    if not until(lambda: client.tail("echo").count(MARK) >= 2):
        return "what was typed did not come back"
    session = client.sessions()["echo"]
    ending = tree.Ending(
        tree.Process(session.pid, session.start_time), (holder, 1), mark, grace=0.0, now=time.monotonic()
    )
    if not until(lambda: ending.step(time.monotonic())):
        return "the session's tree did not end"
    if not until(lambda: any(isinstance(event, Exited) for event in client.read())):
        return "its end was not seen"
    return ""


def _end(client: HolderClient, pid: int) -> None:
    with Departure() as departure:
        departure.expect("the holder", pid)
        try:
            client.quit(abandon=True)
        except LoopsError:
            departure.kill()
        client.close()
        if departure.wait(ROUND_TRIP):
            departure.kill()
            departure.wait(ROUND_TRIP)

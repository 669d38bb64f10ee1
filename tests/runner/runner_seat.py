"""The runner on a real pseudo-terminal, driving a stand-in program; all of it ends with the test."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import loops
from loops.runner.order import RunOrder, encode

PROGRAM = Path(loops.__file__).parent / "runner" / "program.py"
STANDIN = Path(__file__).parent / "standin_claude.py"
DEADLINE = 60.0
"""Seconds after which something that should happen did not."""
CONVERSATION = "22222222-2222-4333-8444-001795247420"


def until(fact: Callable[[], Any], what: str) -> Any:
    """Wait until *fact* holds and return it; fail with *what* after a generous time."""
    end = time.monotonic() + DEADLINE
    while not (found := fact()):
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.005)
    return found


def read_lines(path: Path) -> list[Any]:
    """Read a file of JSON lines; a missing file is empty, a torn end is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


class Seat:
    """A person's place before one runner."""

    def __init__(self, root: Path, **order: Any) -> None:
        self.root = root
        self.home = root / "home"
        self.work = root / "work"
        self.work.mkdir(exist_ok=True)
        (root / "answers").mkdir(exist_ok=True)
        self.bin = root / "claude"
        self.bin.write_text(f"#!{sys.executable} -IS\n{STANDIN.read_text()}")
        self.bin.chmod(self.bin.stat().st_mode | stat.S_IXUSR)
        self.order = RunOrder(
            backend="claude",
            mode="headless",
            agent="builder",
            run="builder.1",
            directory=str(self.work),
            run_dir=str(root / "run"),
            home=str(self.home),
            signals=str(root / "signals.jsonl"),
            answers=str(root / "answers"),
            bin=str(self.bin),
            model="some-model",
            fresh_id=CONVERSATION,
        )
        self.order = self.order._replace(**order)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(root), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        self.output = bytearray()
        self.process: subprocess.Popen[bytes] | None = None

    # ---- what is done ----------------------------------------------------------------------------------------------

    def start(self, program: tuple[str, ...] = (str(PROGRAM),), *, terminal: bool = True, drained: bool = True) -> Seat:
        path = self.root / "order.json"
        path.write_bytes(encode(self.order))
        master, slave = pty.openpty() if terminal else os.pipe()
        words = [sys.executable, "-I", "-S", "-E", *program, str(path)]
        self.process = subprocess.Popen(
            words, env=self.env, cwd="/", stdin=slave if terminal else subprocess.DEVNULL, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.master = master
        self.wake, self.waker = os.pipe()
        self.drainer = threading.Thread(target=self._drain, daemon=True)
        if drained:
            self.drainer.start()
        return self

    def _drain(self) -> None:
        """Read until the other side, or `hang_up`, has closed: never in read(2), which would keep the terminal open."""
        try:
            while self.wake not in (ready := select.select([self.master, self.wake], [], [])[0]) and ready:
                if not (data := os.read(self.master, 65536)):
                    break
                self.output += data
        except OSError:
            pass

    def type(self, keys: str | bytes) -> None:
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def paste(self, text: str) -> None:
        """What the engine does: a bracketed paste, then Enter."""
        self.type("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")
        self.type("\r")

    def answer(self, id: str, allow: bool, reason: str = "") -> None:
        path = self.root / "answers" / f"{id}.json"
        path.with_suffix(".new").write_text(json.dumps({"allow": allow, "reason": reason}))
        path.with_suffix(".new").rename(path)

    def hang_up(self) -> None:
        """Close the terminal, as the end of the holder does."""
        os.close(self.waker)
        self.drainer.join(DEADLINE)
        os.close(self.master)
        self.master, self.waker = -1, -1

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    # ---- what is seen ----------------------------------------------------------------------------------------------

    @property
    def shown(self) -> str:
        """Everything that the pane was sent."""
        return self.output.decode("utf-8", "replace")

    def sees(self, text: str) -> None:
        until(lambda: text in self.shown, f"{text!r} in the pane, which shows {self.shown[-2000:]!r}")

    def signals(self, type: str) -> list[dict[str, Any]]:
        """The data of all signals of *type*."""
        entries = read_lines(Path(self.order.signals))
        return [entry.get("data", entry) for entry in entries if entry["type"].removeprefix("dev.loops.") == type]

    def signalled(self, type: str, times: int = 1) -> dict[str, Any]:
        """Wait for the signal of *type* that is the *times*-th, and return its data."""
        return until(lambda: self.signals(type)[times - 1 : times], f"{times} signals {type}; {self.shown[-2000:]!r}")[
            0
        ]

    def events(self, type: str = "") -> list[dict[str, Any]]:
        entries = read_lines(self.root / "run" / "events.normalized.jsonl")
        return [entry for entry in entries if entry["type"].removeprefix("dev.loops.").startswith(type)]

    def received(self) -> list[str]:
        """The messages that the agent got."""
        return read_lines(self.home / ".claude" / "received")

    def starts(self) -> list[dict[str, Any]]:
        """How the agent's program was started, each time."""
        return read_lines(self.home / ".claude" / "starts")

    def ends(self) -> int:
        """Wait for the runner's end; return its exit status."""
        assert self.process is not None
        code = self.process.wait(DEADLINE)
        if self.drainer.is_alive():
            self.drainer.join(DEADLINE)
        return code

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
            if self.waker >= 0:
                os.close(self.waker)
            if self.drainer.is_alive():  # it reads no more: the numbers may be somebody else's files in a moment
                self.drainer.join(DEADLINE)
            for descriptor in (self.master, self.wake):
                if descriptor >= 0:
                    os.close(descriptor)
            self.process = None


def alive(pid: int) -> bool:
    """Whether *pid* is a process that runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""A scripted agent on a real pseudo-terminal, and a project for it to work in."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loops.agents.demo_agent.sample import CHECK

PROGRAM = Path(__file__).parents[2] / "engine/loops/agents/demo_agent/__main__.py"
STUB = Path(__file__).parent / "stub_loops.py"
DEADLINE = 60.0


def until(fact: Callable[[], bool], what: str) -> None:
    """Wait until *fact* holds; fail with *what* after a generous time."""
    end = time.monotonic() + DEADLINE
    while not fact():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines; a missing file is empty, a line that is still being written is left out."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


class Project:
    """A bare remote with a check, and a clone for each agent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remote = root / "remote.git"
        self.git(root, "init", "-q", "--bare", "-b", "main", str(self.remote))
        seed = self.clone("seed")
        (seed / "check.sh").write_text(CHECK)
        (seed / "check.sh").chmod(0o755)
        self.git(seed, "add", "-A")
        self.git(seed, "commit", "-qm", "chore: begin")
        self.git(seed, "push", "-q", "origin", "HEAD:main")

    def clone(self, name: str) -> Path:
        path = self.root / name
        self.git(self.root, "clone", "-q", str(self.remote), str(path))
        self.git(path, "config", "user.name", name)
        self.git(path, "config", "user.email", f"{name}@example.invalid")
        return path

    @staticmethod
    def git(where: Path, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=where, check=True, capture_output=True, text=True).stdout

    def subjects(self) -> list[str]:
        """Subjects of all pushed commits, oldest first."""
        return self.git(self.remote, "log", "--reverse", "--format=%s", "main").splitlines()

    def show(self, path: str) -> str:
        return self.git(self.remote, "show", f"main:{path}")


class DemoAgent:
    """One agent's files, and its process of the moment."""

    def __init__(self, project: Project, name: str, role: str, script: dict[str, Any] | None = None) -> None:
        self.name, self.role = name, role
        self.clone = project.clone(name)
        self.signals_file = project.root / f"{name}.signals"
        self.received_file = project.root / f"{name}.received"
        self.words_file = project.root / f"{name}.words"
        script_file = project.root / f"{name}.json"
        script_file.write_text(json.dumps(script or {}))
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(project.root),
            "LOOPS_SIGNALS": str(self.signals_file),
            "LOOPS_RECEIVED": str(self.received_file),
            "LOOPS_DEMO_SCRIPT": str(script_file),
            "LOOPS_DEMO_STATE": str(project.root / f"{name}.state"),
            "LOOPS_BIN": json.dumps([sys.executable, str(STUB)]),
            "STUB_WORDS": str(self.words_file),
        }
        self.output = bytearray()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, kickoff: str = "", resume: bool = False) -> None:
        words = [sys.executable, "-I", "-S", str(PROGRAM), "--role", self.role, "--agent", self.name]
        words += ["--resume" if resume else "--session-id", f"conversation-of-{self.name}"]
        self.run(words + ([kickoff] if kickoff else []))

    def run(self, words: list[str]) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=self.clone, env=self.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        threading.Thread(target=self._drain, args=(self.master,), daemon=True).start()

    def _drain(self, master: int) -> None:
        try:
            while data := os.read(master, 65536):
                self.output += data
        except OSError:
            pass  # the agent has gone

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def nudge(self, text: str) -> None:
        """Send *text* as the engine does and wait for the end of its turn."""
        ended = len(self.signals("turn.completed"))
        self.type(b"\x1b[200~" + text.encode() + b"\x1b[201~")
        self.type(b"\r")
        until(lambda: len(self.signals("turn.completed")) > ended, f"the turn of {text!r}")

    def wait_turn(self, count: int = 1) -> None:
        until(lambda: len(self.signals("turn.completed")) >= count, f"{count} turns of {self.name}: {self.tail()}")

    def wait_exit(self) -> int:
        assert self.process is not None
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def signals(self, type_: str) -> list[dict[str, Any]]:
        return [entry for entry in lines(self.signals_file) if entry["type"] == type_]

    @property
    def received(self) -> list[dict[str, Any]]:
        return lines(self.received_file)

    @property
    def words(self) -> list[list[str]]:
        return lines(self.words_file)  # type: ignore[return-value]

    def tail(self) -> str:
        return self.output[-2000:].decode("utf-8", "replace")

"""A project with real processes: its supervisor is started by the test and everything of it ends with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import loops
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.supervisor.control import ask
from loops.supervisor.events import Event
from loops.supervisor.ledger import history

PATIENCE = 60.0
SOURCE_ROOT = str(Path(loops.__file__).resolve().parents[1])
T = TypeVar("T")
AnEvent = TypeVar("AnEvent", bound=Event)

HEAD = """\
[defaults]
session_prefix = "shell-"
log_dir = ".loops"
[watchdog]
signal_interval = {interval}
stop_grace = 1
restart_backoff = {{ first = 0.05, factor = 2, max = 0.4, jitter = 0.2, healthy_after = 60, park_after = 10 }}
"""
SLEEPER = """
[[service]]
name = "{name}"
command = ["sleep", "600"]
watch = "heal"
"""


class ShellProject:
    """One project below *root*."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runtime_root = tempfile.mkdtemp(prefix="ls-", dir="/tmp")
        os.environ["LOOPS_RUNTIME_DIR"] = self.runtime_root
        self.config_path = root / "agents.toml"
        self.runtime = Runtime(str(self.config_path.resolve()))
        self.places = StatePlaces(str(root / ".loops"))
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR")},
            "HOME": str(root),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "PYTHONPATH": SOURCE_ROOT,
        }

    def write(self, *names: str, more: str = "", interval: float = 600.0) -> None:
        text = HEAD.format(interval=interval) + "".join(SLEEPER.format(name=name) for name in names) + more
        part = self.root / "agents.toml.part"
        part.write_text(text)
        part.replace(self.config_path)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start ``python -m loops.supervisor`` and do not wait for it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "loops.supervisor", str(self.config_path), *words],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
        )
        self.processes.append(process)
        return process

    def fails(self, *words: str, **environment: str) -> tuple[int, str]:
        """Start it; return the exit code and what it said, which holds no traceback."""
        process = self.start(*words, **environment)
        _, said = process.communicate(timeout=PATIENCE)
        assert "Traceback" not in said, said
        return process.returncode, said

    def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        answer = ask(self.runtime.control_socket, {"verb": verb, **words})
        assert answer is not None
        return answer

    def pids(self) -> dict[str, int]:
        """Of each running agent."""
        with suppress(OSError):
            status = ask(self.runtime.control_socket, {"verb": "status"})
            if status is not None:
                return {row["name"]: row["pid"] for row in status["agents"] if row["state"] == "RUNNING"}
        return {}

    def wait_running(self, *names: str) -> dict[str, int]:
        def running() -> dict[str, int]:
            pids = self.pids()
            return {name: pids[name] for name in names} if set(names) <= set(pids) else {}

        return self.until(running, f"{names} run")

    @property
    def holder(self) -> int:
        text = Path(self.runtime.root, "holder.lock").read_text().strip()
        return int(text) if text else 0

    def events(self, kind: type[AnEvent]) -> list[AnEvent]:
        return [event for _, event in history(self.places.journal) if isinstance(event, kind)]

    def until(self, condition: Callable[[], T], what: str) -> T:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.02)

    def leave(self, process: subprocess.Popen[str]) -> str:
        """End one supervisor as a service manager does; return what it had said."""
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    def clear(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for _ in range(50):
            left = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if self._is_ours(pid)]
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        shutil.rmtree(self.runtime_root, ignore_errors=True)

    def _is_ours(self, pid: int) -> bool:
        if pid == os.getpid():
            return False
        with suppress(OSError):
            needle = self.runtime_root.encode()  # tmux's server has it among its words alone
            about = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
            return any(needle in each for each in about)
        return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

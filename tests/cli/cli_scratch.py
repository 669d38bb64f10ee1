"""A scratch project with real processes, driven through the real command, and gone without a trace afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import loops
from loops.places import Runtime
from loops.supervisor.control import ask

PATIENCE = 60.0
GLANCE = 0.02
SOURCES = str(Path(loops.__file__).resolve().parents[1])
LOOPS = [sys.executable, "-m", "loops"]

AGENTS_TOML = """\
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"
backend = "stub"
model = "tiny"
watch = "heal"

[watchdog]
stop_grace = 1
signal_interval = 1

[backend.stub]
bin = "sleep 600"
prompt_delivery = "exec"

[[agent]]
name = "builder"
kind = "persistent"

[[agent]]
name = "assistant"
kind = "persistent"
enabled = false

[[service]]
name = "ticker"
command = ["sh", "-c", "echo ready; exec sleep 600"]
watch = "heal"
"""

PHASES = """
[loop]
phases = [
  { id = "1a", plan = "plan.md", items = ["M1"] },
  { id = "1b", plan = "plan.md", items = ["M2"] },
]
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """Its only line, as JSON."""
        facts: dict[str, Any] = json.loads(self.out)
        return facts


class Scratch:
    """One scratch project: own HOME, own runtime directory, own prefix."""

    def __init__(self, root: Path, text: str = "") -> None:
        self.root = root / "project"
        self.home = root / "home"
        self.root.mkdir()
        self.home.mkdir()
        self.prefix = f"cli-{uuid.uuid4().hex[:8]}-"
        # Sockets have 107 bytes for their path, and tmp_path may use them up.
        self.runtime_root = tempfile.mkdtemp(prefix="lc-", dir="/tmp")
        self.config_path = self.root / "agents.toml"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        self.env = {
            **kept,
            "HOME": str(self.home),
            "LOOPS_RUNTIME_DIR": self.runtime_root,
            "PYTHONPATH": SOURCES,
            "GIT_CONFIG_NOSYSTEM": "1",
            "TERM": "dumb",
        }
        self.write(text or AGENTS_TOML)
        with _runtime_root(self.runtime_root):
            self.runtime = Runtime(str(self.config_path.resolve()))

    def write(self, text: str) -> None:
        self.config_path.write_text(text.replace("{prefix}", self.prefix), encoding="utf-8")

    def loops(
        self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str = ""
    ) -> Done:
        """Run one command to its end."""
        ran = subprocess.run(
            [*LOOPS, *words],
            cwd=cwd or self.root,
            env={**self.env, **(env or {})},
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(ran.returncode, ran.stdout.decode("utf-8", "replace"), ran.stderr.decode("utf-8", "replace"))

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Run a command that goes on; the test ends it."""
        return subprocess.Popen([*LOOPS, *words], cwd=self.root, env=self.env, **options)

    def status(self) -> dict[str, Any]:
        """The supervisor's own word, which costs no process; without a supervisor, the command's."""
        return ask(self.runtime.control_socket, {"verb": "status"}) or self.loops("status", "--json").facts

    def agent(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = next(row for row in self.status()["agents"] if row["name"] == name)
        return row

    def pids(self) -> dict[str, int]:
        """The living sessions' first processes."""
        return {row["name"]: row["pid"] for row in self.status()["agents"] if row["pid"] and row["name"] != "watchdog"}

    def wait(self, condition: Callable[[dict[str, Any]], object], seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until the status is as wanted, and return it."""
        deadline = time.monotonic() + seconds
        while not condition(status := self.status()):
            assert time.monotonic() < deadline, f"it did not come true: {status}"
            time.sleep(GLANCE)
        return status

    def processes(self) -> dict[int, str]:
        """Every living process of this project: whatever has its runtime directory in its environment or arguments."""
        needle = self.runtime_root.encode()
        found = {}
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                if needle in Path(f"/proc/{pid}/environ").read_bytes() or needle in arguments:
                    found[int(pid)] = arguments.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def sockets(self) -> list[str]:
        """The sockets that are left in the runtime directory, but tmux's: a tmux that ended leaves its own."""
        return [str(path) for path in Path(self.runtime_root).rglob("*.sock") if path.name != "tmux.sock"]

    def teardown(self) -> None:
        """Leave nothing behind, and say so if something had to be killed."""
        said = self.loops("down", "--timeout", "15")
        left = self.processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sockets = self.sockets()
        shutil.rmtree(self.runtime_root, ignore_errors=True)
        assert not left, f"left behind: {left}; `loops down` said {said}"
        assert not sockets, f"left behind: {sockets}"


class _runtime_root:
    """LOOPS_RUNTIME_DIR in this process for a moment."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __enter__(self) -> None:
        self._before = os.environ.get("LOOPS_RUNTIME_DIR")
        os.environ["LOOPS_RUNTIME_DIR"] = self._value

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["LOOPS_RUNTIME_DIR"]
        else:
            os.environ["LOOPS_RUNTIME_DIR"] = self._before


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for *condition*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(GLANCE)


def gone(pid: int) -> bool:
    """Whether *pid* is no living process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True

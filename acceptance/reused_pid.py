"""Runs as the first process of a pid namespace: a session dies unseen, a stranger gets its pid, and the project goes on.

Usage: ``unshare --pid --fork --mount-proc python reused_pid.py AGENTS_TOML``.  Exit code 0 and "the stranger lives", or not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from loops.places import Runtime
from loops.supervisor.control import ask


def main(config_path: str) -> int:
    """Play it through."""
    runtime = Runtime(os.path.realpath(config_path))
    loops(config_path, "up")
    session = wait_running(runtime)
    holder = int(Path(runtime.root, "holder.lock").read_text())
    supervisor = status(runtime)["pid"]
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(holder, signal.SIGSTOP)
    # Nobody is there to see the session die; then nobody is left who had held it.
    for pid in (session, holder, supervisor):
        os.kill(pid, signal.SIGKILL)
    while any(Path(f"/proc/{pid}").exists() for pid in (session, holder, supervisor)):
        reap()
        time.sleep(0.01)
    stranger = with_pid(session)
    loops(config_path, "up")
    successor = wait_running(runtime)
    assert successor != session, "the session has the stranger's pid"
    assert alive(stranger), "the stranger died when the project came up"
    loops(config_path, "down")
    assert alive(stranger), "the stranger died when the project went down"
    print("the stranger lives")
    return 0


def with_pid(wanted: int) -> subprocess.Popen[bytes]:
    """Start a stranger that has exactly this pid."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(wanted - 1))
        process = subprocess.Popen(["sleep", "1000"])
        if process.pid == wanted:
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"pid {wanted} could not be had")


def alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether it runs."""
    return process.poll() is None


def reap() -> None:
    """We are the init of this namespace: collect what was left to us."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def loops(config_path: str, *words: str) -> None:
    """Run one command; it must succeed."""
    argv = [sys.executable, "-m", "loops", *words, "--config", config_path]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def status(runtime: Runtime) -> dict[str, Any]:
    """The supervisor's status; empty while there is none."""
    return ask(runtime.control_socket, {"verb": "status"}) or {}


def wait_running(runtime: Runtime) -> int:
    """Wait until the one session runs; return its pid."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for row in status(runtime).get("agents", ()):
            if row["name"] == "one" and row["state"] == "RUNNING":
                return int(row["pid"])
        time.sleep(0.02)
    raise AssertionError(f"the session does not run: {status(runtime)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

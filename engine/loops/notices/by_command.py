"""A command of the operator's own: the notice as JSON on its standard input, exit code 0 means sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict

from loops.notices.order import Fate, Message

PATIENCE = 30.0
"""Seconds; then it is killed with all that it started."""
KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "CREDENTIALS_DIRECTORY",
    "LOOPS_CREDENTIALS",
)
"""All that it gets of our environment: what a mail or desktop program needs, and no key."""


class Command:
    """One program, run in *root* without a shell."""

    name = "command"

    def __init__(self, argv: tuple[str, ...], root: str, env: Mapping[str, str]) -> None:
        self._argv, self._root = argv, root
        self._env = {name: env[name] for name in KEPT if name in env}

    def send(self, message: Message) -> tuple[Fate, str]:
        """Run it; what it prints is thrown away, for it may show what only it should know."""
        env = {**self._env, "LOOPS_NOTICE_KIND": message.kind, "LOOPS_NOTICE_TEXT": message.text}
        try:
            process = subprocess.Popen(
                self._argv,
                cwd=self._root,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return Fate.FAILED, f"{os.path.basename(self._argv[0])} cannot be run: {error.strerror}"
        try:
            process.communicate(json.dumps(asdict(message)).encode() + b"\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Fate.UNKNOWN, f"it was killed after {PATIENCE:.0f} s"
        if process.returncode == 0:
            return Fate.DELIVERED, ""
        how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        return Fate.FAILED, f"{os.path.basename(self._argv[0])} ended with {how}"

"""The units that a project has on this machine, whoever installed them, found by the agents.toml that they name."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loops.boot import units
from loops.errors import SessionError
from loops.places import Runtime
from loops.supervisor import control

SYSTEM = "/etc/systemd/system"
OTHERS = ("/run/systemd/system",)
COMES_WITHIN = 30.0
"""Seconds for what takes one, on a machine that has other work too."""
GLANCE = 0.05


@dataclass(frozen=True, slots=True)
class Installed:
    """A project's supervisor unit, in the system's service manager or in a person's own."""

    name: str
    personal: bool
    calendars: Mapping[str, str] = field(default_factory=dict)
    """Of its scheduled tasks, as their timers have them."""
    own_calendar: bool = False
    """No timers: the supervisor keeps the schedules."""
    credentials: tuple[str, ...] = ()
    """The names of those that the supervisor gets."""
    said: tuple[str, ...] = ()
    """What was said at its installation, as `loops.boot.said` reads it."""

    @property
    def systemctl(self) -> tuple[str, ...]:
        """The command that speaks to its manager, for its owner."""
        return systemctl(personal=self.personal)

    def words(self, verb: str) -> str:
        """What an operator types."""
        prefix = "systemctl --user" if self.personal else "sudo systemctl"
        return f"{prefix} {verb} {self.name}"

    @property
    def journal(self) -> str:
        """What an operator types to read what it says."""
        return f"{'journalctl --user' if self.personal else 'sudo journalctl'} -u {self.name}"


def systemctl(*, personal: bool) -> tuple[str, ...]:
    """The command that speaks to a service manager, and asks no person for a password."""
    return ("systemctl", "--user") if personal else ("systemctl", "--no-ask-password")


def personal_directory() -> str:
    """Where a person's own units are (systemd.unit(5))."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(pwd.getpwuid(os.getuid()).pw_dir, ".config")
    return os.path.join(base, "systemd", "user")


def find(config_path: str) -> Installed | None:
    """The supervisor's unit of the project at *config_path*; None: no service manager has one."""
    for directory, personal in ((personal_directory(), True), *((each, False) for each in (SYSTEM, *OTHERS))):
        ours = {name: content for name, content in files(directory) if units.owner(content) == config_path}
        for name, content in ours.items():
            if "watchdog --no-holder" in content:
                own_calendar = "LOOPS_SCHEDULES=systemd" not in content
                unit = units.parse(content)
                loaded = unit["Service"].get("LoadCredential", ())
                credentials = tuple(each.partition(":")[0] for each in loaded if each)
                said = tuple(unit["Unit"].get(units.SAID_KEY, ()))
                return Installed(name, personal, _calendars(ours, name), own_calendar, credentials, said)
    return None


def _calendars(ours: Mapping[str, str], supervisor: str) -> dict[str, str]:
    start = supervisor.removesuffix(".service") + "-"
    return {
        name.removeprefix(start).removesuffix(".timer"): "".join(units.parse(content)["Timer"].get("OnCalendar", ()))
        for name, content in ours.items()
        if name.startswith(start) and name.endswith(".timer")
    }


def files(directory: str) -> Iterator[tuple[str, str]]:
    """The files that could be units of ours in *directory*, by name, with their content."""
    with suppress(OSError):
        for name in sorted(os.listdir(directory)):
            if name.startswith("loops") and name.endswith((".service", ".timer", ".slice")):
                with (
                    suppress(OSError, UnicodeDecodeError),
                    open(os.path.join(directory, name), encoding="utf-8") as file,
                ):
                    yield name, file.read()


def start(unit: Installed) -> None:
    """Have the service manager start it.  SessionError: it does not, or we may not ask."""
    said = call([*unit.systemctl, "start", unit.name])
    if said:
        raise SessionError(
            f"this project is run by {unit.name}, which is not running and could not be started from here ({said}): "
            f"type `{unit.words('start')}`, or `{unit.words('status')}` to see why it does not run"
        )


def await_supervisor(unit: Installed, config_path: str) -> dict[str, Any]:
    """Return the status of a supervisor that was just started.  SessionError: it does not come."""
    deadline = time.monotonic() + COMES_WITHIN
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            answer = control.ask(Runtime(config_path).control_socket, {"verb": "status"})
            if answer is not None:
                return answer
        time.sleep(GLANCE)
    raise SessionError(f"{unit.name} was started and does not answer; `{unit.words('status')}` says why")


def call(command: Sequence[str]) -> str:
    """Run one command of the service manager; return why it failed, or nothing."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]} cannot be run: {error}"
    if done.returncode == 0:
        return ""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[0] if lines else f"{' '.join(command)} ended with status {done.returncode}"

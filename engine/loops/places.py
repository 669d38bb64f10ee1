"""Where the parts of a project live on the machine.

Two roots: the *project* (the directory of agents.toml, with its ``log_dir``) holds all that must survive a
reboot; the *runtime directory* holds sockets only and is found from the configuration's path alone, so that
``loops status`` can reach the supervisor without parsing any TOML.

Standard library built-ins only: this module is on the fast path of ``loops status``.
"""

from __future__ import annotations

import os
import zlib

from loops.errors import SessionError

CONFIG_NAME = "agents.toml"
FLEET_NAME = "fleet.toml"
SOCKET_BYTES = 107
"""Of a socket's whole path (unix(7))."""


def find_config(given: str | None = None, start: str | None = None) -> str:
    """Return the real path of agents.toml: *given*, else ``$LOOPS_CONFIG``, else the nearest one at or above *start*.

    A directory stands for the agents.toml in it.  The file need not exist when it was named.
    """
    return _find(CONFIG_NAME, given or os.environ.get("LOOPS_CONFIG"), start)


def find_fleet(given: str | None = None, start: str | None = None) -> str:
    """The same for fleet.toml, with ``$LOOPS_FLEET``."""
    return _find(FLEET_NAME, given or os.environ.get("LOOPS_FLEET"), start)


def _find(name: str, named: str | None, start: str | None) -> str:
    if named:
        path = os.path.realpath(named)
        return os.path.join(path, name) if os.path.isdir(path) else path
    here = os.path.realpath(start or os.getcwd())
    while True:
        candidate = os.path.join(here, name)
        if os.path.lexists(
            candidate
        ):  # unreadable, or a link into nothing: that is told, and no other file is taken for it
            return candidate
        parent = os.path.dirname(here)
        if parent == here:
            return os.path.join(os.path.realpath(start or os.getcwd()), name)
        here = parent


def runtime_root() -> str:
    """The directory for sockets of all projects of this user: ``$LOOPS_RUNTIME_DIR``, else below ``$XDG_RUNTIME_DIR``, else /tmp.

    Sockets have `SOCKET_BYTES` for their whole path, which is why they are not kept in the project.
    """
    named = os.environ.get("LOOPS_RUNTIME_DIR")
    if named:
        return named
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.path.isdir(base):
        return os.path.join(base, "loops")
    return f"/tmp/loops-{os.getuid()}"


SERVICES = "/run/loops"
"""Where the sockets of projects are that run as services of the system (`loops.boot.units`)."""


class Runtime:
    """The runtime directory of one project and the sockets in it."""

    __slots__ = ("root",)

    def __init__(self, config_path: str) -> None:
        """Found from the path of agents.toml; a project that runs as a service is found without ``LOOPS_RUNTIME_DIR``."""
        raw = config_path.encode("utf-8", "surrogateescape")
        # Two independent 32-bit sums: a name, not a secret; `_sha2` would cost more to import than to compute.
        name = f"{zlib.crc32(raw):08x}{zlib.adler32(raw):08x}"
        self.root = os.path.join(runtime_root(), name)
        if not os.environ.get("LOOPS_RUNTIME_DIR") and os.path.isdir(f"{SERVICES}/{name}"):
            self.root = f"{SERVICES}/{name}"

    @property
    def holder_socket(self) -> str:
        return os.path.join(self.root, "holder.sock")

    @property
    def control_socket(self) -> str:
        return os.path.join(self.root, "control.sock")

    @property
    def tmux_socket(self) -> str:
        return os.path.join(self.root, "tmux.sock")

    def create(self) -> None:
        """Make the directory, mode 0700, and refuse one that belongs to somebody else (/tmp is shared).

        SessionError: that, or the path is too long for a socket in it and the ``.new`` at its end for a moment.
        """
        excess = len(os.fsencode(f"{self.control_socket}.new")) - SOCKET_BYTES
        if excess > 0:
            raise SessionError(
                f"{self.root}: {excess} bytes too long for a socket in it; name a shorter place in LOOPS_RUNTIME_DIR"
            )
        for path in (os.path.dirname(self.root), self.root):
            os.makedirs(path, mode=0o700, exist_ok=True)
            about = os.lstat(path)
            if about.st_uid != os.getuid() or about.st_mode & 0o077:
                raise SessionError(
                    f"{path}: must be a directory of your own with mode 0700; "
                    "remove it, or name another place in LOOPS_RUNTIME_DIR"
                )


class State:
    """The durable files of one project, below ``log_dir``."""

    __slots__ = ("log_dir",)

    def __init__(self, log_dir: str) -> None:
        self.log_dir = log_dir

    @property
    def root(self) -> str:
        return os.path.join(self.log_dir, "state")

    @property
    def journal(self) -> str:
        return os.path.join(self.root, "journal")

    @property
    def signals(self) -> str:
        """One append-only file a session, into which its agent's hooks write JSON lines."""
        return os.path.join(self.root, "signals")

    @property
    def checks(self) -> str:
        """Fresh clones in which the engine runs a phase's own checks."""
        return os.path.join(self.root, "checks")

    @property
    def answers(self) -> str:
        """A directory a run, in which an agent's runner finds the answers to its approvals."""
        return os.path.join(self.root, "answers")

    @property
    def received(self) -> str:
        """The demo agents' own record of what reached them: the test of "nothing lost, nothing doubled"."""
        return os.path.join(self.root, "received")

    @property
    def memory(self) -> str:
        """What the demo agents remember across a resume."""
        return os.path.join(self.root, "memory")

    @property
    def runs(self) -> str:
        """Recordings: a directory an agent, in it one an incarnation; old ones go (`loops.supervisor.past_runs`)."""
        return os.path.join(self.root, "runs")

    @property
    def homes(self) -> str:
        """One private home an agent."""
        return os.path.join(self.root, "homes")

    @property
    def isolation(self) -> str:
        """Where the clones of isolated agents lead to, as it was first seen."""
        return os.path.join(self.root, "isolation")

    def directories(self) -> tuple[str, ...]:
        """All directories that the supervisor makes."""
        return (self.root, self.journal, self.signals, self.received, self.memory, self.checks)

    def session_log(self, name: str) -> str:
        return os.path.join(self.log_dir, f"{name}.log")

    @property
    def token_log(self) -> str:
        return os.path.join(self.log_dir, "token-log.jsonl")

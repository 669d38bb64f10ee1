"""A room: processes with a network namespace of their own, in which there is nothing but 127.0.0.1.

Real agents run nowhere else.  Pids and files are the machine's own, so a test can look at the room from outside; what
needs its network is run by the room's keeper, or goes through a connection that the keeper opens.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

KEEPER = Path(__file__).with_name("room_keeper.py")
WALLS = ("bwrap", "--dev-bind", "/", "/", "--unshare-net", "--clearenv")
PATIENCE = 60.0
GLANCE = 0.02


@cache
def no_room() -> str:
    """Why no room can be had on this machine; empty when one can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed (sudo apt-get install bubblewrap)"
    done = subprocess.run(
        [*WALLS, "true"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    return f"bwrap cannot make a network namespace here: {done.stderr.strip()}" if done.returncode else ""


class Room:
    """One room."""

    def __init__(self, environment: Mapping[str, str], directories: Sequence[str | Path] = ()) -> None:
        """Open it.

        *environment*: all that its processes have unless they are told otherwise.  *directories*: removed when this
        process ends without closing the room; its processes then end as well.
        """
        self.environment = dict(environment)
        self._directory = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))  # sockets have 107 bytes
        self._socket = str(self._directory / "keeper")
        variables = [word for name, value in environment.items() for word in ("--setenv", name, value)]
        more = map(str, directories)
        self._process = subprocess.Popen(
            [*WALLS, *variables, sys.executable, "-I", "-S", str(KEEPER), self._socket, str(self._directory), *more],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == "open\n", f"the room did not open: {said!r}"
        self.own = (self._process.pid, *descendants(self._process.pid))
        """The pids of the walls and the keeper."""
        self.network = self._network_of_keeper()

    def _network_of_keeper(self) -> str:
        outside = network_of(os.getpid())
        for pid in self.own:
            if (found := network_of(pid)) not in ("", outside):
                return found
        raise AssertionError("the keeper has no network namespace of its own")

    # ---- doing something in it -------------------------------------------------------------------------------------

    def start(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | Path = "/",
        stdout: int | IO[Any] = subprocess.DEVNULL,
        stderr: int | IO[Any] = subprocess.DEVNULL,
    ) -> Started:
        """Start a command in the room; its standard input is empty."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(self._socket)
        request = {
            "run": list(words),
            "env": dict(self.environment if environment is None else environment),
            "cwd": str(directory),
        }
        null = os.open(os.devnull, os.O_RDWR)
        try:
            files = [null if file == subprocess.DEVNULL else _descriptor(file) for file in (stdout, stderr)]
            socket.send_fds(client, [json.dumps(request).encode()], [null, *files])
        finally:
            os.close(null)
        return Started(client, _answer(client)["pid"])

    def run(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | Path = "/",
        timeout: float = PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the room to its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = self.start(words, environment=environment, directory=directory, stdout=out, stderr=err)
            try:
                code = started.wait(timeout)
            except TimeoutError:
                started.kill()
                raise subprocess.TimeoutExpired(list(words), timeout, _text(out), _text(err)) from None
            return subprocess.CompletedProcess(list(words), code, _text(out), _text(err))

    def connect(self, port: int) -> socket.socket:
        """A connection to a port in the room."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(self._socket)
            client.send(json.dumps({"connect": port}).encode())
            message, files, _, _ = socket.recv_fds(client, 1 << 16, 1)
            assert files, f"no connection to port {port} of the room: {message.decode()}"
            return socket.socket(fileno=files[0])

    # ---- its processes ---------------------------------------------------------------------------------------------

    def pids(self) -> dict[int, str]:
        """Every living process in the room, with its command line, the keeper left out.

        In the middle of its exec a process has none.  A zombie is in no network any more.
        """
        pids = map(int, filter(str.isdecimal, os.listdir("/proc")))
        return {pid: command_line(pid) for pid in pids if pid not in self.own and network_of(pid) == self.network}

    def close(self) -> None:
        """End whatever is in it."""
        for _ in range(100):
            left = self.pids()
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(GLANCE)
        for pid in reversed(self.own):  # the keeper before its walls
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self.own = ()
        shutil.rmtree(self._directory, ignore_errors=True)


@dataclass(slots=True)
class Started:
    """A process in the room."""

    _client: socket.socket
    pid: int

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; return its exit code.  TimeoutError: it did not end."""
        self._client.settimeout(timeout)
        code = int(_answer(self._client)["code"])
        self._client.close()
        return code

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()


def _descriptor(file: int | IO[Any]) -> int:
    return file if isinstance(file, int) else file.fileno()


def _answer(client: socket.socket) -> dict[str, Any]:
    message = client.recv(1 << 16)
    assert message, "the room's keeper is gone"
    answer: dict[str, Any] = json.loads(message)
    assert "error" not in answer, answer["error"]
    return answer


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def network_of(pid: int) -> str:
    """The network namespace of a process; empty when it is gone, or is not ours to look at."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def command_line(pid: int) -> str:
    """The words of a process; empty for one that is gone, a zombie, of the kernel, or in the middle of its exec."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    tasks: list[str] = []
    with suppress(OSError):
        tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        with suppress(OSError):  # a thread that has ended; the others have children as well
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """All living descendants of a process."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


class Provider:
    """The mock provider of a room."""

    PORT = 8099
    """Always the same: every room has all ports to itself."""

    def __init__(self, room: Room, log: Path, *words: str) -> None:
        """Start it.  *words*: more options of ``loops mock-llm``."""
        self._room = room
        self._log = log
        self._words = words
        self._refused: dict[str, int] = {}
        """By path: a port of its own, where nobody listens yet."""
        self._started = [self._start(self.PORT)]

    def _start(self, port: int) -> Started:
        read, write = os.pipe()
        command = [sys.executable, "-m", "loops", "mock-llm", "--port", str(port), "--log", str(self._log)]
        started = self._room.start([*command, *self._words], stdout=write, stderr=write)
        os.close(write)
        with os.fdopen(read, "r") as said:
            line = said.readline()
        assert line == f"listening 127.0.0.1:{port}\n", f"the mock provider did not start: {line}"
        return started

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(each.pid for each in self._started)

    def listen_too(self, path: str) -> None:
        """Listen where connections to *path* were refused so far."""
        self._started.append(self._start(self._refused.pop(path)))

    def url(self, path: str, scenario: str = "") -> str:
        """The base URL of *path*, without ``/v1``."""
        port = self.PORT
        if scenario == "refused":
            port = self._refused.setdefault(path, self.PORT - 1 - len(self._refused))
        return f"http://127.0.0.1:{port}/{path}"

    def control(self, path: str, scenario: str, **more: Any) -> None:
        """Change what *path* plays: see `loops.projects.mock_llm`."""
        body = json.dumps({"path": path, "scenario": scenario, **more})
        connection = http.client.HTTPConnection("127.0.0.1", self.PORT, timeout=PATIENCE)
        connection.sock = self._room.connect(self.PORT)
        try:
            connection.request("POST", "/control", body)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read().decode()
        finally:
            connection.close()

    def requests(self, path: str = "") -> list[dict[str, Any]]:
        """The model requests so far, to *path* or to any."""
        lines = self._log.read_bytes().split(b"\n")[:-1] if self._log.exists() else []  # the last may be half written
        found = [json.loads(line) for line in lines]
        return [each for each in found if path in ("", each["path"])]

    def end(self) -> None:
        """End it."""
        for each in self._started:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGTERM)
            each.wait()

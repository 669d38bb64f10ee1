"""The relay: shows one session in this terminal and takes a person's keys to it, through the holder.

Run as ``python -I -S .../attach.py SOCKET NAME`` (so do the panes of the views) or as ``loops attach NAME``.  It
survives the end of the session, and shows the next one, and the end of the holder, and connects again.  Where standard
input or output is no terminal it prints the output as plain text and takes no keys.

To detach, press Ctrl-\\ twice; a single one goes to the agent.  While no holder can be reached, Ctrl-C leaves too.  In
a view's pane (``--no-detach``) the terminal multiplexer has a key of its own: there the relay takes none, and waits for
a session that is not there yet.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # under -I -S nothing but the standard library can be imported
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import select
import signal
import socket
import time

from loops.errors import SessionError
from loops.sessions import wire
from loops.sessions.window import Keys, Pipe, Terminal, WindowGone

FIRST_RETRY, LAST_RETRY = 0.1, 2.0
"""Seconds between two attempts to reach the holder: doubled each time, from the first to the last."""
MOST_KEYS = 60_000
"""Bytes of keys kept for a holder that does not read; then they wait in the terminal."""
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class _Ended(BaseException):
    """A signal asked for the end.  No `Exception`, so that nothing on the way takes it for a failure."""


class Relay:
    """One viewer of one session, whatever becomes of the session and of the holder."""

    def __init__(self, path: str, name: str, window: Terminal | Pipe, detachable: bool) -> None:
        """Take over the wake-up descriptor of this process's signals."""
        self._path = path
        self._name = name
        self._window = window
        self._detachable = detachable
        self._keys = Keys()
        self._pending = b""
        self._resized = False
        self._replaying = False
        self._welcomed = False
        self._woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Relay until the person detaches.

        Raises:
            SessionError: the session was never reached, and the person is there to be told.
            WindowGone: the person is not.
        """
        pause, said, reached = FIRST_RETRY, "", False
        while True:
            self._welcomed = False
            reason = self._visit()
            if self._keys.detach:
                return
            if self._welcomed:
                pause, said, reached = FIRST_RETRY, "", True
            elif self._detachable and not reached:
                raise SessionError(f"{self._name}: {reason}; `loops status` lists what runs, `loops up` starts it")
            if reason != said:
                self._window.say(f"{self._name}: {reason} — trying again")
                said = reason
            self._wait(pause)
            if self._keys.detach:
                return
            pause = min(pause * 2, LAST_RETRY)

    def _visit(self) -> str:
        """Connect, relay until the connection ends, and return why it did (empty: the person detached)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            rows, cols = self._window.size()
            try:
                sock.connect(self._path)
                sock.setblocking(False)
                wire.send(sock, wire.pack("hello", role="viewer", name=self._name, rows=rows, cols=cols))
                return self._relay(sock)
            except FileNotFoundError:
                return f"no holder runs (there is no {self._path})"
            except wire.WireError as error:
                return f"the holder speaks another version ({error})"
            except OSError as error:
                return f"the holder cannot be reached ({error.strerror or error})"

    def _poll(self) -> select.poll:
        """What is watched with and without a holder: the person, and whether they are still there."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(1, 0)
        if self._window.interactive:
            poll.register(0, select.POLLIN)
        return poll

    def _relay(self, sock: socket.socket) -> str:
        poll = self._poll()
        while not self._keys.detach:
            waits = self._pending or self._resized
            poll.register(sock, select.POLLIN | select.POLLOUT if waits else select.POLLIN)
            if self._window.interactive:
                poll.register(0, select.POLLIN if len(self._pending) < MOST_KEYS else 0)
            for descriptor, events in self._ready(poll, None):
                if descriptor == sock.fileno() and events & ~select.POLLOUT:
                    message = wire.receive(sock)
                    if message is None:
                        return "the holder went away"
                    reason = self._hear(*message[:2])
                    if reason:
                        return reason
            self._pending += self._keys.overdue(time.monotonic())
            self._tell(sock)
        return ""

    def _ready(self, poll: select.poll, timeout: float | None) -> list[tuple[int, int]]:
        """Wait for something, take in what is the person's, and return everything that is ready."""
        held = self._keys.patience(time.monotonic())
        limits = [limit for limit in (timeout, held) if limit is not None]
        ready = poll.poll(min(limits) * 1000 + 1 if limits else None)
        for descriptor, events in ready:
            if descriptor == self._woken:
                os.read(self._woken, 4096)
                self._resized = self._window.interactive
            elif descriptor == 1:
                raise WindowGone
            elif descriptor == 0:
                self._read_keys(events)
        return ready

    def _read_keys(self, events: int) -> None:
        try:
            keys = os.read(0, MOST_KEYS) if events & select.POLLIN else b""
        except OSError as error:
            raise WindowGone from error
        if not keys:
            raise WindowGone
        self._pending += self._keys.feed(keys, time.monotonic()) if self._detachable else keys

    def _wait(self, seconds: float) -> None:
        """Let time pass without a holder: keys have nobody to go to, and Ctrl-C means us."""
        poll, until = self._poll(), time.monotonic() + seconds
        while not self._keys.detach and time.monotonic() < until:
            self._ready(poll, until - time.monotonic())
            self._keys.overdue(time.monotonic())
            if self._detachable and b"\x03" in self._pending:
                self._keys.detach = True
            self._pending = b""

    def _tell(self, sock: socket.socket) -> None:
        """Send a new size and the keys, as far as the holder takes them."""
        try:
            if self._resized:
                rows, cols = self._window.size()
                wire.send(sock, wire.pack("resize", rows=rows, cols=cols))
                self._resized = False
            while self._pending:
                wire.send(sock, wire.pack("data", self._pending[: wire.MAX_BYTES]))
                self._pending = self._pending[wire.MAX_BYTES :]
        except BlockingIOError:
            return

    def _hear(self, head: dict[str, object], data: bytes) -> str:
        """Show one message of the holder; a reason means that it will not serve us."""
        match head["op"]:
            case "welcome" if self._welcomed:
                self._window.say(f"{self._name} was started again")
            case "welcome":
                self._welcomed = self._replaying = True
                self._window.clear(f"{self._name} — Ctrl-\\ twice leaves it" if self._detachable else "")
            case "data" if self._replaying:
                self._replaying = False
                self._window.replay(data)
            case "data":
                self._window.show(data)
            case "exit":
                self._window.say(f"{self._name} ended: {ending(head)} — waiting for the next start")
            case "refused":
                return str(head.get("reason", "the holder refused"))
        return ""


def ending(head: dict[str, object]) -> str:
    """Say how a session ended, from the head of an ``exit`` message."""
    code, number = head.get("code"), head.get("signal")
    if isinstance(code, int):
        return f"exit {code}"
    if isinstance(number, int):
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return "its status is not known"


def attach(path: str, name: str, detachable: bool = True) -> int:
    """Relay between this process's terminal and the session *name* of the holder at *path*; return an exit status.

    Changes how this process takes signals, and is therefore its last act.

    Raises:
        SessionError: there is no such session, or no holder.
    """
    window = Terminal() if os.isatty(0) and os.isatty(1) else Pipe()
    try:
        signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        for number in _ENDING:
            signal.signal(number, _end)
        window.open()
        Relay(path, name, window, detachable).run()
    except _Ended as ended:
        return 128 + int(ended.args[0])
    except WindowGone:
        return 0
    finally:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        window.close()
    return 0


def _end(number: int, _frame: object) -> None:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise _Ended(number)


def main(words: list[str]) -> int:
    """The command ``attach.py SOCKET NAME [--no-detach]``."""
    detachable = "--no-detach" not in words
    named = [word for word in words if word != "--no-detach"]
    if len(named) != 2:
        sys.stderr.write("usage: attach.py SOCKET NAME [--no-detach]\n")
        return 2
    try:
        return attach(named[0], named[1], detachable)
    except SessionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

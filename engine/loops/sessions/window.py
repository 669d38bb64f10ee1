"""A person's side of the relay: this process's terminal, or a pipe, and the keys that come from it.

Standard library only, and little of it: one relay runs for each watched session.
"""

from __future__ import annotations

import os
import re
import termios
from contextlib import suppress

DETACH_WITHIN = 1.0
"""Seconds in which the second Ctrl-\\ must follow the first."""
REPLAYED = 49_152
"""From this length on a ring may begin within an escape, because its start was overwritten."""
LONGEST_LINE = 65_536
"""Bytes of an unfinished line that a pipe holds back."""

_CTRL_BACKSLASH = re.compile(rb"\x1c|\x1b\[92;5(?::1)?u|\x1b\[27;5;92~")
"""Ctrl-\\ as terminals send it: the plain byte, the kitty protocol's, and xterm's with modifyOtherKeys."""
_QUERIES = re.compile(
    rb"\x1b\[[>=?]?[0-9;]*c|\x1b\[\??[0-9;]*n|\x1b\[>[0-9]*q|\x1b\[\?u|\x1b\[\??[0-9;]*\$p|\x1b\[(?:1[134568]|2[01])t"
    rb"|\x1bZ|\x05|\x1b\][0-9;]*;\?(?:\x07|\x1b\\)|\x1bP[$+]q[^\x1b]*\x1b\\"
)
"""What a terminal answers.  Asked again in a replay, the answers would reach the agent as keys that nobody pressed."""
_SANE = (
    b"\x1b[?1049l\x1b[?1000;1002;1003;1004;1006;2004;2026l\x1b[<9u\x1b[>4;0m"
    b"\x1b[?25h\x1b[?7h\x1b[?1l\x1b>\x1b[r\x1b(B\x1b[0m"
)
"""Undoes what full-screen programs switch on: the other screen, mouse, paste and focus reports, keyboards, margins."""
_BELOW = _SANE + b"\x1b[999;1H\r\n"
"""Then goes below everything: leaving the other screen moves the cursor, in xterm even when it was not shown."""


class WindowGone(Exception):
    """The terminal, or the reader of the pipe, is gone: the relay has nobody left to serve."""


class Terminal:
    """This process's terminal: raw from `open` on, and put back as it was by `close`."""

    interactive = True

    def __init__(self) -> None:
        """Note how the terminal is set now."""
        self._before = termios.tcgetattr(0)

    def open(self) -> None:
        """Pass every key on as it is, and every byte of output too."""
        mode = termios.tcgetattr(0)
        mode[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
            | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        mode[1] &= ~termios.OPOST
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSANOW, mode)

    def close(self) -> None:
        """Put the terminal back.  Does not wait for its output: one that Ctrl-S stopped would never drain."""
        with suppress(OSError):
            os.write(1, _BELOW)
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._before)

    def size(self) -> tuple[int, int]:
        """Rows and columns; 24 by 80 where the terminal does not know."""
        try:
            columns, rows = os.get_terminal_size(0)
        except OSError as error:
            raise WindowGone from error
        return rows or 24, columns or 80

    def show(self, data: bytes) -> None:
        """Write output of the session."""
        _write(1, data)

    def replay(self, ring: bytes) -> None:
        """Write the session's last output on an empty screen, without what must not be done twice."""
        if len(ring) >= REPLAYED:
            starts = [at for at in (ring.find(b"\x1b"), ring.find(b"\n")) if at >= 0]
            ring = ring[min(starts, default=0) :]
        _write(1, _QUERIES.sub(b"", ring))

    def clear(self, hint: str) -> None:
        """Make a screen with nothing but *hint* in its last line.  The scrollback stays: it is the person's."""
        _write(1, _SANE + f"\x1b[2J\x1b[999;1H\x1b[2m{hint}\x1b[0m\x1b[H".encode())

    def say(self, text: str) -> None:
        """Show one dim line of our own."""
        _write(1, _BELOW + f"\x1b[2m[loops] {text}\x1b[0m\r\n".encode())


class Pipe:
    """Standard output that is no terminal: plain text in whole lines; our own words go to standard error."""

    interactive = False

    def __init__(self) -> None:
        """Begin with an empty line."""
        self._rest = b""

    def open(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Write the line that was not finished."""
        rest, self._rest = self._rest, b""
        with suppress(WindowGone):
            self._print(rest)

    def size(self) -> tuple[int, int]:
        """Zero by zero: a reader has no size and changes none."""
        return 0, 0

    def show(self, data: bytes) -> None:
        """Write the lines that are complete: half an escape cannot be told from text."""
        lines, newline, rest = (self._rest + data).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, newline, rest = lines + newline + rest, b"\n", b""
        self._rest = rest
        self._print(lines + newline)

    def replay(self, ring: bytes) -> None:
        """Write the session's last output."""
        self.show(ring)

    def clear(self, hint: str) -> None:
        """Nothing: text stays where it is."""

    def say(self, text: str) -> None:
        """Write one line of our own."""
        _write(2, f"[loops] {text}\n".encode())

    def _print(self, data: bytes) -> None:
        from loops.sessions.screen import plain

        _write(1, plain(data).encode())


class Keys:
    """A person's keys on their way, with Ctrl-\\ twice taken out.

    The first Ctrl-\\ is held until it is clear that no second follows.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self.detach = False
        self._held = b""
        self._until = 0.0

    def feed(self, keys: bytes, now: float) -> bytes:
        """Return the keys to pass on; `detach` is set by a second Ctrl-\\ directly after the first."""
        passed = b""
        while keys and not self.detach:
            key = _CTRL_BACKSLASH.match(keys)
            if key is None:
                following = _CTRL_BACKSLASH.search(keys)
                cut = following.start() if following else len(keys)
                passed, keys, self._held = passed + self._held + keys[:cut], keys[cut:], b""
            elif self._held and now < self._until:
                self.detach = True
            else:
                passed, keys = passed + self._held, keys[key.end() :]
                self._held, self._until = key[0], now + DETACH_WITHIN
        return passed

    def overdue(self, now: float) -> bytes:
        """Return a Ctrl-\\ that stayed alone."""
        if not self._held or now < self._until:
            return b""
        held, self._held = self._held, b""
        return held

    def patience(self, now: float) -> float | None:
        """Seconds until `overdue` may have something; None: nothing is held."""
        return max(self._until - now, 0.0) if self._held else None


def _write(descriptor: int, data: bytes) -> None:
    """Write all of *data*.

    Raises:
        WindowGone: nobody is there to read it.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            # Somebody who shares this terminal made it non-blocking (Node programs do).
            _wait_writable(descriptor)
        except OSError as error:
            raise WindowGone from error


def _wait_writable(descriptor: int) -> None:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()

"""The pane: a terminal in raw mode with a transcript above one line of input, or plain lines where it is no terminal.

Nothing blocks: output that the terminal does not take waits, and what is too much of it is left out, with a word.
"""

from __future__ import annotations

import os
import select
import termios
import unicodedata
from collections import deque
from typing import Any

MOST_WAITING = 1 << 18
"""Bytes of output that wait for the terminal."""
READ_BYTES = 1 << 16
PATIENCE = 1.0
"""Seconds that a terminal which takes nothing is waited for at the end."""
_CLEAR_LINE = "\r\x1b[K"
_PASTE_ON, _PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"
PROMPT = "› "


class Terminal:
    """Standard input and output.  ``interactive`` tells whether both are a terminal."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self.interactive = os.isatty(0) and os.isatty(1)
        self.width = 80
        self._saved: list[Any] | None = None
        self._blocking = True
        self._waiting: deque[bytes] = deque()
        self._weight = 0
        self._skipped = False
        self._line = ""
        self._shown = False
        self._gone = False

    def open(self) -> None:
        """Take the terminal: no echo, no line discipline, pastes are marked as such."""
        self._blocking = os.get_blocking(1)
        os.set_blocking(1, False)
        if not self.interactive:
            return
        self._saved = termios.tcgetattr(0)
        raw = termios.tcgetattr(0)
        raw[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        raw[1] |= termios.OPOST | termios.ONLCR
        raw[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSANOW, raw)
        os.set_blocking(0, False)
        self.resized()
        self._put(_PASTE_ON)
        self._draw()

    def close(self) -> None:
        """Give the terminal back."""
        if self.interactive:
            self._erase()
            self._put(_PASTE_OFF)
        try:
            self._drain()
            if self._saved is not None:
                termios.tcsetattr(0, termios.TCSANOW, self._saved)
                os.set_blocking(0, True)
            os.set_blocking(1, self._blocking)
        except (OSError, termios.error):  # the terminal has gone
            self._gone = True

    def _drain(self) -> None:
        """Write what waits, as long as the terminal takes some of it now and then."""
        poll = select.poll()
        poll.register(1, select.POLLOUT)
        while self._waiting and poll.poll(PATIENCE * 1000):
            self.write()

    def resized(self) -> None:
        """Learn the width."""
        try:
            self.width = max(20, os.get_terminal_size(1).columns)
        except OSError:
            self.width = 80
        if self._shown:
            self._erase()
            self._draw()

    def read(self) -> bytes | None:
        """Return what was typed, empty when it was nothing; None when nobody can ever type again."""
        try:
            return os.read(0, READ_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def wants(self) -> int:
        """The `select.poll` events of standard output."""
        return select.POLLOUT if self._waiting and not self._gone else 0

    def show(self, text: str) -> None:
        """Add *text*, which ends with a newline, to the transcript, above the line of input."""
        if self.interactive:
            self._erase()
            self._put(text.encode("utf-8", "replace"))
            self._draw()
        else:
            self._put(text.encode("utf-8", "replace"))

    def edit(self, line: str) -> None:
        """Show *line* as what was typed so far."""
        if line != self._line and self.interactive:
            self._line = line
            self._erase()
            self._draw()

    def write(self) -> None:
        """Give the terminal what it takes."""
        while self._waiting:
            chunk = self._waiting[0]
            try:
                count = os.write(1, chunk)
            except BlockingIOError:
                return
            except OSError:
                self._gone = True
                self._waiting.clear()
                self._weight = 0
                return
            self._weight -= count
            if count < len(chunk):
                self._waiting[0] = chunk[count:]
            else:
                self._waiting.popleft()
        self._skipped = False

    def _put(self, data: bytes) -> None:
        if self._gone:
            return
        if self._weight > MOST_WAITING:
            if self._skipped:
                return
            self._skipped = True
            data = b"\r\n(the terminal is too slow: some of the transcript is left out)\r\n"
        self._waiting.append(data)
        self._weight += len(data)
        self.write()

    def _erase(self) -> None:
        if self._shown:
            self._put(_CLEAR_LINE.encode())
            self._shown = False

    def _draw(self) -> None:
        """Show the prompt and the end of the line, on one row: a longer one would have to be erased row by row."""
        shown = tail(self._line.replace("\n", "⏎").replace("\t", " "), self.width - len(PROMPT) - 1)
        self._put(f"\x1b[36m{PROMPT}\x1b[0m{shown}".encode("utf-8", "replace"))
        self._shown = True


def cells(character: str) -> int:
    """Return how many columns a character takes."""
    if character < "\u0300":
        return 1
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def tail(text: str, columns: int) -> str:
    """Return the end of *text* that fits, with a mark when its beginning is left out."""
    used = 0
    for at in range(len(text) - 1, -1, -1):
        used += cells(text[at])
        if used > columns:
            return "…" + text[at + 2 :]
    return text

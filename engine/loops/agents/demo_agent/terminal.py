"""The scripted agent's face: a prompt with a composer, bracketed paste, a transcript that scrolls."""

from __future__ import annotations

import atexit
import os
import select
import termios
import time
from collections import deque

_PASTE_BEGIN = b"\x1b[200~"
_PASTE_END = b"\x1b[201~"
_PASTE_ON = b"\x1b[?2004h"
_PASTE_OFF = b"\x1b[?2004l"
_CLEAR_LINE = "\r\x1b[2K"
_SHOWN = 60

PROMPT = "\u276f"


class Terminal:
    """Reads messages and shows what happens; on a plain pipe each line is a message and nothing is drawn over."""

    def __init__(self, enter_deaf: float = 0.0, swallow_enters: int = 0) -> None:
        """Take the terminal on standard input, if it is one; the arguments are those of `Script`."""
        self.is_tty = os.isatty(0)
        self.ended = False
        self._enter_deaf = enter_deaf
        self._swallow = swallow_enters
        self._messages: deque[str] = deque()
        self._composer = bytearray()
        self._unread = bytearray()
        self._pasting = False
        self._typed_at = 0.0
        self._status = ""
        self._keys: bytearray | None = None
        if self.is_tty:
            self._go_raw()

    # ---- showing ---------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Add *text* to the transcript."""
        self._write((_CLEAR_LINE if self.is_tty else "") + text + "\n")
        self._draw()

    def status(self, text: str) -> None:
        """Show *text* as the work in progress; empty: show the prompt."""
        self._status = text
        self._draw()

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        while data:
            data = data[os.write(1, data) :]

    # ---- reading ---------------------------------------------------------------------------------------------------

    def message(self) -> str | None:
        """Wait for the next message; None at the end of input."""
        self.status("")
        while not self._messages and not self.ended:
            self._pump(None)
        return self._messages.popleft() if self._messages else None

    def pause(self, seconds: float) -> None:
        """Let time pass as in the midst of work: what is typed meanwhile waits its turn."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.ended:
            self._pump(left)

    def key(self) -> bytes:
        """Wait for keys at a dialog; empty at the end of input."""
        self._keys = bytearray()
        while not self._keys and not self.ended:
            self._pump(None)
        keys, self._keys = bytes(self._keys), None
        return keys

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _go_raw(self) -> None:
        before = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON)
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(0, termios.TCSADRAIN, mode)
        self.raw(_PASTE_ON)
        atexit.register(self._restore, before)

    def _restore(self, before: list[object]) -> None:
        try:
            self.raw(_PASTE_OFF)
            termios.tcsetattr(0, termios.TCSADRAIN, before)  # type: ignore[arg-type]
        except (OSError, termios.error):
            return  # the terminal went first

    def _write(self, text: str) -> None:
        self.raw(text.encode("utf-8", "replace"))

    def _draw(self) -> None:
        if not self.is_tty:
            return
        draft = self._composer.decode("utf-8", "replace").replace("\n", "⏎")[-_SHOWN:]
        work = f"✻ {self._status[:_SHOWN]}… (esc to interrupt) " if self._status else ""
        self._write(f"{_CLEAR_LINE}{work}{PROMPT} {draft}" if draft or not work else _CLEAR_LINE + work)

    def _pump(self, timeout: float | None) -> None:
        readable, _, _ = select.select([0], [], [], timeout)
        if not readable:
            return
        try:
            data = os.read(0, 65536)
        except OSError:  # EIO: the other side of the terminal is gone
            data = b""
        if not data:
            self._end()
        elif self._keys is not None:
            self._keys += data
        elif self.is_tty:
            self._unread += data
            self._feed()
            self._draw()
        else:
            self._unread += data
            *lines, rest = bytes(self._unread).split(b"\n")
            self._unread = bytearray(rest)
            self._messages.extend(line.decode("utf-8", "replace") for line in lines if line.strip())

    def _end(self) -> None:
        self.ended = True
        if not self.is_tty and self._unread.strip():
            self._messages.append(self._unread.decode("utf-8", "replace"))

    def _feed(self) -> None:
        """Take what can be understood from the unread bytes; a sequence cut in two waits for its rest."""
        while self._unread:
            if self._pasting:
                text, mark, rest = bytes(self._unread).partition(_PASTE_END)
                if not mark:
                    return
                self._composer += text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                self._unread, self._pasting, self._typed_at = bytearray(rest), False, time.monotonic()
            elif self._unread[0] == 0x1B:
                if not self._escape():
                    return
            else:
                self._press(self._unread.pop(0))

    def _escape(self) -> bool:
        """Take one escape sequence; False when it is not complete."""
        if self._unread.startswith(_PASTE_BEGIN):
            del self._unread[: len(_PASTE_BEGIN)]
            self._pasting = True
            return True
        if len(self._unread) == 1:
            return False  # a lone Escape, or the first byte of a sequence: the next byte tells
        if self._unread[1:2] != b"[":
            del self._unread[:1]
            return True
        for end in range(2, len(self._unread)):
            if 0x40 <= self._unread[end] <= 0x7E:
                del self._unread[: end + 1]
                return True
        return False

    def _press(self, byte: int) -> None:
        if byte == 0x0D:
            self._enter()
        elif byte in (0x03, 0x15):  # Ctrl-C, Ctrl-U
            self._composer.clear()
        elif byte == 0x04 and not self._composer:  # Ctrl-D
            self._end()
        elif byte in (0x7F, 0x08):
            draft = self._composer.decode("utf-8", "replace")[:-1]
            self._composer = bytearray(draft.encode())
        else:
            self._composer.append(byte)
            self._typed_at = time.monotonic()

    def _enter(self) -> None:
        if self._swallow > 0:
            self._swallow -= 1
        elif time.monotonic() - self._typed_at < self._enter_deaf:
            self._composer += b"\n"
        elif self._composer.strip():
            self._messages.append(self._composer.decode("utf-8", "replace").strip())
            self._composer.clear()

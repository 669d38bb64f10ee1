"""The line that a person, or the engine, types into the pane: keys in, lines and commands out.  Pure.

What a line is agrees with `loops.sessions.keys`: open from its first character until Return, Ctrl-C or Ctrl-U.
"""

from __future__ import annotations

import codecs
from enum import Enum

MOST = 1_000_000
"""Characters of one message; what is typed beyond is dropped."""
_PASTE_BEGINS, _PASTE_ENDS = b"200~", b"201~"
_ESC = 0x1B
_STRINGS = b"]P_^X"


class Key(Enum):
    """What a key asks for, other than text."""

    INTERRUPT = "interrupt"
    END = "end"
    """Ctrl-D on an empty line."""
    REDRAW = "redraw"


class Editor:
    """One line.  Sequences, characters and pastes may be cut anywhere."""

    __slots__ = ("_decoder", "_pasting", "_sequence", "_text")

    def __init__(self) -> None:
        """The line is empty."""
        self._text: list[str] = []
        self._sequence = bytearray()
        """An escape sequence that is not yet whole."""
        self._pasting = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def text(self) -> str:
        """The line as far as it was typed; a paste may have put ``\\n`` into it."""
        return "".join(self._text)

    def feed(self, keys: bytes) -> list[str | Key]:
        """Follow *keys*; return the lines that were submitted and the keys that ask for something, in order."""
        found: list[str | Key] = []
        at = 0
        while at < len(keys):
            if not self._sequence and (end := _plain_until(keys, at)) > at:
                self._type(self._decoder.decode(keys[at:end]))
                at = end
                continue
            key = keys[at]
            at += 1
            if self._sequence:
                self._follow(key, found)
            elif key == _ESC:
                self._sequence.append(key)
            else:
                self._control(key, found)
        return found

    def _type(self, text: str) -> None:
        room = MOST - len(self._text)
        self._text.extend(text[:room] if room < len(text) else text)

    def _control(self, key: int, found: list[str | Key]) -> None:
        if self._pasting:
            if key in b"\r\n":
                self._type("\n")
            elif key == 0x09:
                self._type("\t")
            return
        match key:
            case 0x0D | 0x0A:
                found.append(self._take())
            case 0x7F | 0x08:
                if self._text:
                    self._text.pop()
            case 0x15:
                self._text.clear()
            case 0x17:
                self._erase_word()
            case 0x09:
                self._type(" ")
            case 0x03:
                self._text.clear()
                found.append(Key.INTERRUPT)
            case 0x04 if not self._text:
                found.append(Key.END)
            case 0x0C:
                found.append(Key.REDRAW)

    def _take(self) -> str:
        line = self.text
        self._text.clear()
        return line

    def _erase_word(self) -> None:
        while self._text and self._text[-1].isspace():
            self._text.pop()
        while self._text and not self._text[-1].isspace():
            self._text.pop()

    def _follow(self, key: int, found: list[str | Key]) -> None:
        """Take in one byte of an escape sequence.  Return and Ctrl-C are in none: Escape was a key of its own."""
        sequence = self._sequence
        if key in b"\r\n\x03\x15" and not self._pasting:
            sequence.clear()
            self._control(key, found)
            return
        if key == _ESC and (len(sequence) < 2 or sequence[1] not in _STRINGS):
            sequence[:] = b"\x1b"
            return
        sequence.append(key)
        kind = sequence[1]
        if kind == 0x5B:  # CSI
            if len(sequence) > 2 and 0x40 <= key <= 0x7E:
                self._sequence_ended(bytes(sequence[2:]))
                sequence.clear()
        elif kind == 0x4F:  # SS3: one byte follows
            if len(sequence) > 2:
                sequence.clear()
        elif kind in _STRINGS:  # ends with BEL, or ESC \
            if key == 0x07 or sequence[-2:] == b"\x1b\\":
                sequence.clear()
        else:  # Alt with a key
            sequence.clear()
        if len(sequence) > 4096:
            sequence.clear()

    def _sequence_ended(self, body: bytes) -> None:
        if body == _PASTE_BEGINS:
            self._pasting = True
        elif body == _PASTE_ENDS:
            self._pasting = False


def _plain_until(keys: bytes, start: int) -> int:
    """Return the end of the printable bytes that begin at *start*."""
    for at in range(start, len(keys)):
        key = keys[at]
        if key < 0x20 or key == 0x7F:
            return at
    return len(keys)

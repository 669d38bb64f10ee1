"""Whether a person is in the middle of a line, judged by the keys that pass the holder.

A line is open from its first printable character until Return, Ctrl-C, Ctrl-U, or until all of it was erased.  What a
terminal sends by itself (arrows, mouse and focus reports, answers to queries) opens nothing.  Inside a bracketed paste
a Return is text.  Standard library only, for the holder imports this.
"""

from __future__ import annotations

_GROUND, _ESCAPE, _SEQUENCE, _SINGLE, _STRING = range(5)
_ENDS = frozenset(b"\r\n\x03\x15")
_ERASES = frozenset(b"\x08\x7f")
_ESC, _BEL, _CSI, _SS3 = 0x1B, 0x07, 0x5B, 0x4F
_STRINGS = frozenset(b"]P_^X")
"""What follows ESC at the start of OSC, DCS, APC, PM and SOS: text up to BEL or ESC \\."""


class LineWatch:
    """One session's line, whoever types at it."""

    __slots__ = ("_parameters", "_pasting", "_state", "_typed")

    def __init__(self) -> None:
        """No line is open."""
        self._state = _GROUND
        self._typed = 0
        self._pasting = False
        self._parameters = bytearray()

    @property
    def open(self) -> bool:
        """Whether a line is begun."""
        return self._typed > 0

    def assume_open(self) -> None:
        """A line was open in the watch that this one replaces; how long it was is not known."""
        self._typed = max(self._typed, 1)

    def feed(self, keys: bytes) -> None:
        """Follow *keys*; sequences and characters may be cut anywhere."""
        for key in keys:
            if self._state == _GROUND:
                self._plain(key)
            elif key in _ENDS and not self._pasting:
                # No sequence contains one of these: the Escape key was pressed, and this is a key of its own.
                self._state = _GROUND
                self._plain(key)
            else:
                self._inside(key)

    def _plain(self, key: int) -> None:
        if key == _ESC:
            self._state = _ESCAPE
        elif key in _ENDS:
            self._typed = self._typed + 1 if self._pasting else 0
        elif key in _ERASES:
            self._typed = max(self._typed - 1, 0)
        elif key >= 0x20 and not 0x80 <= key < 0xC0:  # a character's first byte
            self._typed += 1

    def _inside(self, key: int) -> None:
        if self._state == _ESCAPE:
            if key == _CSI:
                self._state = _SEQUENCE
                self._parameters.clear()
            elif key == _SS3:
                self._state = _SINGLE
            elif key in _STRINGS:
                self._state = _STRING
            elif key != _ESC:
                self._state = _GROUND  # Alt with a key, or the end of a string
        elif self._state == _SINGLE:
            self._state = _GROUND
        elif self._state == _STRING:
            if key == _BEL:
                self._state = _GROUND
            elif key == _ESC:
                self._state = _ESCAPE
        elif 0x40 <= key <= 0x7E:
            self._state = _GROUND
            if key == 0x7E and self._parameters == b"200":
                self._pasting = True
            elif key == 0x7E and self._parameters == b"201":
                self._pasting = False
        elif len(self._parameters) < 32:
            self._parameters.append(key)

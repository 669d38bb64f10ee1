"""What a session shows: its rendered screen, and its output as plain text.

Two needs, two prices.  `plain` strips every escape at hundreds of megabytes a second and serves listings and logs.
`render` plays the last output into a terminal emulator (pyte, about 1 MB/s), and is called on demand only.
"""

from __future__ import annotations

import re

from loops.agents.port import Screen
from loops.secrets.redaction import redact

RENDERED_BYTES = 32_768
"""Most output that `render` plays: enough for several full redraws of a 200x50 screen, about 40 ms of work."""

# A control string (OSC, DCS, SOS, PM, APC; 7-bit and 8-bit) ends at ST or BEL.  One that never ends may not swallow the
# rest of a log, so it also ends, unfinished, at the end of its line.
_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
_ESCAPE = r"\x1b[ -/]*[0-~]?"
# Besides the control characters: marks that reorder a line or hide in it ("trojan source"), and line separators.
_HIDDEN = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
_UNSAFE = re.compile(f"[{_HIDDEN}]")
_STRIPPED = re.compile(f"{_STRING}|{_CSI}|{_ESCAPE}|[{_HIDDEN}]")
_LINE_END = re.compile(r"\r+\n?")

_ALTERNATE = re.compile(r"\x1b\[\?(?:1049|1047|47)([hl])")
_MOVEMENT = re.compile(r"\x1b\[([0-9;]*)([@A-HJKLMPXade`fghlrsu])")
_PLAYED = frozenset("\b\n\r\t\x0b\x0c") | {
    "\x1b7",
    "\x1b8",
    "\x1bD",
    "\x1bE",
    "\x1bH",
    "\x1bM",
    "\x1bc",
    "\x1b[?7h",
    "\x1b[?7l",
}


def plain(data: bytes) -> str:
    """Return *data* as text in which nothing can act on a terminal: no escape, no control character but newline.

    Invalid UTF-8 becomes U+FFFD, a tab becomes a blank, and a carriage return ends a line, so that each state of a
    progress bar is a line of its own.
    """
    text = data.decode("utf-8", "replace")
    if "\r" in text:
        text = _LINE_END.sub("\n", text.replace("\r\n", "\n"))
    if "\t" in text:
        text = text.replace("\t", " ")
    if _UNSAFE.search(text) is None:
        return text
    return _STRIPPED.sub("", text)


def tail_lines(text: str, count: int) -> list[str]:
    """Return the last *count* lines of *text* that are not blank at its end, without trailing blanks."""
    lines = [line.rstrip() for line in text.rstrip().split("\n")[-count:]] if count > 0 else []
    return lines if lines != [""] else []


def render(ring: bytes, rows: int, cols: int) -> Screen:
    """Play the end of *ring* into an emulated terminal of *rows* by *cols* and return what it shows, without keys."""
    import pyte

    main, other = pyte.Screen(cols, rows), pyte.Screen(cols, rows)
    shown = main
    text = safe_start(ring, RENDERED_BYTES).decode("utf-8", "replace")
    for position, piece in enumerate(_ALTERNATE.split(text)):
        if position % 2 == 0:
            pyte.Stream(shown).feed(_STRIPPED.sub(_playable, piece))
        elif piece == "h":
            shown = other
            shown.reset()
        else:
            shown = main
    lines = [redact(line.rstrip()) for line in shown.display]
    while lines and not lines[-1]:
        lines.pop()
    return Screen(tuple(lines))


def safe_start(data: bytes, limit: int) -> bytes:
    """Return at most the last *limit* bytes of *data*, never beginning within half an escape."""
    if len(data) <= limit:
        return data
    cut = data[-limit:]
    starts = [at for at in (cut.find(b"\x1b"), cut.find(b"\n")) if at >= 0]
    return cut[min(starts) :] if starts else cut


def _playable(match: re.Match[str]) -> str:
    """Keep of an escape what moves or erases, in a form that pyte takes.

    pyte 0.8 knows no control strings of the DCS kind, prints the rest of private sequences such as ``CSI < u``, and
    raises TypeError for one parameter too many.  Colours do not matter here, and are most of the bytes.
    """
    token = match[0]
    if token in _PLAYED:
        return token
    movement = _MOVEMENT.fullmatch(token)
    if movement is None:
        return ""
    numbers, final = movement.groups()
    if final in "su":
        return "\x1b7" if final == "s" else "\x1b8"
    kept = ";".join(numbers.split(";")[: 2 if final in "Hfr" else 1])
    return f"\x1b[{kept}{final}"

"""Markdown read line by line: what a reader sees as the author's own words, and what is only quoted.

All parsers of the protocol stand on this one.  `Line.text` holds nothing that sits in a code fence, an indented block,
a block quote, a code span or an HTML comment, nor what is struck out, so that *a mention is never a marker*: a rule
that looks at ``text`` cannot take ``no standing `## VETO` `` for a veto.  ``source`` keeps the line as written.

The block rules are CommonMark's as far as they decide what is quoted.  Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class LineKind(Enum):
    """What one line is.  CODE and QUOTE have no visible text."""

    HEADING = "heading"
    ITEM = "item"
    TEXT = "text"
    TABLE = "table"
    CODE = "code"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank."""

    number: int
    """Counted from 1."""
    kind: LineKind
    text: str
    """The visible words: no markup, no quoted matter.  Empty for CODE and QUOTE."""
    source: str
    level: int = 0
    """Of a heading, 1 to 6."""
    ticked: bool | None = None
    """Of a list item with a box; None: there is none."""
    continues: bool = False
    """Goes on with the paragraph or list item of the line before."""


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A fence or comment without an end: all below it is hidden, so nothing there may be believed or overlooked."""

    number: int
    source: str


@dataclass(frozen=True, slots=True)
class Document:
    """The lines of one text, in order."""

    lines: tuple[Line, ...]
    unclosed: tuple[Unclosed, ...] = ()

    def body(self, index: int) -> tuple[Line, ...]:
        """The lines below heading *index* up to the next one not deeper; below a plain line, up to any heading."""
        level = self.lines[index].level
        end = index + 1
        while end < len(self.lines):
            line = self.lines[end]
            if line.kind is LineKind.HEADING and (not level or line.level <= level):
                break
            end += 1
        return self.lines[index + 1 : end]


_ITEM = re.compile(r"([-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_BOX = re.compile(r"\[([ xX])\](?=\s|$)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_SPAN = re.compile(r"\\.|`+|<!--", re.DOTALL)
_STRUCK = re.compile(r"~~[^~]*~~")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_+|_+(?![0-9A-Za-z])")
_RAW_BLOCKS = (("<!--", "-->"), ("<pre", "</pre>"), ("<script", "</script>"), ("<style", "</style>"))


def rows(text: str) -> list[str]:
    """The lines of *text* as `Line.number` counts them; only line feeds and carriage returns end one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def scan(text: str) -> Document:
    """Read *text* into lines; never raises."""
    return _Scanner(text).run()


def without_code(text: str) -> str:
    """*text* without its code spans and comments; line breaks stay, so that lines can be told apart afterwards."""
    if "`" not in text and "<!--" not in text:
        return text
    tokens = list(_SPAN.finditer(text))
    # The next run of the same length closes a span: looked up from the right once, else this would be quadratic.
    closing: dict[int, int] = {}
    nearest: dict[int, int] = {}
    for index in range(len(tokens) - 1, -1, -1):
        run = tokens[index].group()
        if run[-1] == "`":
            length = len(run) if run[0] == "`" else 1
            closing[index] = nearest.get(length, -1)
            if run[0] == "`":
                nearest[length] = index
    kept: list[str] = []
    position, index, no_comment_after = 0, 0, len(text) + 1
    while index < len(tokens):
        token = tokens[index]
        if token.start() < position or token.group()[0] == "\\":
            index += 1
            continue
        end = -1
        if token.group()[0] == "`":
            close = closing.get(index, -1)
            end = tokens[close].end() if close >= 0 else -1
        elif token.start() < no_comment_after:
            found = text.find("-->", token.end())
            end = found + 3 if found >= 0 else -1
            if found < 0:
                no_comment_after = token.start()
        if end >= 0:
            kept.append(text[position : token.start()])
            hidden = text[token.start() : end]
            kept.append(" " + "\n" * hidden.count("\n"))
            position = end
        index += 1
    kept.append(text[position:])
    return "".join(kept)


def plain(text: str) -> str:
    """*text* (code already taken out) without emphasis, links and what is struck out; spaces are joined."""
    if "~~" in text:
        text = _STRUCK.sub(" ", text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text:
        text = text.replace("*", "")
    if "_" in text:
        text = _UNDERSCORE.sub("", text)
    return " ".join(text.split())


def cells(line: Line) -> tuple[str, ...]:
    """The visible cells of a TABLE line; empty for the ruler below a header."""
    row = line.text.strip()
    parts = [part.strip() for part in row.strip("|").split("|")]
    if all(part and not part.strip(":-") for part in parts):
        return ()
    return tuple(parts)


@dataclass(slots=True)
class _Fence:
    mark: str
    base: int
    opened: Unclosed


@dataclass(slots=True)
class _Block:
    """Lines of one paragraph or list item whose inline markup is resolved together: a code span may cross lines."""

    lines: list[tuple[int, LineKind, str, str, bool | None]]


class _Scanner:
    def __init__(self, text: str) -> None:
        self.rows = rows(text)
        self.out: list[Line] = []
        self.unclosed: list[Unclosed] = []
        self.block: _Block | None = None
        self.fence: _Fence | None = None
        self.raw_end = ""
        self.raw_opened: Unclosed | None = None
        self.list_indent = 0
        self.after_blank = True
        self.in_quote = False

    def run(self) -> Document:
        for number, row in enumerate(self.rows, 1):
            if row and not row.isspace():
                self._row(number, row)
            else:
                self._flush()
                self.after_blank = True
                self.in_quote = False
        self._flush()
        if self.fence:
            self.unclosed.append(self.fence.opened)
        if self.raw_opened:
            self.unclosed.append(self.raw_opened)
        return Document(tuple(self.out), tuple(self.unclosed))

    def _row(self, number: int, row: str) -> None:
        stripped = row.lstrip(" \t")
        indent = len(row) - len(stripped)
        if indent and "\t" in row[:indent]:
            indent = len(row[:indent].expandtabs(4))
        if self.fence and self._inside_fence(number, row, stripped, indent):
            return
        if self.raw_end:
            stripped = self._after_raw(stripped)
            if not stripped:
                return
        self._visible(number, row, stripped, indent)
        self.after_blank = False

    def _visible(self, number: int, row: str, stripped: str, indent: int) -> None:
        if indent < self.list_indent and self.after_blank:
            self.list_indent = 0
        inner = indent - self.list_indent if indent >= self.list_indent else indent
        first = stripped[0]
        if inner >= 4 and self.block is None and not (self.list_indent and _ITEM.match(stripped)):
            self.out.append(Line(number, LineKind.CODE, "", row))
            return
        if first == ">":
            self._flush()
            self.out.append(Line(number, LineKind.QUOTE, "", row))
            self.in_quote = True
            return
        if first == "<" and self._opens_raw(number, row, stripped):
            return
        if first in "`~" and self._opens_fence(number, row, stripped, indent):
            return
        if first == "#" and self._heading(number, row, stripped):
            return
        if first in "-=*_" and self._ruler(stripped):
            return
        if first == "|" and stripped.count("|") > 1:
            self._flush()
            self.out.append(Line(number, LineKind.TABLE, plain(without_code(stripped)), row))
            return
        self._paragraph(number, row, stripped, indent)

    def _inside_fence(self, number: int, row: str, stripped: str, indent: int) -> bool:
        assert self.fence
        if indent < self.fence.base:
            # The list item that holds the fence has ended, and the fence with it (CommonMark 5.2).
            self.fence = None
            return False
        self.out.append(Line(number, LineKind.CODE, "", row))
        tail = stripped.rstrip()
        if len(tail) >= len(self.fence.mark) and not tail.strip(self.fence.mark[0]) and indent - self.fence.base < 4:
            self.fence = None
        return True

    def _opens_fence(self, number: int, row: str, stripped: str, indent: int) -> bool:
        found = _FENCE.match(stripped)
        if not found or (stripped[0] == "`" and "`" in stripped[found.end() :]):
            return False
        self._flush()
        base = self.list_indent if indent >= self.list_indent else 0
        self.fence = _Fence(found.group(), base, Unclosed(number, row.strip()[:200]))
        self.out.append(Line(number, LineKind.CODE, "", row))
        self.after_blank = False
        self.in_quote = False
        return True

    def _opens_raw(self, number: int, row: str, stripped: str) -> bool:
        lowered = stripped[:10].lower()
        for start, end in _RAW_BLOCKS:
            if not lowered.startswith(start):
                continue
            if end in stripped.lower():
                return start != "<!--"
            self._flush()
            self.raw_end, self.raw_opened = end, Unclosed(number, row.strip()[:200])
            return True
        return False

    def _after_raw(self, stripped: str) -> str:
        at = stripped.lower().find(self.raw_end)
        if at < 0:
            return ""
        rest = stripped[at + len(self.raw_end) :].strip()
        self.raw_end, self.raw_opened = "", None
        return rest

    def _heading(self, number: int, row: str, stripped: str) -> bool:
        title = stripped.lstrip("#")
        level = len(stripped) - len(title)
        if level > 6 or (title and title[0] not in " \t"):
            return False
        self._flush()
        title = title.strip()
        bare = title.rstrip("#")
        if not bare or bare[-1] in " \t":
            title = bare
        self.out.append(Line(number, LineKind.HEADING, plain(without_code(title)), row, level))
        self.list_indent = 0
        self.in_quote = False
        return True

    def _ruler(self, stripped: str) -> bool:
        """A rule across the page, or the line below a setext heading."""
        tail = stripped.rstrip()
        if tail.strip("=") == "" or tail.strip("-") == "":
            block = self.block
            if block and len(block.lines) == 1 and block.lines[0][1] is LineKind.TEXT and not self.in_quote:
                number, _, visible, source, _ = block.lines[0]
                self.block = None
                level = 1 if tail[0] == "=" else 2
                self.out.append(Line(number, LineKind.HEADING, plain(without_code(visible)), source, level))
                return True
        marks = "".join(tail.split())
        if len(marks) >= 3 and marks[0] in "-*_" and not marks.strip(marks[0]):
            self._flush()
            return True
        return False

    def _paragraph(self, number: int, row: str, stripped: str, indent: int) -> None:
        item = _ITEM.match(stripped)
        if item:
            self._flush()
            self.in_quote = False
            visible = stripped[item.end() :]
            self.list_indent = indent + min(item.end(), len(item.group(1)) + 4)
            ticked = None
            box = _BOX.match(visible)
            if box:
                ticked = box.group(1) != " "
                visible = visible[box.end() :]
            self.block = _Block([(number, LineKind.ITEM, visible, row, ticked)])
        elif self.in_quote:
            # A lazy line: CommonMark counts it to the quote above.
            self.out.append(Line(number, LineKind.QUOTE, "", row))
        elif self.block is not None:
            self.block.lines.append((number, LineKind.TEXT, stripped, row, None))
        else:
            self.block = _Block([(number, LineKind.TEXT, stripped, row, None)])

    def _flush(self) -> None:
        if self.block is None:
            return
        rows, self.block = self.block.lines, None
        visible = without_code("\n".join(row[2] for row in rows)).split("\n") if len(rows) > 1 else None
        for index, (number, kind, text, source, ticked) in enumerate(rows):
            shown = plain(visible[index] if visible else without_code(text))
            self.out.append(Line(number, kind, shown, source, 0, ticked, index > 0))

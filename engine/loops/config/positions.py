"""On which line a key of a TOML document stands.

The library that reads TOML keeps no positions, so this walks the tokens once more.  It judges nothing: it is given only
text that `tomli` has accepted, and must know just enough to tell strings, brackets and keys apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from loops.config.problems import DocPath

_TOKEN = re.compile(
    r'''
    (?P<string> """(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?\'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )
  | (?P<newline> \n )
  | (?P<blank> [ \t\r]+ | \#[^\n]* )
  | (?P<mark> [\[\]{},=.] )
  | (?P<bare> [^\s\[\]{},=."'\#]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)


class Positions:
    """The lines (from 1) of all tables, keys and list elements of one document."""

    def __init__(self, lines: Mapping[DocPath, int], ends: Mapping[DocPath, int]) -> None:
        """Take the line of each path that the document writes down, and the last line of each table and pair."""
        self._lines, self._ends = lines, ends

    def line(self, path: DocPath) -> int:
        """Return the line of *path*, or of the nearest thing around it; 1 when nothing around it is written down."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def end(self, path: DocPath) -> int:
        """Return the last line of the table or pair *path*, which must be written down, with all tables in it."""
        return self._ends[path]

    def paths(self) -> frozenset[DocPath]:
        """Return every path that the document writes down."""
        return frozenset(self._lines)


def locate(text: str) -> Positions:
    """Find the lines of everything in *text*, which `tomli.loads` must have accepted."""
    walk = _Walk(text)
    return Positions(walk.document(), walk.ends)


class _Walk:
    """One pass over the tokens, looking one ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = self._scan(text)
        self._lines: dict[DocPath, int] = {}
        self._elements: dict[DocPath, int] = {}
        """How many [[tables]] stand under a path so far."""
        self.ends: dict[DocPath, int] = {}
        self._last = 1
        """On which line the token ended that was left behind last."""
        self._kind, self._text, self._line = "", "", 1
        self._step()

    @staticmethod
    def _scan(text: str) -> Iterator[tuple[str, str, int]]:
        line = 1
        for match in _TOKEN.finditer(text):
            kind, token = match.lastgroup or "", match.group()
            if kind != "blank":
                yield kind, token, line
            line += token.count("\n")

    def _step(self) -> str:
        """Go one token on; return the text of the one left behind."""
        left = self._text
        self._last = self._line + (left.count("\n") if self._kind == "string" else 0)
        self._kind, self._text, self._line = next(self._tokens, ("end", "", self._line))
        return left

    def _is(self, mark: str) -> bool:
        return self._kind == "mark" and self._text == mark

    def _skip_newlines(self) -> None:
        while self._kind == "newline":
            self._step()

    def _note(self, path: DocPath, line: int) -> None:
        self._lines.setdefault(path, line)

    def _note_end(self, path: DocPath) -> None:
        for length in range(1, len(path) + 1):
            self.ends[path[:length]] = self._last

    def document(self) -> dict[DocPath, int]:
        here: DocPath = ()
        self._skip_newlines()
        while self._kind != "end":
            if self._is("["):
                here = self._header()
            else:
                self._pair(here)
            self._note_end(here)
            self._skip_newlines()
        return self._lines

    def _header(self) -> DocPath:
        """[table] or [[table]]; return the path that the pairs below it start with."""
        line = self._line
        self._step()
        many = self._is("[")
        if many:
            self._step()
        *outer, last = self._key()
        path: DocPath = ()
        for part in outer:
            path = self._within((*path, part))
            self._note(path, line)
        path = (*path, last)
        self._note(path, line)
        if many:
            self._elements[path] = self._elements.get(path, 0) + 1
        # A [table.of] an array of tables speaks of its last element.
        path = self._within(path)
        self._note(path, line)
        while self._is("]"):
            self._step()
        return path

    def _within(self, path: DocPath) -> DocPath:
        count = self._elements.get(path)
        return (*path, count - 1) if count else path

    def _key(self) -> list[str]:
        parts = [_unquote(self._step())]
        while self._is("."):
            self._step()
            parts.append(_unquote(self._step()))
        return parts

    def _pair(self, here: DocPath) -> None:
        line = self._line
        for part in self._key():
            here = (*here, part)
            self._note(here, line)
        self._step()  # =
        self._value(here)
        self._note_end(here)

    def _value(self, here: DocPath) -> None:
        if self._is("["):
            self._list(here)
        elif self._is("{"):
            self._inline_table(here)
        else:
            self._step()
            while self._kind in ("string", "bare") or self._is("."):  # 1.5, say, is three tokens
                self._step()

    def _list(self, here: DocPath) -> None:
        self._step()
        index = 0
        self._skip_newlines()
        while not self._is("]") and self._kind != "end":
            self._note((*here, index), self._line)
            self._value((*here, index))
            index += 1
            self._between()
        self._step()

    def _inline_table(self, here: DocPath) -> None:
        self._step()
        self._skip_newlines()
        while not self._is("}") and self._kind != "end":
            self._pair(here)
            self._between()
        self._step()

    def _between(self) -> None:
        self._skip_newlines()
        if self._is(","):
            self._step()
        self._skip_newlines()


def _unquote(token: str) -> str:
    if token[0] == "'":
        return token[1:-1]
    if token[0] == '"':
        import tomli

        word: str = tomli.loads(f"k={token}")["k"]
        return word
    return token

"""A TOML file: bytes, text, document, and on which line each part of it stands."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import Any

from loops.config.positions import Positions, locate
from loops.config.problems import ConfigProblems, DocPath, Problem, quoted

_LARGEST = 8 * 1024 * 1024
"""Bytes; a real file has a hundredth of it, so that a larger one is something else."""


@dataclass(frozen=True, slots=True)
class TomlFile:
    """What one reading of a file gave."""

    path: str
    """Absolute."""
    raw: bytes
    document: dict[str, Any]
    positions: Positions

    def problem(self, place: DocPath, message: str) -> Problem:
        """Return *message* about what stands at *place*."""
        return Problem(self.path, self.positions.line(place), spoken(place, self.document), message)


def read_bytes(path: str, *, name: str, absent: str) -> tuple[bytes, os.stat_result]:
    """Return the bytes of the file at *path*, and what the system says of the very file that they are from.

    Args:
        path: of the file, absolute.
        name: what such files are called, for messages.
        absent: what helps when there is none.

    Raises:
        ConfigProblems: it cannot be read.
    """
    remedies = {
        errno.ENOENT: f"there is no such file: {absent}",
        errno.EISDIR: f"is a directory: name the {name} in it",
        errno.EACCES: "may not be read by this user: change its owner or mode",
        errno.ENOTDIR: "there is no such file: a part of its path is not a directory",
    }
    try:
        # Without O_NONBLOCK the open of a FIFO would wait for a writer for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            about = os.fstat(file.fileno())
            if stat.S_ISDIR(about.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(about.st_mode):
                raise ConfigProblems([Problem(path, 0, "", "is not a regular file")])
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        message = remedies.get(error.errno or 0, f"cannot be read: {error.strerror}")
        raise ConfigProblems([Problem(path, 0, "", message)]) from None
    if len(raw) > _LARGEST:
        raise ConfigProblems([Problem(path, 0, "", f"is larger than {_LARGEST} bytes: this is no {name}")])
    return raw, about


def parse_toml(path: str, raw: bytes) -> TomlFile:
    """Return what *raw*, the bytes of the file at *path*, says.  Raises ConfigProblems: it is not TOML."""
    text = _text(path, raw)
    try:
        return TomlFile(path, raw, _document(path, text), locate(text))
    except RecursionError:
        raise too_deep(path) from None


def read_toml(path: str, *, name: str, absent: str) -> TomlFile:
    """Return what the file at *path* says: `read_bytes`, then `parse_toml`.  Raises ConfigProblems."""
    path = os.path.abspath(path)
    return parse_toml(path, read_bytes(path, name=name, absent=absent)[0])


def too_deep(path: str) -> ConfigProblems:
    """Return the error for a document that Python's stack cannot hold."""
    return ConfigProblems([Problem(path, 0, "", "its lists or tables are nested too deeply")])


def _text(path: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"byte {raw[error.start]:#04x} at column {column} is not UTF-8: save the file as UTF-8"
        raise ConfigProblems([Problem(path, line, "", message)]) from None


def _document(path: str, text: str) -> dict[str, Any]:
    import tomli

    try:
        return tomli.loads(text)
    except ValueError as error:  # TOMLDecodeError, and that of int() for a number of thousands of digits
        said = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        if place:
            line, what = int(place[1]), f"{said[: place.start()]} (column {place[2]})"
        else:
            line, what = text.count("\n") + (not text.endswith("\n")), said.removesuffix(" (at end of document)")
        raise ConfigProblems([Problem(path, line, "", f"this is not TOML: {what}")]) from None


def spoken(place: DocPath, document: object) -> str:
    """Return *place* as people write it: ``agent.builder.kind``, or ``agent[0].kind`` while that agent has no name."""
    words: list[str] = []
    here: Any = document
    for part in place:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(part, str):
            words.append(_word(part))
            continue
        name = (here.get("name") or here.get("id")) if isinstance(here, dict) else None
        if isinstance(name, str):
            words.append(_word(name))
        else:
            words[-1] += f"[{part}]"
    return ".".join(words)


def _word(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)

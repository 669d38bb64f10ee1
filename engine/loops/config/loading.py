"""Reading agents.toml: bytes, text, document, facts.  All mistakes of the file are raised together."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loops.config.build import Built, build
from loops.config.model import Config
from loops.config.positions import Positions, locate
from loops.config.problems import ConfigProblems, DocPath, Problem, quoted

_LARGEST = 8 * 1024 * 1024
"""Bytes; a real file has a hundredth of it, so that a larger one is something else."""

_REMEDIES = {
    errno.ENOENT: "there is no such file: write one with `loops init`, or name another with --config",
    errno.EISDIR: "is a directory: name the agents.toml in it",
    errno.EACCES: "may not be read by this user: change its owner or mode",
    errno.ENOTDIR: "there is no such file: a part of its path is not a directory",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A good file: its facts, where each stands, and the identity of the bytes that were read."""

    built: Built
    positions: Positions
    about: os.stat_result

    def line(self, row: str) -> int:
        """Return the line of the value with the row key *row*; 0 when the file does not give it."""
        place = self.built.sources.get(row)
        return self.positions.line(place) if place else 0


def load(path: str, *, env: Mapping[str, str] | None = None) -> Config:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it.

    *env* is looked through for one-shot overrides that name nothing in this project: they become notes.
    """
    config = read(path).built.config
    if not env:
        return config
    from dataclasses import replace

    from loops.config.precedence import Overrides

    return replace(config, notes=config.notes + Overrides.from_env(env, config).notes)


def read(path: str) -> Loaded:
    """Read and check the file at *path*.  Raises ConfigProblems, with every mistake in it."""
    import hashlib

    path = os.path.abspath(path)
    raw, about = _bytes(path)
    text = _text(path, raw)
    try:
        document = _document(path, text)
        positions = locate(text)
        _check(path, document, positions)
    except RecursionError:
        raise ConfigProblems([Problem(path, 0, "", "its lists or tables are nested too deeply")]) from None
    return Loaded(build(document, path, hashlib.sha256(raw).hexdigest()), positions, about)


def _bytes(path: str) -> tuple[bytes, os.stat_result]:
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
        message = _REMEDIES.get(error.errno or 0, f"cannot be read: {error.strerror}")
        raise ConfigProblems([Problem(path, 0, "", message)]) from None
    if len(raw) > _LARGEST:
        raise ConfigProblems([Problem(path, 0, "", f"is larger than {_LARGEST} bytes: this is no agents.toml")])
    return raw, about


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


def _check(path: str, document: Mapping[str, Any], positions: Positions) -> None:
    from loops.config import contract, rules

    misread = contract.breaches(document)
    places = {place for place, _ in misread}
    broken = [*misread, *rules.breaches(rules.without(document, places), places)]
    if broken:
        raise ConfigProblems(
            Problem(path, positions.line(place), spoken(place, document), message)
            for place, message in dict.fromkeys(broken)
        )


def spoken(place: DocPath, document: Mapping[str, Any]) -> str:
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

"""A baseline as a file: JSON that tells its own digest, so that a torn or changed one is refused."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from loops.errors import LoopsError
from loops.projects.untouched.model import VERSION, Baseline

FORMAT = "loops-untouched"
_AGAIN = "take another with `loops untouched baseline`"


def write(look: Baseline, path: str) -> None:
    """Write a new file, for its owner alone, whole or not at all.  LoopsError: it is there already, or cannot be made."""
    directory, name = os.path.split(os.path.abspath(path))
    text = dumps(look)
    draft = ""
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{name}.", dir=directory)  # mode 0600
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # a rename would replace what somebody has written meanwhile
    except FileExistsError:
        raise LoopsError(f"{path}: is there already, and a baseline is never replaced: name another file") from None
    except OSError as error:
        raise LoopsError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if draft:
            with suppress(OSError):
                os.unlink(draft)


def read(path: str) -> Baseline:
    """Read what `write` wrote.  LoopsError: it is no baseline, or not a whole one."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise LoopsError(f"{path}: cannot be read: {said}") from error
    try:
        return loads(text)
    except LoopsError as error:
        raise LoopsError(f"{path}: {error}") from None


def dumps(look: Baseline) -> str:
    """The whole text, with its digest."""
    body = _canonical(plain(look))
    front = json.dumps({"format": FORMAT, "version": VERSION, "sha256": sha256(body.encode()).hexdigest()})
    return f'{front[:-1]}, "baseline": {body}}}\n'


def loads(text: str) -> Baseline:
    """Undo `dumps`.  LoopsError says what is wrong."""
    try:
        document = json.loads(text)
    except ValueError:
        raise LoopsError(f"is torn, or no baseline: it is not JSON; {_AGAIN}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LoopsError("is no baseline: `loops untouched baseline` writes them")
    if document.get("version") != VERSION:
        raise LoopsError(
            f"is of version {document.get('version')}, and this engine reads {VERSION}: check it with the engine that took it"
        )
    body = document.get("baseline")
    if sha256(_canonical(body).encode()).hexdigest() != document.get("sha256"):
        raise LoopsError(f"was changed after it was taken: its digest is another one; {_AGAIN}")
    try:
        look: Baseline = _reader(Baseline)(body)
    except (TypeError, KeyError, ValueError) as error:
        raise LoopsError(f"is no baseline that this engine has written: {error}; {_AGAIN}") from None
    return look


def _canonical(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), sort_keys=True)


def plain(value: Any) -> Any:
    """A fact in JSON's terms; what is as the class has it by default is left out."""
    if is_dataclass(value):
        found = {}
        for name, default in _defaults(value.__class__):
            each = getattr(value, name)
            if each is not default and each != default:
                found[name] = each if type(each) in (str, int) else plain(each)
        return found
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((each.name, each.default) for each in fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a value of *kind* is read.  TypeError, KeyError or ValueError: it is none."""
    if get_origin(kind) is tuple:
        inner = _reader(get_args(kind)[0])
        return lambda value: tuple([inner(each) for each in _checked(value, list)])
    if get_origin(kind) is UnionType:
        given = _reader(next(each for each in get_args(kind) if each is not NoneType))
        return lambda value: None if value is None else given(value)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
        return lambda value: kind(**{name: readers[name](each) for name, each in _items(value)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = {member.value: member for member in kind}
        return lambda value: members[value]
    if kind is float:
        return lambda value: float(_checked(value, (int, float)))
    return lambda value: _checked(value, kind)


def _items(value: Any) -> Any:
    mapping: Mapping[str, Any] = _checked(value, dict)
    return mapping.items()


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {getattr(kind, '__name__', 'number')}")
    return value

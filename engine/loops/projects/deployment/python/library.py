"""The few functions and methods that a script may call while it is read: pure ones, and looks at files."""

from __future__ import annotations

import inspect
import os
import posixpath
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from loops.projects.deployment.python.world import LONGEST, World

_TEXT_METHODS = frozenset(
    {
        *("strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "partition", "rpartition", "upper", "lower"),
        *("title", "capitalize", "startswith", "endswith", "removeprefix", "removesuffix", "find", "index", "count"),
        *("isdigit", "isdecimal", "isalnum", "isalpha", "isspace", "isupper", "islower", "casefold", "swapcase"),
    }
)
_PATH_FACTS = frozenset({"parent", "name", "stem", "suffix", "parts", "parents"})
_PATH_METHODS = frozenset({"joinpath", "with_name", "with_suffix", "as_posix", "is_absolute", "relative_to"})
_LIST_METHODS = frozenset({"append", "extend", "index", "count", "copy", "insert"})
_DICT_METHODS = frozenset({"get", "keys", "values", "items", "copy"})
BUILTINS: Mapping[str, Callable[..., Any]] = {
    **{each.__name__: each for each in (str, int, float, bool, len, list, tuple, dict, set, min, max, sum, any, all)},
    **{each.__name__: each for each in (enumerate, zip, sorted, reversed, abs, repr)},
}
_WIDTH = re.compile(r"\d{4,}")


class Refused(Exception):
    """It is none of the few."""


class Environ:
    """``os.environ`` of the script."""


class Stream:
    """A file that is open for reading."""

    def __init__(self, text: str) -> None:
        self.text = text


class Library:
    """A module of Python's own, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name


LIBRARIES = ("os", "os.path", "pathlib", "textwrap", "inspect")
"""Those of which something may be called."""


def attribute(value: object, name: str) -> object:
    """Return an attribute that is no call.  Raises Refused."""
    if isinstance(value, Library):
        full = f"{value.name}.{name}"
        if full == "os.environ":
            return Environ()
        if full in LIBRARIES:
            return Library(full)
        if full in ("os.sep", "os.linesep", "os.path.sep"):
            return "\n" if full == "os.linesep" else "/"
        return Library(full)
    if isinstance(value, PurePosixPath) and name in _PATH_FACTS:
        found: object = getattr(value, name)
        return found
    raise Refused(f"the attribute {name}")


def call(world: World, function: object, args: list[Any], named: dict[str, Any]) -> object:
    """Call a function of a library or a type.  Raises Refused; and what Python would, such as ValueError."""
    if isinstance(function, Library):
        return _of_library(world, function.name, args, named)
    if callable(function) and function in BUILTINS.values():
        if function in (list, tuple, set, sorted) and args and isinstance(args[0], range):
            raise Refused("a range")
        result = function(*args, **named)
        return list(result) if function in (enumerate, zip, reversed) else result
    raise Refused("this call")


def _of_library(world: World, name: str, args: list[Any], named: dict[str, Any]) -> object:
    if name in ("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"):
        return PurePosixPath(*args)
    if name in ("textwrap.dedent", "inspect.cleandoc"):
        return (textwrap.dedent if name == "textwrap.dedent" else inspect.cleandoc)(_text(args[0]))
    if name == "textwrap.indent":
        return textwrap.indent(_text(args[0]), _text(args[1]))
    if name in ("os.path.expanduser", "pathlib.Path.home"):
        return _home(world, args)
    if name.startswith("os.path."):
        return _of_paths(world, name.removeprefix("os.path."), [os.fspath(each) for each in args])
    if name in ("os.fspath", "os.getcwd"):
        return os.fspath(args[0]) if args else world.files.root
    if name == "open":
        if str((args[1:] or [named.get("mode", "r")])[0]) not in ("r", "rt"):
            raise Refused("opening a file otherwise than for reading")
        return Stream(world.read(os.fspath(args[0])))
    raise Refused(f"{name}()")


def _of_paths(world: World, name: str, paths: list[str]) -> object:
    if name in ("join", "dirname", "basename", "normpath", "splitext", "isabs", "split"):
        return getattr(posixpath, name)(*paths)
    if name in ("abspath", "realpath"):
        return world.files.place(paths[0])
    if name in ("exists", "isfile", "isdir"):
        return world.there(paths[0], name)
    raise Refused(f"os.path.{name}()")


def _home(world: World, args: list[Any]) -> object:
    home = world.environment.get("HOME", "")
    if not args:
        if not home:
            raise Refused("the home directory, for the environment gives no HOME")
        return PurePosixPath(home)
    path = os.fspath(args[0])
    if path.startswith("~"):
        if not home or not (path == "~" or path.startswith("~/")):
            raise Refused("a home directory, for the environment gives no HOME")
        return home + path[1:]
    return path


def method(world: World, value: object, name: str, args: list[Any], named: dict[str, Any]) -> object:
    """Call a method of a value.  Raises Refused; and what Python would."""
    if isinstance(value, str):
        return _of_text(value, name, args, named)
    if isinstance(value, PurePosixPath):
        return _of_path(world, value, name, args)
    if isinstance(value, list) and name in _LIST_METHODS and len(value) < LONGEST:
        return getattr(value, name)(*args)
    if isinstance(value, tuple) and name in ("index", "count"):
        return getattr(value, name)(*args)
    if isinstance(value, dict) and name in _DICT_METHODS:
        found = getattr(value, name)(*args)
        return found if name in ("get", "copy") else list(found)
    if isinstance(value, Stream) and name in ("read", "readlines"):
        return value.text if name == "read" else value.text.splitlines(keepends=True)
    raise Refused(f"the method {name}")


def _of_text(value: str, name: str, args: list[Any], named: dict[str, Any]) -> object:
    if name in _TEXT_METHODS:
        return getattr(value, name)(*args, **named)
    if name == "join":
        parts = [_text(each) for each in args[0]]
        if sum(map(len, parts)) + len(value) * len(parts) > LONGEST:
            raise Refused("a text that is too long")
        return value.join(parts)
    if name == "replace":
        if (value.count(_text(args[0])) + 1) * len(_text(args[1])) > LONGEST:
            raise Refused("a text that is too long")
        return value.replace(*args)
    if name in ("format", "format_map"):
        refuse_wide(value)
        if re.search(r"\{[^{}]*[.\[]", value):  # an attribute could lead anywhere
            raise Refused("a format with an attribute or an index in it")
        return value.format(*args, **named) if name == "format" else value.format_map(args[0])
    raise Refused(f"the method {name} of a text")


def refuse_wide(text: str) -> None:
    """Raise Refused for a format that may ask for a text without end."""
    if len(text) > LONGEST or any(_WIDTH.search(part) for part in re.findall(r"[%{:][^%{}]*", text)):
        raise Refused("a format with a very large number in it")


def _of_path(world: World, value: PurePosixPath, name: str, args: list[Any]) -> object:
    if name in _PATH_METHODS:
        return getattr(value, name)(*args)
    if name in ("resolve", "absolute"):
        return PurePosixPath(world.files.place(str(value)))
    if name == "expanduser":
        return PurePosixPath(str(_home(world, [str(value)])))
    if name in ("exists", "is_file", "is_dir"):
        return world.there(str(value), {"exists": "exists", "is_file": "isfile", "is_dir": "isdir"}[name])
    if name == "read_text":
        return world.read(str(value))
    if name == "open":
        return Stream(world.read(str(value)))
    raise Refused(f"the method {name} of a path")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return value

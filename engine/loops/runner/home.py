"""The agent's private home: its login, its seeds, and the variables that send its command line there.

What stands below the home is the agent's own and may be anything, links that lead out included: nothing is followed,
everything is written beside and renamed.  The user's own configuration is read (the login file only), never written.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from loops.errors import ConfigError
from loops.known.model import Known, Seed
from loops.runner.order import RunOrder

TAIL = 20
"""Characters of a key by which claude knows it again."""
_HOME_SLOT = "{home}"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def prepare(order: RunOrder, known: Known) -> dict[str, str]:
    """Make the home ready and return the variables for the command line.  Said twice, it changes nothing.

    Raises:
        ConfigError: a file that agents.toml names for the home cannot be read, or its place would be outside.
        OSError: the home cannot be written.
    """
    os.makedirs(order.home, mode=0o700, exist_ok=True)
    os.chmod(order.home, 0o700)
    lock = os.open(order.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at a time each sees what the other has written
        for value in known.env.values():  # codex wants its own to be there
            if value.startswith(f"{_HOME_SLOT}/"):
                _directory(order.home, value.removeprefix(f"{_HOME_SLOT}/").split("/"))
        for place, source, named in _files(order, known):
            _copy(order.home, place, source, named)
        for below, place in known.files.items():
            _put(order.home, place, os.path.join(_PACKAGE, below))
        _keep_git_settings(order, known)
        seeds = _seeds(order, known)
        for file in dict.fromkeys(seed.file for seed in seeds):
            _plant(order, file, [seed for seed in seeds if seed.file == file])
    finally:
        os.close(lock)
    return _variables(order, known)


def change(order: RunOrder, place: str, changed: Callable[[bytes], bytes]) -> None:
    """Let *changed* make the new content of one file from its present one (b"" when there is none)."""
    path = _within(order.home, place)
    before = _read(path)
    after = changed(before)
    if after != before:
        _write(path, after)


def grants(order: RunOrder, known: Known) -> list[tuple[str, str]]:
    """Return what the seeds allow without a question: the name of each, and its words (never a part of a key)."""
    return [(seed.name, _filled(seed.grants, order, seed)) for seed in _seeds(order, known) if seed.grants]


def _variables(order: RunOrder, known: Known) -> dict[str, str]:
    found = {
        name: value.replace(_HOME_SLOT, order.home)
        for name, value in known.env.items()
        if _HOME_SLOT in value or name not in os.environ
    }
    return {**found, **known.permission_env.get(order.permissions, {})}


# ---- files ---------------------------------------------------------------------------------------------------------


def _files(order: RunOrder, known: Known) -> list[tuple[str, str, bool]]:
    """Return (place in the home, source, whether agents.toml names it)."""
    if order.home_files is not None:
        return [(place, os.path.expanduser(source), True) for place, source in order.home_files]
    return [(place, login_source(known, below), False) for below, place in known.login.items()]


def login_source(known: Known, below: str) -> str:
    """Return the user's own login file: *below* their home, or where their own variable (CODEX_HOME, ...) has it."""
    for name, value in known.env.items():
        start = value.removeprefix(f"{_HOME_SLOT}/") + "/"
        own = os.environ.get(name, "")
        if _HOME_SLOT in value and own and below.startswith(start):
            return os.path.join(own, below.removeprefix(start))
    return os.path.join(os.path.expanduser("~"), below)


def _copy(home: str, place: str, source: str, named: bool) -> None:
    """Copy *source* when it is newer than the copy: a token that the agent has refreshed must not become old again."""
    try:
        with open(source, "rb") as file:
            about = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        if not named:
            return  # no login there; the environment may have a key
        raise ConfigError(
            f"home: {source!r}, wanted as {place!r} in the private home, cannot be read: {error.strerror}; "
            "mend the path in agents.toml"
        ) from None
    path = _within(home, place)
    copied = _lstat(path)
    if copied is None or not stat.S_ISREG(copied.st_mode) or copied.st_mtime_ns < about.st_mtime_ns:
        _write(path, content, about.st_mtime_ns)


def _put(home: str, place: str, source: str) -> None:
    """Copy a file of the engine's own, whatever stands there."""
    with open(source, "rb") as file:
        content = file.read()
    path = _within(home, place)
    if _read(path) != content:
        _write(path, content)


def _keep_git_settings(order: RunOrder, known: Known) -> None:
    """Let git find the user's own settings (their name, say) where a private XDG_CONFIG_HOME would hide them."""
    private = known.env.get("XDG_CONFIG_HOME", "").removeprefix(f"{_HOME_SLOT}/")
    own = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "git", "config")
    if private and os.path.isfile(own):
        path = own.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        include = os.fsencode(f'[include]\n\tpath = "{path}"\n')
        change(order, f"{private}/git/config", lambda before: before or include)


def _within(home: str, place: str) -> str:
    """Return the path of *place*, its directories made, none of them a link that leads elsewhere."""
    words = place.split("/")
    if not place or os.path.isabs(place) or ".." in words:
        raise ConfigError(f"home: {place!r} is no path inside the private home; write it relative, without ..")
    return os.path.join(_directory(home, words[:-1]), words[-1])


def _directory(home: str, words: Sequence[str]) -> str:
    directory = os.path.realpath(home)
    for word in words:
        directory = os.path.join(directory, word)
        about = _lstat(directory)
        if about is not None and not stat.S_ISDIR(about.st_mode):
            os.unlink(directory)  # the agent's link would lead our writing out of its home
            about = None
        if about is None:
            os.mkdir(directory, 0o700)
    return directory


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _read(path: str) -> bytes:
    """Return the content of a plain file; what a link shows is not the agent's to have merged."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def _write(path: str, content: bytes, modified: int | None = None) -> None:
    beside = f"{path}.{os.getpid()}.new"
    with suppress(FileNotFoundError):
        os.unlink(beside)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        if modified is not None:
            file.flush()
            os.utime(file.fileno(), ns=(modified, modified))
    os.rename(beside, path)


# ---- seeds ---------------------------------------------------------------------------------------------------------


def _seeds(order: RunOrder, known: Known) -> list[Seed]:
    return [
        seed
        for seed in known.seeds
        if (order.mode == "tui" or not seed.grants)  # without a terminal nobody asks, so nothing need be allowed
        and (not seed.needs or os.environ.get(seed.needs))
        and (not seed.permissions or order.permissions in seed.permissions)
    ]


def _filled(text: str, order: RunOrder, seed: Seed) -> str:
    tail = os.environ.get(seed.needs, "")[-TAIL:] if seed.needs else ""
    return text.replace("{directory}", order.directory).replace("{tail}", tail)


def _values(given: Any, order: RunOrder, seed: Seed) -> Any:
    match given:
        case str():
            return _filled(given, order, seed)
        case list() | tuple():
            return [_values(value, order, seed) for value in given]
        case Mapping():
            return {_filled(key, order, seed): _values(value, order, seed) for key, value in given.items()}
    return given


def _plant(order: RunOrder, file: str, seeds: list[Seed]) -> None:
    planted = _toml if file.endswith(".toml") else _json
    change(order, file, lambda before: planted(before, order, seeds))


def _json(before: bytes, order: RunOrder, seeds: list[Seed]) -> bytes:
    """Return *before* with the seeds in it, and all else as it was; what is no JSON object is begun anew."""
    try:
        document = json.loads(before)
    except (ValueError, RecursionError):
        document = None
    root: dict[str, Any] = document if isinstance(document, dict) else {}
    standing = json.dumps(root)
    for seed in seeds:
        table = root
        for key in seed.at:
            inner = table.setdefault(_filled(key, order, seed), {})
            if not isinstance(inner, dict):
                inner = table[_filled(key, order, seed)] = {}
            table = inner
        _merge(table, _values(seed.values, order, seed), seed.keep)
    if document is not None and json.dumps(root) == standing:
        return before
    return json.dumps(root, indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def _merge(table: dict[str, Any], values: Mapping[str, Any], keep: bool) -> None:
    for key, value in values.items():
        standing = table.get(key)
        if isinstance(value, list) and isinstance(standing, list):
            standing.extend(entry for entry in value if entry not in standing)
        elif key not in table or not keep:
            table[key] = value


def _toml(before: bytes, order: RunOrder, seeds: list[Seed]) -> bytes:
    """Return *before* with a table appended for each seed that has none yet.

    The standard library writes no TOML, so what stands is never taken apart: a table of the same name, written by the
    command line or by a person, is left as it is.
    """
    import tomllib

    text = begun = before.decode("utf-8", "replace")
    for seed in seeds:
        keys = [_filled(key, order, seed) for key in seed.at]
        try:
            standing: Any = tomllib.loads(text)
            for key in keys:
                standing = standing.get(key) if isinstance(standing, dict) else None
            if standing is None:
                text = _joined(text, _table(keys, _values(seed.values, order, seed)))
                tomllib.loads(text)
        except tomllib.TOMLDecodeError:  # broken before, or ``projects = {...}``, to which nothing can be added
            return before  # the command line says what is wrong better than we could
    return before if text == begun else text.encode("utf-8", "surrogateescape")


def _table(keys: list[str], values: Mapping[str, Any]) -> str:
    def quoted(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [f"[{'.'.join(map(quoted, keys))}]", *(f"{key} = {quoted(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _joined(text: str, table: str) -> str:
    if not text:
        return table
    return f"{text}\n{table}" if text.endswith("\n") else f"{text}\n\n{table}"

"""Copies directories of a deployment that may be running, without touching them: no secrets, no sockets, no endless logs."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from loops.secrets.redaction import redact

PASSES = 5
"""Looks at most for what changed while it was copied."""
LONG = 64 * 1024 * 1024
"""Bytes from which a log is cut."""
TAIL = 1024 * 1024
"""Bytes that are kept of one, the last."""
READ = 1024 * 1024
"""Bytes up to which a text is looked through for keys."""
_LOGS = (".log", ".jsonl", ".txt", ".out")
_SECRET = re.compile(
    r"\.credentials\.json|auth\.json|.*\.pem|.*\.p12|.*\.key|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pgpass|\.git-credentials|"
    r"credentials|.*secrets?\.(env|toml|json|ya?ml|txt)|\.env(\..+)?|.*\.env|.*\.kdbx|\.htpasswd|token|.*[._-]token"
)
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".password-store", ".kube"})
"""Directories that are left out whole."""


@dataclass(slots=True)
class Copied:
    """What was copied, and what was not."""

    files: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    """Path and reason."""
    secrets: list[str] = field(default_factory=list)
    """Of these, the files that hold credentials."""


def copy(source: str, to: str, *, without: Container[str] = (), found: Copied | None = None) -> Copied:
    """Copy the directory *source* to *to* (which must not exist): links, modes and times are kept.

    *without*: absolute paths that are left out.  What changes meanwhile is copied again, until a look finds nothing new.

    Raises:
        OSError: the copy cannot be written.
    """
    found = found if found is not None else Copied()
    seen: dict[str, tuple[int, int, int]] = {}
    for _ in range(PASSES):
        changed = False
        for path, about in _walk(source, without, found, first=not seen):
            key = (about.st_mtime_ns, about.st_size, about.st_ino)
            if seen.get(path) == key:
                continue
            target = os.path.join(to, os.path.relpath(path, source)) if path != source else to
            with suppress(FileNotFoundError):  # it was removed meanwhile: the next look does not see it
                _one(path, target, about, found)
                seen[path], changed = key, not stat.S_ISDIR(about.st_mode) or changed
        gone = [path for path in seen if not os.path.lexists(path)]
        for path in gone:
            del seen[path]
            _remove(os.path.join(to, os.path.relpath(path, source)))
        if not changed and not gone:
            break
    else:
        found.left_out.append(f"{source}: was changing all the time; the copy may be of several moments")
    _directory_times(source, to, seen)
    return found


def is_secret(path: str) -> bool:
    """Whether a file is known by its name to hold credentials."""
    return _SECRET.fullmatch(os.path.basename(path)) is not None


def _walk(source: str, without: Container[str], found: Copied, *, first: bool) -> Iterator[tuple[str, os.stat_result]]:
    about = os.lstat(source)
    yield source, about
    if not stat.S_ISDIR(about.st_mode):
        return

    def say(path: str, why: str) -> None:
        if first:
            found.left_out.append(f"{path}: {why}")

    try:
        entries = sorted(os.scandir(source), key=lambda each: each.name)
    except OSError as error:
        say(source, f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        if entry.path in without:
            continue
        if entry.name in _SECRET_FOLDERS and entry.is_dir(follow_symlinks=False):
            say(entry.path, "holds credentials")
            continue
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(about.st_mode):
            yield from _walk(entry.path, without, found, first=first)
        elif stat.S_ISREG(about.st_mode) or stat.S_ISLNK(about.st_mode):
            if is_secret(entry.path) and stat.S_ISREG(about.st_mode):
                if first:
                    found.secrets.append(entry.path)
                say(entry.path, "holds credentials; an empty one stands in its place")
            yield entry.path, about
        else:
            say(entry.path, "is a socket, a pipe or a device")


def _one(path: str, target: str, about: os.stat_result, found: Copied) -> None:
    if stat.S_ISDIR(about.st_mode):
        os.makedirs(target, exist_ok=True)
        os.chmod(target, about.st_mode & 0o7777 | 0o700)
        return
    _remove(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(about.st_mode):
        os.symlink(os.readlink(path), target)
    elif is_secret(path):
        with open(target, "wb") as file:
            file.write(b"{}\n")
    else:
        found.bytes += _content(path, target, about, found)
    found.files += 1
    with suppress(PermissionError):
        os.chown(target, about.st_uid, about.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(about.st_mode):
        os.chmod(target, about.st_mode & 0o7777)
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns), follow_symlinks=False)


def _content(path: str, target: str, about: os.stat_result, found: Copied) -> int:
    with open(path, "rb") as source, open(target, "wb") as to:
        if about.st_size > LONG and path.endswith(_LOGS):
            found.left_out.append(f"{path}: only the last {TAIL // 1024} kB of {about.st_size // 2**20} MB")
            source.seek(-TAIL, os.SEEK_END)
            shutil.copyfileobj(source, to)
        elif about.st_size <= READ:
            data = source.read()
            clean = _without_keys(data)
            if clean != data:
                found.left_out.append(f"{path}: a key in it was made unreadable")
            to.write(clean)
        else:
            _sparse(source.fileno(), to.fileno(), about.st_size)
        return to.tell()


def _without_keys(data: bytes) -> bytes:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return redact(text).encode("utf-8")


def _sparse(source: int, to: int, size: int) -> None:
    """Copy what is data; holes stay holes."""
    os.ftruncate(to, size)
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            break
        end = os.lseek(source, start, os.SEEK_HOLE)
        at = start
        while at < end:
            data = os.pread(source, min(READ, end - at), at)
            if not data:
                return
            os.pwrite(to, data, at)
            at += len(data)
    os.lseek(to, 0, os.SEEK_END)


def _directory_times(source: str, to: str, seen: Container[str]) -> None:
    for folder, _, _ in os.walk(to, topdown=False):
        original = os.path.normpath(os.path.join(source, os.path.relpath(folder, to)))
        if original in seen:
            with suppress(OSError):
                about = os.lstat(original)
                os.utime(folder, ns=(about.st_atime_ns, about.st_mtime_ns))
                os.chown(folder, about.st_uid, about.st_gid)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


Say = Callable[[str], None]


def outermost(paths: Iterator[str] | list[str]) -> list[str]:
    """The directories among *paths* that lie in no other of them; what does not exist is left out."""
    real = sorted({os.path.realpath(path) for path in paths if path and os.path.isdir(path)})
    return [path for path in real if not any(path.startswith(other.rstrip("/") + "/") for other in real)]

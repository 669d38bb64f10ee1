"""Put a project in its place before its supervisor starts: its own repository, its agents' clones, its agents.toml.

Whatever is there already stays as it is, unless it is ours to renew: the checkout of the project's own repository goes to
the revision that is wanted (`loops.boot.checkout`), agents.toml becomes what it shall be.  Nothing that an agent made is
thrown away: an existing clone is not touched.  Any step may be repeated, and may be the last one before a power cut.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from loops.boot.checkout import Checkout, Say, check_out
from loops.boot.git import FETCH_WITHIN, git
from loops.errors import LoopsError, UsageError
from loops.places import CONFIG_NAME


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a project shall be like.

    Attributes:
        settings: the file that agents.toml shall be like; empty: it is one of the source's own.
        source: a git URL, or a directory, which need not be a repository; empty: the project has none of its own.
        revision: a commit, tag or branch; empty: the source's HEAD at first, and nothing newer later.
        clones: directory below ``root`` -> URL.
    """

    root: str
    settings: str = ""
    source: str = ""
    revision: str = ""
    clones: Mapping[str, str] | None = None


def prepare(wanted: Wanted, say: Say) -> None:
    """Bring the project to what is *wanted*; a second call changes nothing.

    Raises:
        UsageError: a clone's directory that is not below the root.
        LoopsError: the source cannot be had, or the checkout has changes that it would overwrite.
    """
    clones = {_below(wanted.root, place): url for place, url in (wanted.clones or {}).items()}
    try:
        settings = _read(wanted.settings) if wanted.settings else b""
        os.makedirs(wanted.root, mode=0o700, exist_ok=True)
        if wanted.source:
            check_out(Checkout(wanted.root, wanted.source, wanted.revision, bool(wanted.settings)), say)
        for place, url in clones.items():
            _clone(place, url, say)
        if wanted.settings and write(os.path.join(wanted.root, CONFIG_NAME), settings):
            say(f"{CONFIG_NAME} is as {wanted.settings}")
    except OSError as error:
        raise LoopsError(
            f"{error.filename or wanted.root}: {error.strerror}: the project cannot be prepared"
        ) from error


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, content: bytes) -> bool:
    """Make the file at *path* a real one with *content*, at once or not at all; False when it is that already."""
    if os.path.isfile(path) and not os.path.islink(path) and _read(path) == content:
        return False
    directory = os.path.dirname(path)
    descriptor, part = tempfile.mkstemp(prefix=f".{CONFIG_NAME}.", dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise
    _sync(directory)
    return True


# ---- the agents' clones ------------------------------------------------------------------------------------------------


def _below(root: str, place: str) -> str:
    path = os.path.normpath(os.path.join(root, place))
    if os.path.isabs(place) or not path.startswith(os.path.normpath(root) + os.sep):
        raise UsageError(f"the clone {place!r} must be a directory below {root}")
    return path


def _clone(place: str, url: str, say: Say) -> None:
    if os.path.isdir(place) and os.listdir(place):
        return
    part = f"{place}.loops-new"
    if os.path.lexists(part):  # a power cut came between
        shutil.rmtree(part)
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    words = ["--upload-pack=git -c safe.directory=* upload-pack"] if os.path.isdir(url) else []
    # For the agents' own commits too: by itself git leaves objects to the file system, and a power cut leaves them empty.
    words += ["--config", "core.fsync=all"]
    git(os.path.dirname(place), "clone", "--quiet", "--no-hardlinks", *words, "--", url, part, within=FETCH_WITHIN)
    os.rename(part, place)
    _sync(os.path.dirname(place))
    say(f"{place} is a clone of {url}")


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

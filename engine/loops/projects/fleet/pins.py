"""Which engine a project pins: the commit of its ``engine/`` submodule, else the input of its flake.

A project's own pin is the truth.  The ``ref`` in fleet.toml mirrors it for people, and may be a tag, a branch or a commit.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

from loops.errors import LoopsError
from loops.protocol.clone import Clone, GitError

ENGINE = "engine"
"""The submodule's directory."""
INPUTS = ("engine", "loops")
"""What a flake calls its input, the first that it has."""
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FLAKE, LOCK = "flake.nix", "flake.lock"
INPUT = re.compile(rf'\b(?P<name>{"|".join(INPUTS)})(?:\.url\s*=|\s*=\s*\{{[^}}]*?\burl\s*=)\s*"(?P<url>[^"\s]+)"')
"""``inputs.loops.url = "..."`` and ``loops = { url = "..."``."""
FORGE = re.compile(r"(?P<forge>github|gitlab|sourcehut):(?P<owner>[^/]+)/(?P<name>[^/]+)(?:/(?P<ref>.+))?")


class Kind(Enum):
    """How a project holds its pin."""

    SUBMODULE = "submodule"
    FLAKE = "flake"


class Mirror(Enum):
    """How the ``ref`` in fleet.toml stands to the pin."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "cannot be told"
    NONE = "not mirrored"


@dataclass(frozen=True, slots=True)
class Pin:
    """One project's pin, as its repository holds it."""

    kind: Kind
    commit: str
    asked: str = ""
    """What the flake asks for by name, when it does: the tag or branch in the input's URL."""
    input: str = ""
    """Of a flake: the name of the input."""
    url: str = ""
    """Of a flake: the input's, as flake.nix has it."""
    present: bool = False
    """Whether the pinned engine's own repository is there, in ``engine/``."""
    strays: str = ""
    """The commit that ``engine/`` has checked out, when that is another one."""


def clone_at(root: str) -> Clone | None:
    """The work tree whose top is *root*; None when there is none, or *root* is below the top of another."""
    if not os.path.lexists(os.path.join(root, ".git")):
        return None
    try:
        clone = Clone(root)
    except LoopsError:
        return None
    return clone if os.path.realpath(clone.root) == os.path.realpath(root) else None


def read_pin(root: str) -> Pin | None:
    """Return what pins the engine of the project in *root*; None: nothing does, or nothing that is understood."""
    project = clone_at(root)
    return (_submodule(project) if project is not None else None) or _flake(root)


def _submodule(project: Clone) -> Pin | None:
    try:
        listed = project.run("ls-tree", "HEAD", "--", ENGINE) or project.run("ls-files", "--stage", "--", ENGINE)
    except GitError:  # no commit yet
        return None
    found = re.match(r"160000 (?:commit )?([0-9a-f]{40,64})\s", listed)
    if found is None:
        return None
    engine = clone_at(os.path.join(project.root, ENGINE))
    there = engine.commit_of("HEAD") if engine is not None else ""
    strays = there if there != found[1] else ""
    return Pin(Kind.SUBMODULE, found[1], present=engine is not None, strays=strays)


def _flake(root: str) -> Pin | None:
    """The commit in the URL of flake.nix is the pin; without one it is that of flake.lock."""
    written, locked = written_input(root), _locked_input(root)
    if written is None or locked is None:
        return written or locked
    return written if written.commit else Pin(Kind.FLAKE, locked.commit, written.asked or locked.asked, written.input)


def _locked_input(root: str) -> Pin | None:
    try:
        with open(os.path.join(root, LOCK), encoding="utf-8") as file:
            lock = json.load(file)
        inputs = lock["nodes"][lock["root"]]["inputs"]
        name = next(each for each in INPUTS if each in inputs)
        node = lock["nodes"][inputs[name]]
        return Pin(Kind.FLAKE, node["locked"]["rev"], str(node["original"].get("ref", "")), name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None


def written_input(root: str) -> Pin | None:
    """Return what flake.nix itself says; the commit is empty when its URL names none."""
    try:
        with open(os.path.join(root, FLAKE), encoding="utf-8", errors="replace") as file:
            found = INPUT.search(file.read())
    except OSError:
        return None
    if found is None:
        return None
    place, _, query = found["url"].partition("?")
    given = dict(parse_qsl(query))
    last = ""
    if forge := FORGE.fullmatch(place):
        last = forge["ref"] or ""
    commit = given.get("rev", "") or (last if COMMIT.fullmatch(last) else "")
    asked = given.get("ref", "") or (last if last != commit else "")
    return Pin(Kind.FLAKE, commit, asked, found["name"], url=found["url"])


def mirrored(root: str, pin: Pin, ref: str) -> Mirror:
    """Return whether *ref* names the commit of *pin*, as far as the engine's own repository, or the flake, can tell."""
    if not ref:
        return Mirror.NONE
    if re.fullmatch(r"[0-9a-f]{7,64}", ref) and pin.commit.startswith(ref):
        return Mirror.SAME
    if pin.asked:
        return (
            Mirror.SAME if pin.asked.removeprefix("refs/tags/").removeprefix("refs/heads/") == ref else Mirror.DIFFERENT
        )
    if COMMIT.fullmatch(ref):
        return Mirror.DIFFERENT
    engine = clone_at(os.path.join(root, ENGINE)) if pin.present else None
    named, _ = resolve(engine, ref) if engine is not None else ("", "")
    if not named:
        return Mirror.UNKNOWN
    return Mirror.SAME if pin.commit == named else Mirror.DIFFERENT


def resolve(engine: Clone, ref: str) -> tuple[str, str]:
    """Return the commit that *ref* names in the repository of *engine*, and the whole name of that tag or branch.

    A tag comes before a branch, as everywhere in git; the name of a commit is empty; both are empty for nothing.
    """
    for name, there in (("tags", "tags"), ("heads", "remotes/origin"), ("heads", "heads")):
        if commit := engine.commit_of(f"refs/{there}/{ref}"):
            return commit, f"refs/{name}/{ref}"
    return (engine.commit_of(ref), "") if re.fullmatch(r"[0-9a-f]{7,64}", ref) else ("", "")

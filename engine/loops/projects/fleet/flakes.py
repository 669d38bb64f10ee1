"""The engine as an input of a flake: its URL, and how that is written at another commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from urllib.parse import parse_qsl, urlencode

from loops.errors import LoopsError
from loops.projects.fleet.pins import COMMIT, FLAKE, FORGE, INPUT, Pin

_FORGES = {
    "github": "https://github.com/{owner}/{name}.git",
    "gitlab": "https://gitlab.com/{owner}/{name}.git",
    "sourcehut": "https://git.sr.ht/{owner}/{name}",
}
_PATIENCE = 600.0
"""Seconds for Nix to fetch an input and write the lock."""


def git_url(url: str) -> str:
    """Return the URL of the git repository behind the input's *url*.

    Raises:
        LoopsError: it is none of a git repository.
    """
    place = url.partition("?")[0]
    if place.startswith("git+"):
        return place.removeprefix("git+")
    if forge := FORGE.fullmatch(place):
        return _FORGES[forge["forge"]].format(owner=forge["owner"], name=forge["name"])
    raise LoopsError(f"the flake's input {url} is no git repository, so that its pin cannot be moved: edit {FLAKE}")


def moved(url: str, commit: str, name: str) -> str:
    """Return the input's *url* at another *commit*; *name*: the whole name of its tag or branch, empty for none."""
    place, _, query = url.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if forge := FORGE.fullmatch(place):
        exact = COMMIT.fullmatch(forge["ref"] or "") or not name
        last = commit if exact else name.removeprefix("refs/tags/").removeprefix("refs/heads/")
        place = f"{forge['forge']}:{forge['owner']}/{forge['name']}/{last}"
        given = {key: value for key, value in given.items() if key not in ("rev", "ref")}
    else:
        given = {key: value for key, value in given.items() if key not in ("ref", "allRefs")}
        given |= {"rev": commit, **({"ref": name} if name else {"allRefs": "1"})}
    return f"{place}?{urlencode(given, safe='/:')}" if given else place


def check_able(*, lock: bool) -> None:
    """Raise LoopsError when a flake with a *lock* cannot be moved on this machine."""
    if lock and shutil.which("nix") is None:
        raise LoopsError(
            "the project has a flake.lock, which only Nix can write, and `nix` is not on PATH: move it where it is"
        )


def rewrite(root: str, pin: Pin, commit: str, name: str, *, lock: bool) -> None:
    """Write the input at *commit* into the flake in *root*, and into its *lock* when it has one."""
    path = os.path.join(root, FLAKE)
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    found = INPUT.search(text)
    if found is None or found["url"] != pin.url:
        raise LoopsError(f"{path}: has no URL of the input {pin.input} that can be changed: edit it by hand")
    start, end = found.span("url")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text[:start] + moved(pin.url, commit, name) + text[end:])
    if lock:
        _lock(root)


def _lock(root: str) -> None:
    command = ["nix", "--extra-experimental-features", "nix-command flakes", "flake", "lock"]
    try:
        done = subprocess.run(
            command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LoopsError(f"{root}: nix flake lock could not be run: {error}") from error
    if done.returncode:
        raise LoopsError(f"{root}: nix flake lock failed: {' '.join(done.stderr.split())[-600:]}")

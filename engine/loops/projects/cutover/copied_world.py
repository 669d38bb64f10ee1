"""What a rehearsal needs besides both projects: directories, a home with the conversations, stand-ins of programs."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterator, Sequence

from loops.boot.git import git_or_none
from loops.isolation.sandbox import within
from loops.known.all import KNOWN
from loops.projects.cutover import copying, standin
from loops.projects.cutover.rehearsed import Asked
from loops.runner.home import login_source


def home(asked: Asked, trees: Sequence[str], copy: str, found: copying.Copied) -> str:
    """A home for everything inside, at the path of the real one: the conversations, and placeholders of the logins."""
    home = os.path.realpath(os.path.expanduser("~"))
    inside = any(within(home, tree) for tree in trees)
    os.makedirs(copy + home, mode=0o700, exist_ok=True)
    for known in KNOWN.values():
        for below in known.login:
            path = os.path.join(home, below)
            if os.path.exists(path) and not inside:
                found.left_out.append(f"{path}: holds credentials; an empty one stands in its place")
                found.secrets.append(path)
                os.makedirs(os.path.dirname(copy + path), exist_ok=True)
                with open(copy + path, "w", encoding="utf-8") as file:
                    file.write("{}\n")
    for path in _talks(asked.conversations):
        if within(path, home) and not inside:
            os.makedirs(os.path.dirname(copy + path), mode=0o700, exist_ok=True)
            shutil.copy2(path, copy + path)
        elif not any(within(path, tree) for tree in trees):
            found.left_out.append(f"{path}: lies outside of the home and of what is copied (--also)")
    return home


def _talks(ids: Sequence[str]) -> Iterator[str]:
    """The files of these conversations in the user's own home."""
    for known in KNOWN.values():
        folder, pattern = known.conversations
        for id in ids if folder else ():
            where = glob.escape(login_source(known, folder))
            yield from sorted(glob.glob(os.path.join(where, pattern.replace("{id}", glob.escape(id)))))


def standins(asked: Asked, trees: Sequence[str], programs: str) -> dict[str, str]:
    """Make the stand-ins; return the names of what they play, each with the absolute path that it is called by, if any."""
    os.makedirs(programs, exist_ok=True)
    with open(standin.__file__, encoding="utf-8") as file:
        text = f"#!{sys.executable}\n{file.read()}"
    played: dict[str, str] = {}
    search = os.pathsep.join((asked.search, os.environ.get("PATH", os.defpath)))
    for program in asked.programs:
        path = shutil.which(program, path=search) or program
        real = os.path.realpath(path)
        if any(within(real, tree) for tree in trees):
            continue
        place = os.path.join(programs, os.path.basename(program))
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(place, 0o755)
        played[program] = path if os.path.isabs(program) else ""
    return played


def directories(members: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """What has to be copied: working directories, the remotes on this disk that they push to, and what was named."""
    found = [path for path in members if os.path.isdir(path)]
    for path in tuple(found):
        remote = git_or_none(path, "config", "--get", "remote.origin.url") or ""
        remote = remote.strip().removeprefix("file://")
        if remote and os.path.isdir(os.path.join(path, remote)):
            found.append(os.path.realpath(os.path.join(path, remote)))
    return (*dict.fromkeys(found), *more)

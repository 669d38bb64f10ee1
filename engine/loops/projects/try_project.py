"""The throwaway project of ``loops agent try``: a repository, a task, and one agent of the backend that is tried."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any

from loops.config.backends import BUILT_IN
from loops.config.model import Backend, Mode
from loops.errors import SessionError
from loops.known.all import KNOWN
from loops.places import State as StatePlaces

AGENT = "try"
FILE, CONTENT = "hello.txt", "hello from loops"
TASK = f"""\
Create the file {FILE} in the present directory with exactly this one line, and commit it with git, subject "Say hello":

{CONTENT}

Do nothing else. Answer with one short sentence when it is done.
"""
VERSION_PATIENCE = 20.0

AGENTS_TOML = """\
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"
watch = "none"

{backend}
[[agent]]
name = "{agent}"
kind = "task"
dir = "repo"
prompt_file = "task.md"
permissions = "skip"
backend = {name}
model = {model}
mode = "{mode}"
"""


@dataclass(frozen=True, slots=True)
class TryProject:
    """Where it is."""

    root: str
    environment: dict[str, str]
    """The user's own, for the agent may need the key in it, with a runtime directory of ours."""

    @property
    def config_path(self) -> str:
        return os.path.join(self.root, "agents.toml")

    @property
    def repository(self) -> str:
        return os.path.join(self.root, "repo")

    @property
    def runs(self) -> str:
        """Where the recordings of the agent's runs are."""
        return os.path.join(StatePlaces(os.path.join(self.root, ".loops")).root, "runs", AGENT)

    def loops(self, *words: str) -> None:
        """Run ``loops WORDS``.

        Raises:
            SessionError: it failed.
        """
        argv = [sys.executable, "-m", "loops", "--config", self.config_path, *words]
        done = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, errors="replace", cwd=self.root
        )
        if done.returncode:
            raise SessionError(f"`loops {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")

    def end(self) -> None:
        """End everything that runs in it."""
        try:
            self.loops("down")
        except SessionError:
            self.loops("stop", "--all-now")

    def lacking(self) -> str:
        """Return what of the task's result is not in git; "" when all is."""
        done = _git(self.repository, "show", f"HEAD:{FILE}")
        if done.returncode:
            there = os.path.exists(os.path.join(self.repository, FILE))
            return f"{FILE} was {'made but not committed' if there else 'not made'}"
        return "" if done.stdout.strip() == CONTENT else f"{FILE} does not hold what was asked for"

    def version(self, program: str) -> str:
        """Ask *program* for its version, in a home of its own; "" when it does not say."""
        home = os.path.join(self.root, "version")
        os.makedirs(home)
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        try:
            done = subprocess.run(
                [program, "--version"],
                env={**self.environment, **dict.fromkeys(names, home)},
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=VERSION_PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout)
        return found[0] if found else ""


def program_of(backend: Backend) -> str:
    """Return the name of *backend*'s program."""
    return backend.bin or KNOWN[backend.adapter].bin


@contextmanager
def scratch(backend: Backend, model: str, mode: Mode) -> Iterator[TryProject]:
    """Make the project; nothing of it is left in the end.

    Raises:
        SessionError: git cannot make the repository.
    """
    root = tempfile.mkdtemp(prefix="loops-try-")
    # Sockets have 107 bytes: their directory must not depend on how deep TMPDIR is.
    runtime = tempfile.mkdtemp(prefix="loops-", dir="/tmp")
    before = os.environ.get("LOOPS_RUNTIME_DIR")
    os.environ["LOOPS_RUNTIME_DIR"] = runtime
    try:
        project = TryProject(root, {name: value for name, value in os.environ.items() if name != "LOOPS_CONFIG"})
        _write(os.path.join(root, "task.md"), TASK)
        _write(project.config_path, agents_toml(backend, model, mode))
        _repository(project.repository)
        yield project
    finally:
        if before is None:
            os.environ.pop("LOOPS_RUNTIME_DIR", None)
        else:
            os.environ["LOOPS_RUNTIME_DIR"] = before
        for directory in (runtime, root):
            shutil.rmtree(directory, ignore_errors=True)


def agents_toml(backend: Backend, model: str, mode: Mode) -> str:
    """Return the project's agents.toml."""
    return AGENTS_TOML.format(
        prefix=f"loops-try-{os.getpid()}-",
        backend=_table(backend),
        agent=AGENT,
        name=json.dumps(backend.name),
        model=json.dumps(model),
        mode=mode.value,
    )


def _table(backend: Backend) -> str:
    """Return the backend's table: what differs from the built-in one of its name."""
    usual = BUILT_IN.get(backend.name)
    rows = []
    for each in fields(backend):
        default = each.default if each.default is not MISSING else {} if each.default_factory is not MISSING else None
        if each.name != "name" and (value := getattr(backend, each.name)) != getattr(usual, each.name, default):
            rows.append(f"{each.name} = {_toml(value)}")
    return "\n".join([f"[backend.{json.dumps(backend.name)}]", *rows, ""]) if rows else ""


def _toml(value: Any) -> str:
    """Write one value; texts of JSON are texts of TOML."""
    if isinstance(value, Enum):
        return json.dumps(value.value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _repository(directory: str) -> None:
    os.makedirs(directory)
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "loops try"),
        ("config", "user.email", "try@example.invalid"),
        ("config", "commit.gpgsign", "false"),
        ("commit", "--quiet", "--allow-empty", "--message", "Begin"),
    ):
        done = _git(directory, *words)
        if done.returncode:
            raise SessionError(f"git {words[0]} in {directory}: {done.stderr.strip()}")


def _git(directory: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True, errors="replace")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)

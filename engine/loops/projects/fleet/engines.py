"""Engines at other commits than the one that runs here: their files written out, and what they say of a project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from loops.config.problems import Value
from loops.errors import ConfigError, LoopsError
from loops.projects.fleet.changes import ENGINE, Effective
from loops.protocol.clone import Clone
from loops.secrets.redaction import redact
from loops.supervisor.table import printable

_PATIENCE = 120.0
"""Seconds for one question to an engine, which takes a second of its own."""
_WORDS_WRONG = 2
"""What an engine leaves with that does not know a verb."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine, written out."""

    root: str
    commit: str

    def effective(self, config: str) -> Mapping[str, Effective] | str:
        """Return each effective value of the file *config*, or why this engine cannot tell."""
        done = self._ask("config", "show", "--origin", "--json", "--config", config)
        try:
            rows = json.loads(done.stdout.replace(self.root, ENGINE))["values"]
            found = {row["key"]: Effective(_text(row["value"]), str(row["origin"])) for row in rows}
        except (ValueError, KeyError, TypeError):
            return f"the engine at {self.commit[:12]} does not tell its configuration: {_said(done)}"
        return found

    def accept(self, config: str) -> str:
        """Have this engine check the file *config*; return by which verb it did.

        Raises:
            ConfigError: it refuses the file, or cannot be run.
        """
        for verb in ("validate", "status"):  # an engine that is older than the verb reads the file for its status too
            done = self._ask(verb, "--config", config)
            if done.returncode == 0:
                return verb
            if done.returncode != _WORDS_WRONG:
                break
        raise ConfigError(f"the engine at {self.commit[:12]} refuses {config}, and nothing was moved: {_said(done)}")

    def schema(self) -> Value:
        """Its schema of agents.toml; None when it has none."""
        try:
            with open(os.path.join(self.root, "schemas", "agents.schema.json"), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        overrides = ("AGENT_MODEL_", "AGENT_BACKEND_", "LOOPS_CONFIG", "GIT_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(overrides)}
        command = [sys.executable, os.path.join(self.root, "agents.py"), *words]
        try:
            return subprocess.run(
                command,
                cwd=self.root,
                env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(
                f"the engine at {self.commit[:12]} cannot be asked: {error}; nothing was moved"
            ) from error


def write_out(repository: Clone, commit: str, directory: str) -> Engine:
    """Write the files of *commit* to the new *directory*; the repository's own work tree stays as it is."""
    if not repository.run("ls-tree", "--name-only", commit, "--", "agents.py"):
        raise LoopsError(f"{commit[:12]} of {repository.root} is no engine: it has no agents.py; nothing was moved")
    env = {"GIT_INDEX_FILE": f"{directory}.index"}
    repository.run("read-tree", commit, env=env)
    repository.run("checkout-index", "--all", f"--prefix={directory}/", env=env)
    return Engine(directory, commit)


def _text(value: Value) -> str:
    return printable(redact(json.dumps(value, ensure_ascii=False)))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """The last words of a program, fit for a terminal and for a journal."""
    lines = [printable(redact(line)) for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return "\n".join(lines[-20:]) or f"it left with status {done.returncode} and no words"

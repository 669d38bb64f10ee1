"""A project made by `loops new --register` has its engine moved, and moved back, while its agents work.

The engine is this one, at two commits that differ in a default.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ENGINE = Path(__file__).resolve().parents[1]
WHO = {f"GIT_{role}_{what}": "x@example.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
PATIENCE = 240.0

AGENT = """
[backend.stub]
bin = "sleep 600"
prompt_delivery = "exec"

[[agent]]
name = "worker"
kind = "persistent"
backend = "stub"
"""


@dataclass(frozen=True)
class Home:
    """A fleet with one project in a HOME of its own."""

    root: Path
    environment: Mapping[str, str]

    @property
    def project(self) -> Path:
        return self.root / "shop"

    def run(self, *words: str, cwd: Path | None = None, code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=cwd or self.root, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def git(self, *words: str, cwd: Path | None = None) -> str:
        return self.run("git", "-c", "protocol.file.allow=always", *words, cwd=cwd or self.project).strip()

    def loops(self, *words: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", "loops", *words, code=code)

    def own(self, *words: str) -> str:
        """By the engine that the project pins."""
        return self.run(sys.executable, "engine/agents.py", *words, cwd=self.project)

    def pids(self) -> dict[str, Any]:
        rows = json.loads(self.own("status", "--json"))["agents"]
        return {row["name"]: row["pid"] for row in rows}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    runtime = tempfile.mkdtemp(prefix="lfp-", dir="/tmp")
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOOPS_", "GIT_", "AGENT_"))}
    environment = {
        **kept,
        **WHO,
        "HOME": str(tmp_path / "home"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "file",
        "LOOPS_RUNTIME_DIR": f"{runtime}/r",
        "PYTHONPATH": os.pathsep.join([str(ENGINE / "engine"), os.environ.get("PYTHONPATH", "")]),
    }
    home = Home(tmp_path, environment)
    yield home
    if (home.project / "engine" / "agents.py").exists():
        home.own("down")
    shutil.rmtree(runtime)


def two_engines(home: Home) -> Path:
    """This engine as a repository: v1, and v2 with another default."""
    root = home.root / "loops"
    for part in ("engine", "schemas", "prompts"):
        shutil.copytree(ENGINE / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ENGINE / "agents.py", root)
    (root / ".gitignore").write_text("__pycache__/\n")
    home.git("init", "--quiet", "-b", "main", cwd=root)
    model = root / "engine" / "loops" / "config" / "model.py"
    text = model.read_text()
    assert "stall_grace: float = 180.0" in text
    for number, value in ((1, "180.0"), (2, "240.0")):
        model.write_text(text.replace("stall_grace: float = 180.0", f"stall_grace: float = {value}"))
        home.git("add", "--all", cwd=root)
        home.git("commit", "--quiet", "-m", f"v{number}", cwd=root)
        home.git("tag", f"v{number}", cwd=root)
    return root


def test_a_pin_is_moved_and_moved_back_under_working_agents(home: Home):
    engine = two_engines(home)
    home.loops(
        "new", "shop", "--engine", "v1", "--engine-url", str(engine), "--backend", "demo", "--register", str(home.root)
    )
    config = home.project / "agents.toml"
    config.write_text(config.read_text().partition("[[agent]]")[0] + AGENT)
    home.git("commit", "--quiet", "-am", "One agent")
    fleet = (home.root / "fleet.toml").read_bytes()
    home.loops("fleet", "validate")
    home.own("up")
    deadline = time.monotonic() + PATIENCE
    while not (working := home.pids())["worker"]:  # it is started, and not yet known to have begun
        assert time.monotonic() < deadline, working

    looked = home.loops("fleet", "update", "shop", "--to", "v2", "--dry-run")
    assert home.git("rev-parse", "HEAD:engine") == home.git("rev-parse", "v1", cwd=engine)
    moved = home.loops("fleet", "update", "shop", "--to", "v2")

    assert "~ watchdog.stall_grace: 180.0 -> 240.0" in looked
    assert "the project runs" in moved
    assert home.pids() == working
    assert home.git("rev-parse", "HEAD:engine") == home.git("rev-parse", "v2", cwd=engine)
    assert home.git("status", "--porcelain") == ""
    assert '"value": 240.0' in home.own("config", "show", "--json")
    home.loops("fleet", "validate")

    home.loops("fleet", "update", "shop", "--undo")

    assert (home.root / "fleet.toml").read_bytes() == fleet
    assert home.git("rev-parse", "HEAD:engine") == home.git("rev-parse", "v1", cwd=engine)
    assert home.git("rev-parse", "HEAD^{tree}") == home.git("rev-parse", "HEAD~2^{tree}")
    assert home.pids() == working
    home.loops("fleet", "validate")


def test_a_configuration_that_the_new_engine_does_not_know_keeps_the_pin(home: Home):
    engine = two_engines(home)
    home.loops("new", "shop", "--engine", "v2", "--engine-url", str(engine), "--register", str(home.root))
    schema = engine / "schemas" / "agents.schema.json"
    schema.write_text(schema.read_text().replace('"kickoff_template"', '"kickoff_text"'))
    home.git("commit", "--quiet", "-am", "Rename a key", cwd=engine)
    home.git("tag", "v3", cwd=engine)
    head, fleet = home.git("rev-parse", "HEAD"), (home.root / "fleet.toml").read_bytes()

    said = home.loops("fleet", "update", "shop", "--to", "v3", code=3)

    assert "loop.kickoff_template: there is no such key" in said
    assert "nothing was moved" in said
    assert (home.git("rev-parse", "HEAD"), (home.root / "fleet.toml").read_bytes()) == (head, fleet)

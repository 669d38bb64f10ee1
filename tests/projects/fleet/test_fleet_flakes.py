"""A pin that is the input of a flake: its URL rewritten, its lock written by Nix, and both taken back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fleet_samples import engine, git, project
from loops.errors import LoopsError
from loops.projects.fleet import flakes, moving, pins, update

NEW = "c" * 40


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("git+https://h/e.git?rev=OLD&ref=refs/tags/v1", "refs/tags/v2", f"git+https://h/e.git?rev={NEW}&ref=refs/tags/v2"),
        ("git+https://h/e.git?rev=OLD&ref=refs/tags/v1", "", f"git+https://h/e.git?rev={NEW}&allRefs=1"),
        ("git+https://h/e.git?rev=OLD&allRefs=1&dir=x", "refs/heads/main", f"git+https://h/e.git?rev={NEW}&dir=x&ref=refs/heads/main"),
        ("github:o/r/v1", "refs/tags/v2", "github:o/r/v2"),
        ("github:o/r/v1?dir=x", "", f"github:o/r/{NEW}?dir=x"),
        ("github:o/r/" + "a" * 40, "refs/tags/v2", f"github:o/r/{NEW}"),
        ("github:o/r", "refs/heads/main", "github:o/r/main"),
    ],
)  # fmt: skip
def test_the_url_of_an_input_is_written_at_another_commit(url: str, name: str, expected: str):
    assert flakes.moved(url.replace("OLD", "a" * 40), NEW, name) == expected


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("git+https://h/e.git?rev=x", "https://h/e.git"),
        ("git+file:///srv/e", "file:///srv/e"),
        ("github:o/r/v1", "https://github.com/o/r.git"),
        ("gitlab:o/r", "https://gitlab.com/o/r.git"),
        ("sourcehut:~o/r", "https://git.sr.ht/~o/r"),
    ],
)
def test_the_repository_behind_an_input_is_known(url: str, repository: str):
    assert flakes.git_url(url) == repository


def test_an_input_that_is_no_repository_is_refused():
    with pytest.raises(LoopsError, match="is no git repository"):
        flakes.git_url("path:/srv/e")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project a, whose flake pins v1 of an engine that has a v2; nothing is locked."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "loops").mkdir()
    git(tmp_path / "loops", "init", "--quiet")
    (tmp_path / "loops" / "flake.nix").write_text("{ outputs = _: { }; }\n")
    commit = engine(tmp_path / "loops", "v1", {"x": 1})
    root = project(tmp_path / "a", "a-")
    git(root, "init", "--quiet")
    url = f"git+file://{tmp_path}/loops?rev={commit}&ref=refs/tags/v1"
    (root / "flake.nix").write_text(f'{{\n  inputs.loops.url = "{url}";  # ours\n  outputs = _: {{ }};\n}}\n')
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "Begin")
    engine(tmp_path / "loops", "v2", {"x": 2})
    (tmp_path / "fleet.toml").write_text('[[project]]\nname = "a"\nlocation = "a"\nref = "v1"\n')
    return tmp_path


def lock(home: Path) -> None:
    """Have Nix write the lock, and commit it; skip where Nix cannot."""
    if shutil.which("nix") is None:
        pytest.skip("there is no Nix on this machine")
    command = ["nix", "--extra-experimental-features", "nix-command flakes", "flake", "lock"]
    done = subprocess.run(command, cwd=home / "a", capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Nix cannot lock a flake here: {done.stderr}")
    git(home / "a", "add", "flake.lock")
    git(home / "a", "commit", "--quiet", "-m", "Lock")


def pin(home: Path) -> str:
    found = pins.read_pin(str(home / "a"))
    assert found is not None
    return found.commit


def test_an_input_that_is_not_locked_is_moved_in_its_url_alone(home: Path):
    before = (home / "a" / "flake.nix").read_text()
    v1, v2 = git(home / "loops", "rev-parse", "v1"), git(home / "loops", "rev-parse", "v2")

    report = update.update(str(home / "fleet.toml"), "a", "v2")

    assert report.effective[0].after == "2"
    assert (home / "a" / "flake.nix").read_text() == before.replace(v1, v2).replace("tags/v1", "tags/v2")
    assert git(home / "a", "show", "--name-only", "--format=", "HEAD") == "flake.nix"
    assert git(home / "a", "status", "--porcelain") == ""

    update.undo(str(home / "fleet.toml"), "a")
    assert (home / "a" / "flake.nix").read_text() == before


def test_a_locked_input_is_moved_with_its_lock_and_back(home: Path):
    lock(home)
    before = git(home / "a", "rev-parse", "HEAD^{tree}")

    update.update(str(home / "fleet.toml"), "a", "v2")

    locked = json.loads((home / "a" / "flake.lock").read_text())["nodes"]["loops"]["locked"]["rev"]
    assert locked == pin(home) == git(home / "loops", "rev-parse", "v2")
    assert git(home / "a", "status", "--porcelain") == ""
    update.undo(str(home / "fleet.toml"), "a")
    assert git(home / "a", "rev-parse", "HEAD^{tree}") == before


def test_a_lock_that_nix_cannot_write_leaves_the_flake_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / "a" / "flake.lock").write_text("{}\n")
    git(home / "a", "add", "--all")
    git(home / "a", "commit", "--quiet", "-m", "Lock")
    (home / "bin").mkdir()
    (home / "bin" / "nix").write_text("#!/bin/sh\necho half > flake.lock\necho 'no network' >&2\nexit 1\n")
    (home / "bin" / "nix").chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}/bin:{os.environ['PATH']}")
    files = {name: (home / "a" / name).read_bytes() for name in ("flake.nix", "flake.lock")}

    with pytest.raises(LoopsError, match=r"nix flake lock failed: no network; the project and .* are as they were"):
        update.update(str(home / "fleet.toml"), "a", "v2")

    assert {name: (home / "a" / name).read_bytes() for name in files} == files
    assert git(home / "a", "status", "--porcelain") == ""
    assert 'ref = "v1"' in (home / "fleet.toml").read_text()


def test_a_locked_flake_is_refused_where_there_is_no_nix(home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / "a" / "flake.lock").write_text("{}\n")
    git(home / "a", "add", "--all")
    git(home / "a", "commit", "--quiet", "-m", "Lock")
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(LoopsError, match="`nix` is not on PATH"):
        update.update(str(home / "fleet.toml"), "a", "v2")


def test_a_kill_between_the_files_and_the_commit_is_mended(home: Path):
    before = (home / "a" / "flake.nix").read_bytes()
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(moving.Holding, "commit", lambda *words: os._exit(9))
            update.update(str(home / "fleet.toml"), "a", "v2")
    os.waitpid(child, 0)
    assert (home / "a" / "flake.nix").read_bytes() != before

    report = update.undo(str(home / "fleet.toml"), "a")

    assert "has been taken back" in report.notes[0]
    assert (home / "a" / "flake.nix").read_bytes() == before
    assert git(home / "a", "status", "--porcelain") == ""


def test_an_input_that_names_no_commit_and_is_not_locked_cannot_be_moved(home: Path):
    (home / "a" / "flake.nix").write_text('{ inputs.loops.url = "github:o/r/v1"; }\n')
    git(home / "a", "commit", "--quiet", "-am", "Loose")

    with pytest.raises(LoopsError, match="is not locked yet"):
        update.update(str(home / "fleet.toml"), "a", "v2")

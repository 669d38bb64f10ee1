"""Who cannot be seen is never taken for gone: no side is started then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cutover_world import ground
from loops.projects.cutover import sighting
from loops.projects.cutover.plan import Side


def tmux(folder: Path, script: str) -> None:
    folder.mkdir()
    (folder / "tmux").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "tmux").chmod(0o755)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'error connecting to /run/s (Permission denied)' >&2; exit 1",
        "echo 'protocol version mismatch' >&2; exit 1",
        "exec sleep 60",
    ],
)
def test_a_tmux_that_gives_no_answer_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    tmux(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(sighting, "WITHIN", 0.5 if "sleep" in script else 60.0)

    assert "which sessions live" in sighting.lives(ground(), Side.LIVE)


def test_no_tmux_at_all_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "tmux cannot be run" in sighting.lives(ground(), Side.LIVE)


@pytest.mark.parametrize(
    "said",
    [
        "no server running on /run/s",
        "error connecting to /run/s (No such file or directory)",
        "error connecting to /run/s (Connection refused)",
    ],
)
def test_where_no_server_is_nothing_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    tmux(tmp_path / "bin", f"echo '{said}' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    assert sighting.lives(replace(ground(), scripts=()), Side.LIVE) == ""

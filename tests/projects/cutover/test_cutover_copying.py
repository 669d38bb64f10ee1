"""The copy of a rehearsal is the original without secrets, sockets and endless logs; the original is not touched."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from loops.projects.cutover import copying


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    (root / "prompts").mkdir(parents=True)
    (root / "prompts" / "builder.md").write_text("Build.\n")
    (root / "launch.py").write_text("#!/usr/bin/env python3\n")
    (root / "launch.py").chmod(0o755)
    os.utime(root / "launch.py", ns=(1_600_000_000_000_000_000, 1_600_000_000_123_456_789))
    (root / "link").symlink_to("prompts/builder.md")
    (root / "dangling").symlink_to("/nowhere")
    return root


def test_links_modes_and_times_are_kept(source: Path, tmp_path: Path) -> None:
    copying.copy(str(source), str(tmp_path / "copy"))

    copy = tmp_path / "copy"
    assert (copy / "prompts" / "builder.md").read_text() == "Build.\n"
    assert os.readlink(copy / "link") == "prompts/builder.md"
    assert os.readlink(copy / "dangling") == "/nowhere"
    assert stat.S_IMODE((copy / "launch.py").stat().st_mode) == 0o755
    assert (copy / "launch.py").stat().st_mtime_ns == 1_600_000_000_123_456_789


def test_the_original_is_not_touched(source: Path, tmp_path: Path) -> None:
    def look() -> dict[str, tuple[int, int, int]]:
        found = {path: path.lstat() for path in sorted(source.rglob("*"))}
        return {str(path): (about.st_ino, about.st_mtime_ns, about.st_ctime_ns) for path, about in found.items()}

    before = look()
    copying.copy(str(source), str(tmp_path / "copy"))
    (tmp_path / "copy" / "launch.py").write_text("changed")

    assert look() == before
    assert (source / "launch.py").read_text() != "changed"


@pytest.mark.parametrize(
    "name", [".credentials.json", "auth.json", "id_ed25519", "secrets.env", ".env", "server.key", ".netrc"]
)
def test_a_file_of_credentials_is_left_out_and_named(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).write_text("the-secret")

    found = copying.copy(str(source), str(tmp_path / "copy"))

    assert "the-secret" not in (tmp_path / "copy" / name).read_text()
    assert str(source / name) in found.secrets
    assert any(line.startswith(f"{source / name}: holds credentials") for line in found.left_out)


def test_a_directory_of_keys_is_left_out_whole(source: Path, tmp_path: Path) -> None:
    (source / ".ssh").mkdir()
    (source / ".ssh" / "anything").write_text("key")

    found = copying.copy(str(source), str(tmp_path / "copy"))

    assert not (tmp_path / "copy" / ".ssh").exists()
    assert any(".ssh" in line for line in found.left_out)


def test_a_key_in_an_ordinary_file_is_made_unreadable_and_said(source: Path, tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "Ab1" * 31 + "AA"
    (source / "notes.md").write_text(f"use {key} here\n")

    found = copying.copy(str(source), str(tmp_path / "copy"))

    text = (tmp_path / "copy" / "notes.md").read_text()
    assert key not in text
    assert text.startswith("use [redacted")
    assert any("notes.md: a key" in line for line in found.left_out)


def test_sockets_and_pipes_are_left_out_and_named(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(source)  # a socket's path has 107 bytes
        sock.bind("s.sock")
        os.chdir(here)

        found = copying.copy(str(source), str(tmp_path / "copy"))

    assert not (tmp_path / "copy" / "pipe").exists()
    assert not (tmp_path / "copy" / "s.sock").exists()
    assert sum("a socket, a pipe or a device" in line for line in found.left_out) == 2


def test_of_an_endless_log_the_end_is_kept_and_holes_stay_holes(source: Path, tmp_path: Path) -> None:
    for name in ("watchdog.log", "image.raw"):
        with open(source / name, "wb") as file:
            file.truncate(copying.LONG + 4096)
            file.seek(0, os.SEEK_END)
            file.write(b"the end")

    found = copying.copy(str(source), str(tmp_path / "copy"))

    log, image = tmp_path / "copy" / "watchdog.log", tmp_path / "copy" / "image.raw"
    assert log.stat().st_size == copying.TAIL
    assert log.read_bytes().endswith(b"the end")
    assert any("watchdog.log: only the last" in line for line in found.left_out)
    assert image.stat().st_size == (source / "image.raw").stat().st_size
    assert image.stat().st_blocks * 512 < copying.LONG // 4
    assert image.read_bytes()[-7:] == b"the end"


def test_what_is_excluded_is_not_there(source: Path, tmp_path: Path) -> None:
    copying.copy(str(source), str(tmp_path / "copy"), without={str(source / "prompts")})

    assert not (tmp_path / "copy" / "prompts").exists()


def test_what_changes_while_it_is_copied_is_copied_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = copying._one
    changed = []

    def meddling(path: str, target: str, about: os.stat_result, found: copying.Copied) -> None:
        real(path, target, about, found)
        if path.endswith("builder.md") and not changed:
            changed.append(path)
            Path(path).write_text("Build more.\n")
            Path(source / "late.md").write_text("late\n")

    monkeypatch.setattr(copying, "_one", meddling)

    copying.copy(str(source), str(tmp_path / "copy"))

    assert (tmp_path / "copy" / "prompts" / "builder.md").read_text() == "Build more.\n"
    assert (tmp_path / "copy" / "late.md").read_text() == "late\n"


def test_only_the_outermost_directories_are_copied(source: Path, tmp_path: Path) -> None:
    found = copying.outermost([str(source), str(source / "prompts"), str(tmp_path / "absent"), str(source)])

    assert found == [str(source)]

"""Closed pipes, full disks, closed streams and foreign locales: one message at most, never a traceback."""

from __future__ import annotations

import os
import subprocess

import pytest
from cli_scratch import LOOPS, PATIENCE, Scratch


def shell(scratch: Scratch, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    loops = " ".join(LOOPS)
    return subprocess.run(
        ["bash", "-c", f'loops() {{ {loops} "$@"; }}; {command}'],
        cwd=scratch.root,
        env={**scratch.env, **env},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )


QUIET = ["status", "status --json", "config show", "--help", "completions bash", "doctor --json", "validate"]


@pytest.mark.parametrize("words", QUIET)
def test_a_reader_that_goes_away_is_no_error(scratch: Scratch, words: str) -> None:
    ran = shell(scratch, f"(loops {words}; echo code $? >&2) | true")

    assert ran.stderr == "code 0\n"


def test_the_quick_status_does_not_mind_a_reader_that_goes_away(scratch: Scratch) -> None:
    scratch.loops("up")

    assert shell(scratch, "(loops status; echo code $? >&2) | true").stderr == "code 0\n"


@pytest.mark.parametrize("words", QUIET)
def test_a_full_disk_is_said_with_code_1(scratch: Scratch, words: str) -> None:
    ran = shell(scratch, f"loops {words} >/dev/full")

    assert ran.returncode == 1
    assert ran.stderr.startswith("loops: cannot write")
    assert "No space left on device" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_quick_status_says_so_too_when_the_disk_is_full(scratch: Scratch) -> None:
    scratch.loops("up")

    ran = shell(scratch, "loops status >/dev/full")

    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["status", "validate", "logs ticker", "nudge builder -", "status --json", "stauts"])
def test_closed_streams_are_survived(scratch: Scratch, words: str, closed: str) -> None:
    ran = shell(scratch, f"loops {words} {closed}")

    assert ran.returncode == {"nudge builder -": 2, "stauts": 2}.get(words, 0)
    assert "Traceback" not in ran.stderr


def test_a_closed_output_does_not_become_the_socket(scratch: Scratch) -> None:
    scratch.loops("up")

    assert shell(scratch, "loops status >&-").returncode == 0
    assert scratch.loops("down").code == 0


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_a_locale_without_utf_8_costs_no_more_than_the_letters(scratch: Scratch, env: dict[str, str]) -> None:
    (scratch.root / ".loops").mkdir()
    (scratch.root / ".loops/ticker.log").write_text("naïve — ✓\n")

    ran = shell(scratch, "loops logs ticker", **env)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "na" in ran.stdout


def test_a_project_whose_path_is_not_utf_8_can_be_asked(scratch: Scratch) -> None:
    odd = os.fsencode(scratch.root) + b"/\xff\xfe"
    os.mkdir(odd)
    os.rename(scratch.config_path, odd + b"/agents.toml")

    for words in ("status", "validate", "status --json", "doctor"):
        ran = shell(scratch, f"cd $'\\xff\\xfe' && loops {words}")
        assert ran.returncode == 0, ran.stderr


def test_an_unreadable_file_is_code_3(scratch: Scratch) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    scratch.config_path.chmod(0)

    assert scratch.loops("status").code == 3


def test_a_directory_that_may_not_be_written_is_said(scratch: Scratch) -> None:
    (scratch.root / ".loops").write_text("a file where the directory should be")

    said = scratch.loops("up")

    assert said.code != 0
    assert ".loops" in said.err
    assert "Traceback" not in said.err
    (scratch.root / ".loops").unlink()


def test_a_claim_without_git_is_refused_in_words(scratch: Scratch) -> None:
    scratch.write(
        scratch.config_path.read_text()
        + '[loop]\nhandoff = { repo = "." }\nphases = [{ id = "1", plan = "p.md", items = ["M1"] }]\n'
    )
    empty = scratch.root / "empty"
    empty.mkdir()

    said = scratch.loops(
        "claim", "M1", "--phase=1", "--what=a", "--how=b", "--expected=c", "--where=d", env={"PATH": str(empty)}
    )

    assert said.code == 4
    assert "git" in said.err
    assert "Traceback" not in said.err


def test_an_interrupt_is_code_130_and_silent(scratch: Scratch) -> None:
    (scratch.root / ".loops").mkdir()
    (scratch.root / ".loops/ticker.log").write_text("here\n")
    following = scratch.start("logs", "ticker", "-f", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert following.stdout is not None
    assert following.stdout.readline() == b"here\n"

    following.send_signal(2)

    assert following.communicate(timeout=PATIENCE) == (b"", b"")
    assert following.returncode == 130


def test_a_runtime_directory_too_deep_for_sockets_is_said_with_the_remedy(scratch: Scratch) -> None:
    deep = shell(scratch, "loops up; echo code $?", LOOPS_RUNTIME_DIR=str(scratch.root / ("d" * 120)))

    assert "too long for a socket in it; name a shorter place in LOOPS_RUNTIME_DIR" in deep.stderr
    assert deep.stdout.endswith("code 6\n")

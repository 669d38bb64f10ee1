"""What the commands answer about a project: status, logs, phase, nudge, tokens, journal verify, doctor."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from cli_scratch import LOOPS, PATIENCE, PHASES, Scratch, gone, until

# ---- status ------------------------------------------------------------------------------------------------------------

ALLOWED = {
    "__future__",
    "_socket",
    "loops",
    "loops.__main__",
    "loops.cli",
    "loops.cli.quick",
    "loops.errors",
    "loops.places",
    "zlib",
}
"""Beyond what the interpreter imports at its start."""


def test_status_imports_almost_nothing_when_a_supervisor_answers(scratch: Scratch) -> None:
    scratch.loops("up")
    code = """
import sys
before = set(sys.modules)
from loops.__main__ import main
code = main(["status"])
print("MODULES", *sorted(set(sys.modules) - before))
sys.exit(code)
"""

    ran = subprocess.run(
        [sys.executable, "-c", code], env=scratch.env, cwd=scratch.root, capture_output=True, text=True, check=True
    )

    table, _, modules = ran.stdout.partition("MODULES")
    assert "RUNNING" in table
    assert set(modules.split()) == ALLOWED


def test_status_starts_nothing_in_a_fresh_clone_and_writes_nothing_there(scratch: Scratch) -> None:
    said = scratch.loops("status")

    assert said.code == 0
    states = dict(re.findall(r"^(\w+) .*?(RUNNING|stopped(?: \(disabled\))?)", said.out, re.MULTILINE))
    assert states == {
        "builder": "stopped",
        "assistant": "stopped (disabled)",
        "ticker": "stopped",
        "watchdog": "stopped",
    }
    assert os.listdir(scratch.root) == ["agents.toml"]
    assert not scratch.processes()


def test_status_shows_what_runs_with_the_columns_of_the_earlier_engine(scratch: Scratch) -> None:
    scratch.loops("up")

    rows = [re.split(r" {2,}", line) for line in scratch.loops("status").out.splitlines()]

    assert rows[0][:6] == ["NAME", "KIND", "BACKEND", "MODEL", "WATCH", "STATE"]
    assert rows[1][:6] == ["builder", "persistent", "stub", "tiny", "heal", "RUNNING"]
    assert rows[2][:6] == ["assistant", "persistent", "stub", "tiny", "heal", "stopped (disabled)"]
    assert rows[4][:6] == ["watchdog", "service", "-", "-", "-", "RUNNING"]


def test_status_without_a_supervisor_tells_the_sessions_that_live_all_the_same(scratch: Scratch) -> None:
    scratch.loops("up")
    holder = next(pid for pid, words in scratch.processes().items() if "holder.py" in words)
    os.kill(holder, signal.SIGSTOP)
    os.kill(scratch.status()["pid"], signal.SIGKILL)

    said = scratch.loops("status")

    os.kill(holder, signal.SIGCONT)
    assert re.search(r"builder .*RUNNING", said.out)
    assert re.search(r"watchdog .*stopped", said.out)
    assert "no supervisor watches over these sessions" in said.out


def test_a_stopped_supervisor_is_told_and_does_not_hang_the_command(scratch: Scratch) -> None:
    scratch.loops("up")
    pid = scratch.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        said = scratch.loops("status", "--json")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert said.code == 6
    assert "does not answer" in said.facts["error"]
    assert str(pid) in said.facts["error"]


def test_a_watched_status_is_printed_again_when_it_changes(scratch: Scratch) -> None:
    scratch.loops("up")
    watching = scratch.start("status", "--watch", "--json", stdout=subprocess.PIPE)
    try:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        scratch.loops("down", "builder")
        states = [first["agents"][0]["state"]]
        while states[-1] != "stopped":
            states.append(json.loads(watching.stdout.readline())["agents"][0]["state"])
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 130
        watching.stdout.close()

    assert states[0] == "RUNNING"


def test_a_watched_status_leaves_the_terminal_as_it_was(scratch: Scratch) -> None:
    env = {**scratch.env, "TERM": "xterm-256color"}
    words = [*LOOPS[1:], "status", "--watch"]
    screen = pexpect.spawn(LOOPS[0], words, cwd=str(scratch.root), env=env, timeout=PATIENCE)
    screen.expect("builder")
    screen.sendintr()
    screen.expect(pexpect.EOF)
    screen.close()

    assert screen.exitstatus == 130
    assert screen.before.endswith(b"\x1b[?7h\x1b[?25h")


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
@pytest.mark.parametrize("words", [["status"], ["doctor"]], ids=" ".join)
def test_colours_are_for_terminals_that_want_them(
    scratch: Scratch, words: list[str], env: dict[str, str], coloured: bool
) -> None:
    scratch.loops("up")
    command = " ".join([*LOOPS, *words])
    shown = pexpect.run(command, cwd=str(scratch.root), env={**scratch.env, **env}, timeout=PATIENCE)

    assert (b"\x1b[3" in shown or b"\x1b[1;3" in shown) is coloured
    assert b"builder" in shown or b"python" in shown
    assert "\x1b" not in scratch.loops(*words).out


def test_problems_stand_out_on_a_terminal(scratch: Scratch) -> None:
    scratch.write('[defaults]\nsesion_prefix = "x-"\nlog_dir = ".loops"\n')

    command, env = " ".join([*LOOPS, "validate"]), {**scratch.env, "TERM": "xterm"}
    shown = pexpect.run(command, cwd=str(scratch.root), env=env, timeout=PATIENCE)

    assert b"\x1b[1m" in shown
    assert b"sesion_prefix" in shown
    assert scratch.loops("validate").err.startswith(f"loops: {scratch.config_path}:2: ")
    scratch.config_path.unlink()


# ---- logs --------------------------------------------------------------------------------------------------------------


def test_logs_shows_the_last_lines_without_escapes(scratch: Scratch) -> None:
    log = scratch.root / ".loops/ticker.log"
    log.parent.mkdir()
    log.write_bytes(b"one\r\n\x1b[31mtwo\x1b[0m\r\nthree \xff\x00\r\n")

    assert scratch.loops("logs", "ticker", "-n", "2").out == "two\nthree �\n"
    assert scratch.loops("logs", "ticker", "-n", "2", "--json").facts["lines"] == ["two", "three �"]
    assert "\x1b[31mtwo" in scratch.loops("logs", "ticker", "--raw").out
    assert scratch.loops("logs", "ticker", "-n", "0").out == ""


def test_logs_of_a_session_that_never_ran_are_empty(scratch: Scratch) -> None:
    assert scratch.loops("logs", "builder").out == ""


def test_logs_looks_into_the_rotated_files(scratch: Scratch) -> None:
    (scratch.root / ".loops").mkdir()
    (scratch.root / ".loops/ticker.log.1").write_bytes(b"one\r\ntwo\r\n")
    (scratch.root / ".loops/ticker.log").write_bytes(b"three\r\n")

    assert scratch.loops("logs", "ticker", "-n", "2").out == "two\nthree\n"


def test_logs_follows_over_a_rotation_and_holds_half_a_line_for_its_rest(scratch: Scratch) -> None:
    log = scratch.root / ".loops/ticker.log"
    log.parent.mkdir()
    log.write_bytes(b"old\r\n")
    following = scratch.start("logs", "ticker", "-f", stdout=subprocess.PIPE)
    try:
        assert following.stdout is not None
        assert following.stdout.readline() == b"old\n"
        with open(log, "ab") as file:
            file.write(b"half \x1b[3")
            file.flush()
            file.write(b"1mred\r\n")
        assert following.stdout.readline() == b"half red\n"
        with open(log, "ab") as file:
            log.rename(f"{log}.1")
            file.write(b"last of the old\r\n")
        log.write_bytes(b"first of the new\r\n")
        assert following.stdout.readline() == b"last of the old\n"
        assert following.stdout.readline() == b"first of the new\n"
    finally:
        following.send_signal(signal.SIGINT)
        assert following.wait(PATIENCE) == 130
        following.stdout.close()


def test_the_supervisors_own_log_can_be_read(scratch: Scratch) -> None:
    scratch.loops("up")
    assert scratch.loops("logs", "watchdog").code == 0


# ---- attach ------------------------------------------------------------------------------------------------------------


def test_attach_is_the_sessions_terminal_until_it_is_left(scratch: Scratch) -> None:
    scratch.loops("up")
    command = " ".join([*LOOPS, "attach", "ticker"])
    screen = pexpect.spawn(command, cwd=str(scratch.root), env={**scratch.env, "TERM": "xterm"}, timeout=PATIENCE)
    screen.expect("ready")
    screen.send("\x1c\x1c")
    screen.expect(pexpect.EOF)
    screen.close()

    assert screen.exitstatus == 0
    assert "ticker" in scratch.pids()


def test_attach_to_what_does_not_run_is_code_6(scratch: Scratch) -> None:
    said = scratch.loops("attach", "builder")

    assert said.code == 6
    assert "Traceback" not in said.err


# ---- nudge -------------------------------------------------------------------------------------------------------------


def test_a_nudge_is_queued_with_its_id(scratch: Scratch) -> None:
    scratch.loops("up")

    assert scratch.loops("nudge", "builder", "read", "this").out == "n1 waits for builder\n"
    assert scratch.loops("nudge", "builder", "-", "--json", stdin="from a pipe\n").facts["nudge"] == "n2"


def test_a_nudge_without_words_a_reader_or_a_supervisor_is_refused(scratch: Scratch) -> None:
    assert scratch.loops("nudge", "builder", "hello").code == 6
    scratch.loops("up")

    assert scratch.loops("nudge", "builder", "-", stdin="  \n").code == 2
    assert "reads no messages" in scratch.loops("nudge", "ticker", "hello").err


# ---- phase -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_the_phase_is_shown_and_moved_whether_the_project_is_up_or_down(scratch: Scratch, up: bool) -> None:
    scratch.write(scratch.config_path.read_text() + PHASES)
    (scratch.root / "plan.md").write_text("# Plan\n")
    if up:
        scratch.loops("up")

    assert [row["state"] for row in scratch.loops("phase", "--json").facts["phases"]][1] == "open"
    assert "now ->  2  1b  plan.md" in scratch.loops("phase", "set", "1b").out
    assert scratch.loops("phase", "next").code == 2
    assert scratch.loops("phase", "set", "1", "--json").facts["phase"]["id"] == "1a"
    assert scratch.loops("phase", "next", "--json").facts["phase"]["id"] == "1b"
    assert scratch.status()["phase"]["id"] == "1b"


def test_an_unknown_phase_gets_its_nearest(scratch: Scratch) -> None:
    scratch.write(scratch.config_path.read_text() + PHASES)

    said = scratch.loops("phase", "set", "1c")

    assert said.code == 2
    assert "1a, 1b" in said.err


# ---- tokens, journal verify --------------------------------------------------------------------------------------------


def test_tokens_are_those_of_the_journal_and_of_the_token_log(scratch: Scratch) -> None:
    scratch.loops("up")
    incarnation = 1
    signals = scratch.root / f".loops/state/signals/builder.{incarnation}.jsonl"
    signals.write_text('{"type": "usage.updated", "usage": {"input_tokens": 1200, "output_tokens": 34}, "usd": 0.5}\n')
    (scratch.root / ".loops/token-log.jsonl").write_text(
        'torn\n{"phase_id": "1c:M1", "tokens": {"builder": 77}}\n{"phase_id": "x"}\n'
    )
    until(lambda: len(scratch.loops("tokens", "--json").facts["tokens"]) == 2)

    journal, log = scratch.loops("tokens", "--json").facts["tokens"]
    assert (journal["agent"], journal["input_tokens"], journal["output_tokens"], journal["usd"]) == (
        "builder",
        1200,
        34,
        0.5,
    )
    assert (log["phase"], log["total"], log["source"]) == ("1c:M1", 77, "token-log")
    assert "1,200" in scratch.loops("tokens").out


def test_no_tokens_are_no_failure(scratch: Scratch) -> None:
    assert scratch.loops("tokens").out == "no agent has reported any use yet\n"


def test_the_journal_is_verified_and_a_flipped_bit_is_code_5(scratch: Scratch) -> None:
    assert scratch.loops("journal", "verify").code == 5
    scratch.loops("up")
    scratch.loops("down")
    good = scratch.loops("journal", "verify", "--json")
    assert good.facts["sound"]
    journal = scratch.root / ".loops/state/journal"
    segment = min(journal.glob("*.jsonl"))
    raw = bytearray(segment.read_bytes())
    raw[300] ^= 1
    segment.write_bytes(raw)

    bad = scratch.loops("journal", "verify", str(journal))

    assert bad.code == 5
    assert str(segment) in bad.err


# ---- doctor ------------------------------------------------------------------------------------------------------------


def checks(scratch: Scratch, **options: object) -> dict[str, list[dict[str, str]]]:
    said = scratch.loops("doctor", "--json", **options)  # type: ignore[arg-type]
    found: dict[str, list[dict[str, str]]] = {}
    for each in said.facts["checks"]:
        found.setdefault(each["check"], []).append(each)
    failed = any(each["level"] == "FAIL" for each in said.facts["checks"])
    assert said.code == (1 if failed else 0)
    assert said.facts["ok"] is not failed
    assert all(each["remedy"] for each in said.facts["checks"] if each["level"] != "ok")
    return found


def test_a_healthy_project_has_nothing_that_fails(scratch: Scratch) -> None:
    scratch.loops("up")

    found = checks(scratch)

    assert {each["level"] for rows in found.values() for each in rows} <= {"ok", "warn"}
    assert "answered" in found["supervisor"][0]["text"]
    assert "answers" in found["holder"][0]["text"]


def test_the_doctor_finds_what_is_missing(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write(
        scratch.config_path.read_text()
        + PHASES.replace("[loop]", '[loop]\nhandoff = { repo = "work/builder" }')
        + '\n[backend.other]\nbin = "no-such-agent --flag"\n'
        '[[agent]]\nname = "stranger"\nkind = "persistent"\nbackend = "other"\nprompt_file = "nowhere.md"\n'
    )
    (scratch.root / ".loops").write_text("in the way")
    tools = tmp_path / "bin"
    tools.mkdir()

    found = checks(scratch, env={"PATH": str(tools)})

    assert found["git"][0]["level"] == "FAIL"
    assert found["tmux"][0]["level"] == "warn"
    assert found["log_dir"][0]["level"] == "FAIL"
    assert "no-such-agent" in found["backend other"][0]["text"]
    assert "work/builder does not exist" in found["clones"][0]["text"]
    assert any("nowhere.md" in each["text"] for each in found["files"])


def test_the_doctor_names_a_stopped_supervisor(scratch: Scratch) -> None:
    scratch.loops("up")
    pid = scratch.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = checks(scratch)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert found["supervisor"][0]["level"] == "FAIL"
    assert str(pid) in found["supervisor"][0]["text"]


def test_the_doctor_finds_a_lock_that_a_killed_git_left(scratch: Scratch) -> None:
    work = scratch.root / "work"
    subprocess.run(["git", "init", "--quiet", str(work)], check=True, env=scratch.env)
    lock = work / ".git/index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    scratch.write(scratch.config_path.read_text() + PHASES.replace("[loop]", '[loop]\nhandoff = { repo = "work" }'))

    assert any(str(lock) in each["text"] for each in checks(scratch)["clones"])


def test_the_doctor_works_without_a_project(scratch: Scratch, tmp_path: Path) -> None:
    found = checks(scratch, cwd=tmp_path)

    assert found["python"][0]["level"] == "ok"
    assert "loops init" in found["agents.toml"][0]["text"]


# ---- selftest ----------------------------------------------------------------------------------------------------------


def test_the_selftest_needs_no_project_and_leaves_nothing(scratch: Scratch, tmp_path: Path) -> None:
    said = scratch.loops("selftest", "--json", cwd=tmp_path)

    assert said.code == 0, said.out
    assert said.facts["passed"] == said.facts["count"] >= 12
    assert not os.listdir(scratch.runtime_root)
    assert not scratch.processes()


def test_gone_knows_a_living_process() -> None:
    assert not gone(os.getpid())

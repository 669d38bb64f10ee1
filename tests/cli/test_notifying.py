"""`loops notify test`, and what `doctor` and `status` say of notices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_scratch import AGENTS_TOML, Scratch

KEEP = ["sh", "-c", "cat >> got.jsonl"]


def notifying(scratch: Scratch, table: str) -> None:
    scratch.write(f"{AGENTS_TOML}\n[notify]\n{table}\n")


def got(scratch: Scratch) -> list[str]:
    path = scratch.root / "got.jsonl"
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()] if path.exists() else []


def test_the_supervisor_sends_the_test_by_each_channel_and_says_what_came_of_it(scratch: Scratch) -> None:
    notifying(scratch, f'command = {json.dumps(KEEP)}\nntfy = "http://127.0.0.1:1/topic"')
    scratch.loops("up")
    done = scratch.loops("notify", "test", "--json")
    assert done.code == 1
    assert done.facts["sent_by"] == "the supervisor"
    assert done.facts["channels"] == [
        {"channel": "command", "outcome": "delivered", "why": ""},
        {
            "channel": "ntfy (127.0.0.1)",
            "outcome": "FAILED",
            "why": "the server cannot be reached: Connection refused",
        },
    ]
    assert got(scratch) == ["test"]
    explained = scratch.loops("explain", "notices").out
    assert "notice-1 (test) is due" in explained
    assert "it is not sent again" in explained


def test_without_a_supervisor_the_command_sends_it_itself(scratch: Scratch) -> None:
    notifying(scratch, f"command = {json.dumps(KEEP)}")
    done = scratch.loops("notify", "test")
    assert (done.code, done.err) == (0, "")
    assert "command  delivered" in done.out
    assert "no supervisor runs" in done.out
    assert got(scratch) == ["test"]


@pytest.mark.parametrize("up", [False, True])
def test_without_a_channel_it_says_what_to_write(scratch: Scratch, up: bool) -> None:
    if up:
        scratch.loops("up")
    done = scratch.loops("notify", "test")
    assert done.code != 0
    assert "[notify]" in done.err


# ---- the doctor ----------------------------------------------------------------------------------------------------------


def checked(scratch: Scratch) -> list[tuple[str, str]]:
    facts = scratch.loops("doctor", "--json").facts
    return [(each["level"], each["text"]) for each in facts["checks"] if each["check"] == "notify"]


def private(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_the_doctor_says_nothing_of_notices_that_nobody_wants(scratch: Scratch) -> None:
    assert checked(scratch) == []


def test_the_doctor_finds_usable_channels_good(scratch: Scratch) -> None:
    private(scratch.root / "token", "tk-hunter2\n")
    notifying(scratch, 'command = ["true"]\nntfy = "https://ntfy.invalid/topic"\nntfy_token_file = "token"')
    ((level, _),) = checked(scratch)
    assert level == "ok"


def test_the_doctor_finds_each_thing_that_keeps_a_notice_back(scratch: Scratch) -> None:
    private(scratch.root / "open", "json://127.0.0.1/tk-hunter2\n", mode=0o644)
    notifying(
        scratch,
        'command = ["bin/missing"]\nurl_files = ["open", "gone", "credential:none"]\n'
        'ntfy = "https://ntfy.invalid/topic"\nntfy_token_file = "gone"',
    )
    found = checked(scratch)
    assert {level for level, _ in found} == {"FAIL"}
    said = "\n".join(text for _, text in found)
    for words in ("chmod 600", "url_files 2", "'none'", "ntfy:", "bin/missing"):
        assert words in said, words
    assert "hunter2" not in said


def test_a_key_among_the_urls_is_worth_a_warning_that_does_not_show_it(scratch: Scratch) -> None:
    notifying(scratch, 'urls = ["discord://4711/hunter2"]')
    done = scratch.loops("validate")
    assert "url_files" in done.out
    assert "hunter2" not in done.out
    sent = scratch.loops("notify", "test")
    assert "urls 1 (discord)" in sent.out
    assert "not to be found" not in sent.out
    assert "hunter2" not in sent.out

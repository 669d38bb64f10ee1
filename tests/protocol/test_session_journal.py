"""The orchestrator's journal: blocks as they are written, as people write them, and as they are read back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.errors import ProtocolError
from loops.protocol import noting
from loops.protocol.session_journal import (
    FIELDS,
    Event,
    event_block,
    parse,
    session_block,
    with_event,
    with_session,
)

NOW = 1_800_000_000.0
SAID = {
    "Left off": "M3 waits for its verdict",
    "Phase / loop state": "2 of 5, both run",
    "Open items": "- the certificate ends on Friday\n- DEFERRED has two entries",
    "Notes": "none",
}

BY_HAND = """\
# JOURNAL

## Session 2026-05-30T14:24:31Z — handoff

**Left off:** phase 1c.

**Phase / loop state:** 1c in progress
both loops up
**Open items:**
- a
- b

### Event 14:30 — host rebooted
It came back by itself.

### Event — no time here

## Not a session
**Notes:** of something else

## Session 2026-05-31

- **Left off:** phase 1d
- **Notes:** `**Open items:** quoted`
"""


def test_what_a_writer_wrote_is_read_back() -> None:
    block = session_block(SAID, NOW)
    (session,) = parse(block).sessions
    assert (session.at, session.fields, session.events, session.complete) == (NOW, SAID, (), True)
    assert session.source == block.strip()


def test_blocks_that_people_write_are_understood() -> None:
    first, second = parse(BY_HAND).sessions
    assert first.fields == {
        "Left off": "phase 1c.",
        "Phase / loop state": "1c in progress\nboth loops up",
        "Open items": "- a\n- b",
    }
    assert first.events == (Event("14:30", "host rebooted", "It came back by itself."), Event("", "no time here"))
    assert not first.complete
    assert second.fields == {"Left off": "phase 1d", "Notes": "`**Open items:** quoted`"}


def test_what_is_only_quoted_is_no_session() -> None:
    assert parse("```\n## Session 2026-05-30T14:24:31Z\n```\n    ## Session\n> ## Session\n").sessions == ()


def test_the_newest_session_is_the_latest_by_its_time_wherever_it_stands() -> None:
    old, new = session_block(SAID, NOW), session_block({**SAID, "Notes": "later"}, NOW + 60)
    for text in (old + "\n" + new, new + "\n" + old):
        newest = parse(text).newest
        assert newest is not None
        assert newest.fields["Notes"] == "later"
    assert parse("# JOURNAL\n").newest is None


def test_the_same_said_again_is_not_doubled_and_anything_new_is_added() -> None:
    text = with_session("# JOURNAL\n", session_block(SAID, NOW))
    assert with_session(text, session_block(SAID, NOW + 3600)) == text
    more = with_session(text, session_block({**SAID, "Notes": "one more"}, NOW + 3600))
    assert [session.fields["Notes"] for session in parse(more).sessions] == ["none", "one more"]
    assert more.startswith("# JOURNAL\n\n## Session ")


def test_an_event_goes_below_the_newest_session_once() -> None:
    old, new = session_block(SAID, NOW), session_block({**SAID, "Notes": "later"}, NOW + 60)
    text = with_event(new + "\n" + old, event_block("rebooted", "twice", NOW))
    assert [session.events for session in parse(text).sessions] == [(Event("08:00Z", "rebooted", "twice"),), ()]
    assert with_event(text, event_block("rebooted", "twice", NOW + 60)) == text
    again = with_event(text, event_block("rebooted", "thrice", NOW + 60))
    assert [event.text for event in parse(again).sessions[0].events] == ["twice", "thrice"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Notes", ""),
        ("Left off", "x\n## Session 2026-01-01T00:00:00Z\n"),
        ("Left off", "x\n### Event 10:00 — y"),
        ("Open items", "a\n**Notes:** b"),
        ("Notes", "x\n```\nno end"),
        ("Notes", "x\n<!-- no end"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(field: str, text: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        session_block({**SAID, field: text}, NOW)
    assert field in str(raised.value)


@pytest.mark.parametrize(("label", "text"), [("", ""), ("x", "## Session"), ("x", "### Event 1:00 — y"), ("x", "~~~")])
def test_an_event_that_would_be_read_as_something_else_is_refused(label: str, text: str) -> None:
    with pytest.raises(ProtocolError):
        event_block(label, text, NOW)


def test_a_journal_that_would_hide_a_new_block_is_not_written() -> None:
    with pytest.raises(ProtocolError, match="without an end"):
        with_session("```\n", session_block(SAID, NOW))
    with pytest.raises(ProtocolError, match="no session yet"):
        with_event("# JOURNAL\n", event_block("x", "", NOW))


words = st.text(alphabet="ab *_`~#>-:.\n[]()|<!é/", max_size=40)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, words)), max_size=4), st.tuples(words, words))
def test_whatever_is_accepted_is_read_back(said: list[dict[str, str]], happened: tuple[str, str]) -> None:
    text, wanted = "", []
    for number, fields in enumerate(said):
        try:
            block = session_block(fields, NOW + number)
        except ProtocolError:
            continue
        meant = {name: value.strip() for name, value in fields.items()}
        text = with_session(text, block)
        if not wanted or wanted[-1] != meant:
            wanted.append(meant)
    assert [session.fields for session in parse(text).sessions] == wanted
    try:
        text = with_event(text, event_block(*happened, NOW))
    except ProtocolError:
        return
    assert [session.fields for session in parse(text).sessions] == wanted
    assert len(parse(text).sessions[-1].events) == 1


@given(st.text(alphabet="#S ession Event*:Left off-`~>\n0123456789TZ", max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    parse(text)


# ---- on disk -----------------------------------------------------------------------------------------------------------


def git(directory: Path, *words: str) -> str:
    ran = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a remote and one commit."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "orchestrator")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "orchestrator@example.invalid")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "clone")
    here = tmp_path / "clone"
    git(here, "switch", "--quiet", "-c", "main")
    (here / "README").write_text("x\n")
    git(here, "add", ".")
    git(here, "commit", "--quiet", "-m", "chore: begin")
    git(here, "push", "--quiet", "-u", "origin", "main")
    return here


def note(directory: Path, text: str = "M3") -> noting.Noted:
    block = session_block({**SAID, "Left off": text}, NOW)
    return noting.change(str(directory / "JOURNAL.md"), lambda before: with_session(before, block), "journal: rests")


def test_outside_a_clone_the_file_is_written(tmp_path: Path) -> None:
    assert note(tmp_path) == noting.Noted(changed=True)
    assert note(tmp_path) == noting.Noted(changed=False)
    assert [path.name for path in tmp_path.iterdir()] == ["JOURNAL.md"]


def test_in_a_clone_the_journal_alone_is_committed_and_pushed(clone: Path) -> None:
    (clone / "README").write_text("half-done\n")
    noted = note(clone)
    assert (noted.pushed, noted.trouble) == (True, "")
    assert git(clone, "show", "--format=", "--name-only", "origin/main") == "JOURNAL.md"
    assert git(clone, "status", "--porcelain") == "M README"


def test_a_push_that_was_overtaken_goes_on_top(clone: Path) -> None:
    git(clone.parent, "clone", "--quiet", "remote.git", "other")
    (clone.parent / "other" / "theirs").write_text("x\n")
    git(clone.parent / "other", "add", ".")
    git(clone.parent / "other", "commit", "--quiet", "-m", "feat: theirs")
    git(clone.parent / "other", "push", "--quiet")
    assert note(clone).pushed
    assert git(clone, "log", "--format=%s", "origin/main").splitlines()[:2] == ["journal: rests", "feat: theirs"]


def test_an_ignored_journal_is_not_committed(clone: Path) -> None:
    (clone / ".gitignore").write_text("JOURNAL.md\n")
    assert note(clone) == noting.Noted(changed=True)


def test_what_git_refuses_is_told_and_the_note_stays(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", str(clone.parent / "nowhere.git"))
    noted = note(clone)
    assert noted.commit
    assert noted.trouble.startswith("not pushed: git p")
    assert parse((clone / "JOURNAL.md").read_text()).newest is not None
    (clone / ".git" / "MERGE_HEAD").write_text(noted.commit + "\n")
    assert note(clone, "M4").trouble.startswith("not committed: a merge is half-done")
    assert len(parse((clone / "JOURNAL.md").read_text()).sessions) == 2


def test_notes_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from loops.protocol import noting; from loops.protocol.session_journal import *\n"
        "for n in range(10):\n"
        "    block = session_block(dict.fromkeys(FIELDS, f'{sys.argv[2]} {n}'), n)\n"
        "    noting.change(sys.argv[1], lambda text: with_session(text, block), 'x')\n"
    )
    path = tmp_path / "JOURNAL.md"
    command = [sys.executable, "-c", program, str(path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    writers = [subprocess.Popen([*command, who], env=env) for who in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    said = [session.fields["Notes"] for session in parse(path.read_text()).sessions]
    assert sorted(said) == sorted(f"{who} {number}" for who in "abc" for number in range(10))

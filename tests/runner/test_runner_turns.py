"""Messages become turns: the kickoff first, each once, the next when the turn before has ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loops.streams.recording import compare
from runner_seat import CONVERSATION, Seat, until

Make = Callable[..., Seat]


def test_the_kickoff_is_said_first_and_its_turn_is_signalled(seat: Make) -> None:
    one = seat(kickoff="say hello [nudge n1]").start()
    assert one.signalled("turn.started")["nudge"] == "n1"
    one.signalled("turn.completed")
    assert one.received() == ["say hello [nudge n1]"]
    one.sees("hello [nudge n1]")


def test_a_fresh_conversation_gets_the_id_of_our_choice_and_is_named(seat: Make) -> None:
    one = seat(kickoff="say hello").start()
    assert one.signalled("session.started")["conversation"] == CONVERSATION
    words = one.starts()[0]["words"]
    assert words[words.index("--session-id") + 1] == CONVERSATION
    assert words[words.index("--model") + 1] == "some-model"


def test_a_conversation_is_resumed_under_its_id(seat: Make) -> None:
    first = seat(kickoff="say hello", task=True).start()
    assert first.ends() == 0
    again = seat(kickoff="say again", task=True, conversation=CONVERSATION, fresh_id="", run="builder.2").start()
    assert again.ends() == 0
    assert "--resume" in again.starts()[-1]["words"]
    assert again.received() == ["say hello", "say again"]


def test_a_paste_with_several_lines_is_one_message(seat: Make) -> None:
    one = seat().start()
    one.signalled("state.changed")
    one.paste("[nudge n7] first line\nsecond ❯ line\n\nfourth")
    assert one.signalled("turn.started")["nudge"] == "n7"
    one.signalled("turn.completed")
    assert one.received() == ["[nudge n7] first line\nsecond ❯ line\n\nfourth"]


def test_a_person_types_and_corrects_a_line(seat: Make) -> None:
    one = seat().start()
    one.signalled("state.changed")
    one.type("forget this\x15say helpo\x7f\x7flö\r")
    one.signalled("turn.completed")
    assert one.received() == ["say hellö"]


def test_messages_wait_for_the_end_of_the_turn_and_each_is_said_once(seat: Make) -> None:
    one = seat(kickoff="ask true").start()
    asked = one.signalled("approval.requested")
    for number in range(3):
        one.paste(f"say [nudge n{number}]")
    one.sees("kept until the turn has ended")
    assert one.received() == ["ask true"]
    one.answer(asked["approval_id"], allow=True)
    one.signalled("turn.completed", 4)
    assert one.received() == ["ask true", "say [nudge n0]", "say [nudge n1]", "say [nudge n2]"]
    assert [turn.get("nudge") for turn in one.signals("turn.started")] == [None, "n0", "n1", "n2"]


def test_an_empty_line_says_nothing(seat: Make) -> None:
    one = seat(kickoff="say one").start()
    one.signalled("turn.completed")
    one.type("\r\r  \r")
    one.paste("say two")
    one.signalled("turn.completed", 2)
    assert one.received() == ["say one", "say two"]


def test_an_agent_without_a_kickoff_says_that_it_is_ready(seat: Make) -> None:
    one = seat().start()
    assert one.signalled("state.changed")["state"] == "waiting_input"


def test_a_tool_call_is_shown_with_its_result_and_usage_with_the_end_of_the_turn(seat: Make) -> None:
    one = seat(kickoff="tool echo from-the-tool").start()
    one.signalled("turn.completed")
    one.sees("• Bash")
    one.sees("from-the-tool")
    one.sees("tokens in")


def test_escapes_of_the_agent_do_not_reach_the_terminal(seat: Make) -> None:
    one = seat(kickoff=r"say \u001b]0;owned\u0007\u001b[2Jcalm\u009b31m").start()
    one.signalled("turn.completed")
    one.sees("calm")
    assert "\x1b]0;" not in one.shown
    assert "\x1b[2J" not in one.shown
    assert "\x9b" not in one.shown


def test_a_line_of_megabytes_comes_through_whole(seat: Make) -> None:
    one = seat(kickoff="long 5000000").start()
    one.signalled("turn.completed")
    lines = (one.root / "run" / "raw" / "out.jsonl").read_bytes().split(b"\n")
    assert max(map(len, lines)) > 5_000_000
    assert compare(str(one.root / "run")) is None


def test_a_recording_normalizes_again_to_the_same_bytes(seat: Make) -> None:
    one = seat(kickoff="tool echo x; complain something odd; say done", task=True).start()
    assert one.ends() == 0
    index = (one.root / "run" / "raw" / "index").read_text().split("\n")[:-1]
    streams = {line.partition(" ")[0] for line in index}
    assert streams == {"in", "out", "err", "runner"}
    assert compare(str(one.root / "run")) is None
    assert (one.root / "run").stat().st_mode & 0o077 == 0


def test_without_a_terminal_the_transcript_is_plain_lines(seat: Make) -> None:
    one = seat(kickoff="tool echo x; say done", task=True).start(terminal=False)
    assert one.ends() == 0
    assert "\x1b" not in one.shown
    assert "\ndone\n" in one.shown


def test_the_private_home_is_what_the_agent_gets(seat: Make, tmp_path: Path) -> None:
    one = seat(kickoff="say hello", task=True).start()
    assert one.ends() == 0
    env = one.starts()[0]["env"]
    assert env["CLAUDE_CONFIG_DIR"] == str(tmp_path / "home" / ".claude")


def test_the_supervisor_hears_of_a_long_turn_now_and_then(seat: Make) -> None:
    one = seat(kickoff="tool true; tool true; hang").start()
    until(lambda: any(s.get("state") == "working" for s in one.signals("state.changed")), "a sign of life")

"""Claude's control protocol as a state machine."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from loops.known.claude import KNOWN
from loops.runner.claude import ClaudeDialogue
from loops.runner.order import RunOrder

ORDER = RunOrder(
    backend="claude",
    mode="headless",
    agent="a",
    run="a.1",
    directory="/w",
    run_dir="/r",
    home="/h",
    signals="/s",
    answers="/q",
    bin="claude",
)


def opened() -> ClaudeDialogue:
    dialogue = ClaudeDialogue(ORDER, KNOWN)
    (asked,) = dialogue.open()
    id = json.loads(asked)["request_id"]
    assert not dialogue.ready
    dialogue.heard(line(type="control_response", response={"subtype": "success", "request_id": id, "response": {}}))
    return dialogue


def line(**message: Any) -> bytes:
    return json.dumps(message).encode()


def asks(id: str, **input: Any) -> bytes:
    return line(
        type="control_request", request_id=id, request={"subtype": "can_use_tool", "tool_name": "Bash", "input": input}
    )


def test_it_is_ready_when_the_program_has_answered() -> None:
    assert opened().ready


def test_a_message_is_one_line_whatever_it_holds() -> None:
    (said,) = opened().say("one\ntwo \u2028 ❯")
    assert b"\n" not in said
    assert json.loads(said) == {"type": "user", "message": {"role": "user", "content": "one\ntwo \u2028 ❯"}}


def test_an_allowed_tool_gets_its_own_input_again() -> None:
    dialogue = opened()
    assert dialogue.heard(asks("r1", command="ls")) == ()
    dialogue.heard(asks("r2", command="rm"))
    (answer,) = dialogue.answer("r1", True, "")
    assert json.loads(answer)["response"] == {
        "subtype": "success",
        "request_id": "r1",
        "response": {"behavior": "allow", "updatedInput": {"command": "ls"}},
    }
    (refusal,) = dialogue.answer("r2", False, "no")
    assert json.loads(refusal)["response"]["response"] == {"behavior": "deny", "message": "no"}


def test_a_request_that_nobody_can_answer_is_refused_at_once() -> None:
    (answer,) = opened().heard(line(type="control_request", request_id="x", request={"subtype": "elicitation"}))
    assert json.loads(answer)["response"]["subtype"] == "error"
    assert json.loads(answer)["response"]["request_id"] == "x"


def test_interrupts_have_ids_of_their_own() -> None:
    dialogue = opened()
    first, second = (json.loads(*dialogue.interrupt()) for _ in range(2))
    assert first["request"] == {"subtype": "interrupt"}
    assert first["request_id"] != second["request_id"]


@given(
    st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda rest: b'{"type":"control_request",' + rest))
)
def test_no_line_breaks_it(heard: bytes) -> None:
    opened().heard(heard)

"""What is said to ``pi --mode rpc``, against recorded conversations and against whatever it may say one day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import loops
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.known.pi import KNOWN
from loops.runner.order import RunOrder
from loops.runner.pi import PiDialogue
from recorded_dialogue import lines, replay

SESSION = "01a1fe2d-370f-7321-be54-57f481a859d0"


def dialogue(**facts: Any) -> PiDialogue:
    given = {
        "backend": "pi",
        "mode": "headless",
        "agent": "builder",
        "run": "builder.1",
        "directory": "/repo",
        "run_dir": "/run",
        "home": "/home",
        "signals": "/signals",
        "answers": "/answers",
        "bin": "pi",
    }
    return PiDialogue(RunOrder(**{**given, **facts}), KNOWN)


def line(**message: Any) -> bytes:
    return json.dumps(message).encode()


def read(sent: Any) -> list[dict[str, Any]]:
    return [json.loads(sent_line) for sent_line in sent]


def state(session: str = SESSION, **more: Any) -> bytes:
    return line(id="1", type="response", command="get_state", success=True, data={"sessionId": session}, **more)


def opened(**facts: Any) -> PiDialogue:
    talk = dialogue(**facts)
    talk.open()
    assert talk.heard(state()) == ()
    assert talk.ready
    return talk


def asked(talk: PiDialogue, name: str = "q1") -> PiDialogue:
    question = line(type="extension_ui_request", id=name, method="confirm", title="Allow bash?", message="make")
    assert talk.heard(question) == (), "it waits for an answer"
    return talk


def session_of(name: str) -> str:
    states = (json.loads(sent) for stream, sent in lines("pi", name) if stream == "out" and b'"get_state"' in sent)
    return next(iter(states))["data"]["sessionId"]


def owner(talk: PiDialogue, refusal: str = "") -> Any:
    """What the runner wanted when a line went out, seen by the line."""

    def act(sent: bytes) -> list[bytes]:
        message = json.loads(sent)
        match message["type"]:
            case "prompt":
                return list(talk.say(message["message"]))
            case "abort":
                return list(talk.interrupt())
        return list(talk.answer(message["id"], message["confirmed"], refusal))

    return act


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("ok", ""),
        ("slow", ""),
        ("approval-granted", ""),
        ("approval-denied", ""),
        ("approval-denied-reason", "use-the-other-file"),
        ("approval-interrupted", ""),
        ("interrupt", ""),
        ("hang-interrupt", ""),
        ("e401", ""),
        ("e500", ""),
        ("killed", ""),
    ],
)
def test_a_recorded_conversation_is_led_again_word_for_word(name: str, refusal: str) -> None:
    talk = dialogue()
    replay(talk, lines("pi", name), owner(talk, refusal))
    assert talk.ready


def test_a_resumed_conversation_is_the_one_that_was_asked_for() -> None:
    talk = dialogue(conversation=session_of("resumed-other-model"))
    replay(talk, lines("pi", "resumed-other-model"), owner(talk))
    assert talk.ready


def test_a_conversation_that_cannot_be_resumed_is_not_talked_to() -> None:
    talk = dialogue(conversation=SESSION)
    replay(talk, lines("pi", "resume-unknown"), owner(talk))
    assert not talk.ready


def test_another_session_than_the_one_asked_for_is_not_talked_to() -> None:
    talk = dialogue(conversation=SESSION)
    talk.open()
    talk.heard(state("another"))
    assert not talk.ready


@pytest.mark.parametrize("allow", [True, False])
def test_a_question_of_the_gate_is_answered_once(allow: bool) -> None:
    talk = asked(opened())
    assert read(talk.answer("q1", allow, "")) == [{"type": "extension_ui_response", "id": "q1", "confirmed": allow}]
    assert talk.answer("q1", allow, "") == ()


def test_the_reason_of_a_refusal_reaches_the_agent() -> None:
    _, steer = read(asked(opened()).answer("q1", False, "not on a Sunday"))
    assert steer["type"] == "steer"
    assert "not on a Sunday" in steer["message"]


def test_an_interrupt_refuses_what_the_turn_waits_for() -> None:
    abort, refusal = read(asked(opened()).interrupt())
    assert abort["type"] == "abort"
    assert refusal == {"type": "extension_ui_response", "id": "q1", "cancelled": True}


@pytest.mark.parametrize("method", ["select", "input", "editor"])
def test_a_question_to_a_human_is_cancelled_for_nobody_is_there(method: str) -> None:
    (answer,) = read(opened().heard(line(type="extension_ui_request", id="q2", method=method, title="Which?")))
    assert answer == {"type": "extension_ui_response", "id": "q2", "cancelled": True}


@pytest.mark.parametrize("method", ["notify", "setStatus", "setWidget", "setTitle", "set_editor_text"])
def test_a_notice_of_an_extension_needs_no_answer(method: str) -> None:
    assert opened().heard(line(type="extension_ui_request", id="q3", method=method)) == ()


def test_a_message_is_never_taken_for_a_command() -> None:
    (sent,) = read(opened().say("/quit"))
    assert sent["message"] == " /quit"


def test_a_message_goes_out_whole_whatever_was_pasted() -> None:
    for pasted in ("two\nlines", "\u2028", "\udcff", 'quo"te', "é"):
        (sent,) = opened().say(pasted)
        assert b"\n" not in sent
        assert json.loads(sent)["message"] == pasted.encode("utf-8", "replace").decode()


def test_every_file_that_a_start_puts_into_the_home_is_in_the_package() -> None:
    for source in KNOWN.files:
        assert (Path(loops.__file__).parent / source).is_file()
    assert "{home}/" + KNOWN.files["runner/pi_gate.ts"] in KNOWN.permissions["ask"]


def test_every_permission_has_its_words() -> None:
    assert set(KNOWN.permissions) == {"read", "ask", "edits", "skip"}
    gated = {name for name, words in KNOWN.permissions.items() if any("pi_gate" in word for word in words)}
    assert gated == {"ask", "edits"}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=9) | st.just(SESSION),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "method", "command", "success", "data", "sessionId", "message"]),
            inner | st.sampled_from(["extension_ui_request", "response", "get_state", "confirm", "input"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.binary(max_size=60) | _VALUES.map(lambda value: json.dumps(value).encode()), max_size=8))
def test_no_line_is_too_strange_to_be_heard(heard: list[bytes]) -> None:
    for talk in (dialogue(), opened(), dialogue(conversation=SESSION)):
        for sent in heard:
            for out in talk.heard(sent):
                assert isinstance(json.loads(out), dict)
        talk.answer("q1", True, "")
        talk.interrupt()

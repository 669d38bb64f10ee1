"""What is said to ``codex app-server``, against recorded conversations and against whatever it may say one day."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.known.codex import KNOWN
from loops.runner.codex import CodexDialogue
from loops.runner.order import RunOrder
from recorded_dialogue import lines, replay

THREAD, TURN = "01a1fe2d-31aa-7dd0-9de1-49a81633e0a2", "01a1fe2d-31c4-7f43-9efc-1cb326ebb635"


def order(**facts: Any) -> RunOrder:
    given = {
        "backend": "codex",
        "mode": "headless",
        "agent": "builder",
        "run": "builder.1",
        "directory": "/repo",
        "run_dir": "/run",
        "home": "/home",
        "signals": "/signals",
        "answers": "/answers",
        "bin": "codex",
    }
    return RunOrder(**{**given, **facts})


def dialogue(**facts: Any) -> CodexDialogue:
    return CodexDialogue(order(**facts), KNOWN)


def line(**message: Any) -> bytes:
    return json.dumps(message).encode()


def read(sent: Any) -> list[dict[str, Any]]:
    return [json.loads(sent_line) for sent_line in sent]


def introduced(**facts: Any) -> tuple[CodexDialogue, dict[str, Any]]:
    """A dialogue that has sent its request for a thread, and that request."""
    talk = dialogue(**facts)
    talk.open()
    initialized, request = read(talk.heard(line(id=1, result={"userAgent": "codex"})))
    assert initialized == {"method": "initialized"}
    return talk, request


def opened(**facts: Any) -> CodexDialogue:
    talk, request = introduced(**facts)
    assert talk.heard(line(id=request["id"], result={"thread": {"id": THREAD}})) == ()
    assert talk.ready
    return talk


def running(**facts: Any) -> CodexDialogue:
    talk = opened(**facts)
    talk.say("work")
    talk.heard(line(method="turn/started", params={"threadId": THREAD, "turn": {"id": TURN}}))
    return talk


def request_of(name: str) -> dict[str, Any]:
    """The parameters with which a recorded conversation opened its thread."""
    opening = next(sent for stream, sent in lines("codex", name) if stream == "in" and b'"thread/' in sent)
    return json.loads(opening)["params"]


def owner(talk: CodexDialogue, refusal: str = "") -> Any:
    """What the runner wanted when a line went out, seen by the line."""

    def act(sent: bytes) -> list[bytes]:
        message = json.loads(sent)
        match message.get("method"):
            case "turn/start":
                return list(talk.say(message["params"]["input"][0]["text"]))
            case "turn/interrupt":
                return list(talk.interrupt())
        allow = message["result"]["decision"] == "accept"
        return list(talk.answer(str(message["id"]), allow, refusal))

    return act


@pytest.mark.parametrize(
    ("name", "permissions", "refusal"),
    [
        ("ok", "skip", ""),
        ("slow", "skip", ""),
        ("approval-granted", "ask", ""),
        ("approval-denied", "ask", ""),
        ("approval-denied-reason", "ask", "use-the-other-file"),
        ("approval-interrupted", "ask", ""),
        ("interrupt", "skip", ""),
        ("hang-interrupt", "skip", ""),
        ("limit", "skip", ""),
        ("e401", "skip", ""),
        ("killed", "skip", ""),
    ],
)
def test_a_recorded_conversation_is_led_again_word_for_word(name: str, permissions: str, refusal: str) -> None:
    talk = dialogue(permissions=permissions, model="mock-model", directory=request_of(name)["cwd"])
    replay(talk, lines("codex", name), owner(talk, refusal))
    assert talk.ready


def test_a_resumed_conversation_gets_the_model_and_the_effort_of_its_order() -> None:
    opening = request_of("resumed-other-model")
    talk = dialogue(model="other-model", effort="high", directory=opening["cwd"], conversation=opening["threadId"])
    replay(talk, lines("codex", "resumed-other-model"), owner(talk))
    assert talk.ready


def test_a_conversation_that_cannot_be_resumed_is_not_talked_to() -> None:
    opening = request_of("resume-unknown")
    talk = dialogue(model="mock-model", directory=opening["cwd"], conversation=opening["threadId"])
    replay(talk, lines("codex", "resume-unknown"), owner(talk))
    assert not talk.ready


def test_another_thread_than_the_one_asked_for_is_not_talked_to() -> None:
    talk, request = introduced(conversation=THREAD)
    assert request["method"] == "thread/resume"
    assert talk.heard(line(id=request["id"], result={"thread": {"id": "another"}})) == ()
    assert not talk.ready


@pytest.mark.parametrize(
    ("permissions", "policy", "sandbox"),
    [
        ("read", "never", "read-only"),
        ("ask", "untrusted", "workspace-write"),
        ("edits", "on-request", "workspace-write"),
        ("skip", "never", "danger-full-access"),
    ],
)
def test_permissions_become_an_approval_policy_and_a_sandbox(permissions: str, policy: str, sandbox: str) -> None:
    for conversation in ("", THREAD):
        _, request = introduced(permissions=permissions, conversation=conversation)
        assert (request["params"]["approvalPolicy"], request["params"]["sandbox"]) == (policy, sandbox)


def test_a_fresh_thread_without_a_model_takes_the_one_of_the_configuration() -> None:
    _, request = introduced()
    assert request["method"] == "thread/start"
    assert "model" not in request["params"]


@pytest.mark.parametrize(
    ("method", "params", "yes", "no"),
    [
        ("item/commandExecution/requestApproval", {}, {"decision": "accept"}, {"decision": "decline"}),
        ("item/fileChange/requestApproval", {}, {"decision": "accept"}, {"decision": "decline"}),
        (
            "item/permissions/requestApproval",
            {"permissions": {"network": {"enabled": True}}},
            {"permissions": {"network": {"enabled": True}}, "scope": "turn"},
            {"permissions": {}, "scope": "turn"},
        ),
        ("execCommandApproval", {}, {"decision": "approved"}, {"decision": {"denied": {"rejection": "refused"}}}),
        ("applyPatchApproval", {}, {"decision": "approved"}, {"decision": {"denied": {"rejection": "refused"}}}),
    ],
)
def test_each_approval_is_answered_in_its_own_form(
    method: str, params: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]
) -> None:
    for allow, result in ((True, yes), (False, no)):
        talk = running()
        assert talk.heard(line(id=7, method=method, params=params)) == (), "it waits for an answer"
        assert read(talk.answer("7", allow, "")) == [{"id": 7, "result": result}]
        assert talk.answer("7", allow, "") == (), "it is answered once"


def test_the_reason_of_a_refusal_reaches_the_agent() -> None:
    talk = running()
    talk.heard(line(id=0, method="item/commandExecution/requestApproval", params={}))
    _, steer = read(talk.answer("0", False, "not on a Sunday"))
    assert steer["method"] == "turn/steer"
    assert steer["params"]["expectedTurnId"] == TURN
    assert "not on a Sunday" in steer["params"]["input"][0]["text"]


def test_an_approval_that_codex_took_back_is_not_answered() -> None:
    talk = running()
    talk.heard(line(id=0, method="item/commandExecution/requestApproval", params={}))
    talk.heard(line(method="serverRequest/resolved", params={"threadId": THREAD, "requestId": 0}))
    assert talk.answer("0", True, "") == ()


def test_a_question_to_a_human_is_answered_that_nobody_is_there() -> None:
    asked = {"questions": [{"id": "colour", "header": "Colour", "question": "Which?"}]}
    (answer,) = read(running().heard(line(id="q1", method="item/tool/requestUserInput", params=asked)))
    assert answer["id"] == "q1"
    assert "Decide yourself" in answer["result"]["answers"]["colour"]["answers"][0]


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("mcpServer/elicitation/request", {"action": "decline"}),
        (
            "item/tool/call",
            {"contentItems": [{"type": "inputText", "text": "There is no such tool."}], "success": False},
        ),
    ],
)
def test_what_nobody_can_answer_is_declined_at_once(method: str, result: dict[str, Any]) -> None:
    assert read(running().heard(line(id=3, method=method, params={}))) == [{"id": 3, "result": result}]


@given(st.text(min_size=1).filter(lambda method: not method.endswith("Approval")), st.integers() | st.text())
def test_an_unknown_request_is_answered_with_an_error(method: str, identity: int | str) -> None:
    known = ("mcpServer/elicitation/request", "item/tool/call", "item/tool/requestUserInput")
    (answer,) = read(opened().heard(line(id=identity, method=method, params={})))
    assert answer["id"] == identity
    assert method in known or answer["error"]["code"] == -32601


def test_an_interrupt_before_the_turn_has_an_id_is_sent_as_soon_as_it_has_one() -> None:
    talk = opened()
    (start,) = read(talk.say("work"))
    assert talk.interrupt() == ()
    (interrupt,) = read(talk.heard(line(id=start["id"], result={"turn": {"id": TURN}})))
    assert interrupt["method"] == "turn/interrupt"
    assert interrupt["params"] == {"threadId": THREAD, "turnId": TURN}


def test_without_a_turn_there_is_nothing_to_interrupt() -> None:
    talk = opened()
    assert talk.interrupt() == ()
    (start,) = read(talk.say("work"))
    assert talk.heard(line(id=start["id"], result={"turn": {"id": TURN}})) == ()


def test_the_end_of_a_thread_of_codex_own_is_not_the_end_of_our_turn() -> None:
    talk = running()
    talk.heard(line(method="turn/completed", params={"threadId": "another", "turn": {"id": "other"}}))
    (interrupt,) = read(talk.interrupt())
    assert interrupt["params"]["turnId"] == TURN


def test_a_message_goes_out_whole_whatever_was_pasted() -> None:
    for pasted in ("two\nlines", "\u2028", "\udcff", 'quo"te', "é"):
        (sent,) = opened().say(pasted)
        assert b"\n" not in sent
        assert json.loads(sent)["params"]["input"][0]["text"] == pasted.encode("utf-8", "replace").decode()


_MEMBERS = st.sampled_from(["id", "method", "params", "result", "error", "threadId", "thread", "turn", "requestId"])
_METHODS = st.sampled_from(["turn/started", "turn/completed", "serverRequest/resolved", "item/tool/requestUserInput"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=9) | st.just(THREAD) | _METHODS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_MEMBERS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.binary(max_size=60) | _VALUES.map(lambda value: json.dumps(value).encode()), max_size=8))
def test_no_line_is_too_strange_to_be_heard(heard: list[bytes]) -> None:
    for talk in (dialogue(), running(), opened(conversation=THREAD)):
        for sent in heard:
            for out in talk.heard(sent):
                assert isinstance(json.loads(out), dict)
        talk.answer("1", True, "")
        talk.interrupt()


def test_a_line_nested_beyond_reason_is_passed_over() -> None:
    assert opened().heard(b'{"id":' + b"[" * 200_000) == ()

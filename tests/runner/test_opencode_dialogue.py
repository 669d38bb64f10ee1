"""The dialogue with opencode's server, with lines that 1.18.33 really wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.known.opencode import KNOWN
from loops.runner.opencode import REFUSED, TRIES, OpencodeDialogue
from loops.runner.order import RunOrder

SESSION = "ses_e01d7fd6affeEgrxGQY1rzNmIw"
ORDER = RunOrder(
    backend="opencode",
    mode="headless",
    agent="builder",
    run="builder.3",
    directory="/repo",
    run_dir="/run",
    home="/home",
    signals="/signals",
    answers="/answers",
    bin="opencode",
    model="mock/vendor/model",
)
CREATED = b'{"response": {"to": "POST /session", "status": 200, "body": {"id":"%s","slug":"x"}}}' % SESSION.encode()
CONNECTED = b'{"id":"evt_1fe280290001mWpkFK9KFY6kFP","type":"server.connected","properties":{}}'


def requests(lines):
    return [(found["method"], found["path"], found["body"]) for found in map(json.loads, lines)]


def opened(order: RunOrder = ORDER) -> OpencodeDialogue:
    dialogue = OpencodeDialogue(order, KNOWN)
    dialogue.open()
    dialogue.heard(CONNECTED)
    assert dialogue.heard(CREATED) == ()
    assert (dialogue.ready, dialogue.closed) == (True, False)
    return dialogue


def test_a_fresh_conversation_has_a_title_so_that_no_model_is_asked_for_one():
    dialogue = OpencodeDialogue(ORDER, KNOWN)
    assert requests(dialogue.open()) == [("POST", "/session", {"title": "loops builder.3"})]
    assert not dialogue.ready


def test_a_message_is_a_prompt_to_the_model_of_the_provider():
    body = {"parts": [{"type": "text", "text": "do it"}], "model": {"providerID": "mock", "modelID": "vendor/model"}}
    assert requests(opened().say("do it")) == [("POST", f"/session/{SESSION}/prompt_async", body)]


def test_effort_is_the_variant_and_no_model_leaves_the_choice_to_the_configuration():
    (_, _, body), *_ = requests(opened(ORDER._replace(model="", effort="high")).say("do it"))
    assert body == {"parts": [{"type": "text", "text": "do it"}], "variant": "high"}


def test_a_message_with_bytes_that_were_no_text_can_be_sent():
    (_, _, body), *_ = requests(opened().say("a\udcff"))
    assert body["parts"][0]["text"] == "a?"


def test_a_conversation_is_resumed_when_the_server_knows_it():
    dialogue = OpencodeDialogue(ORDER._replace(conversation=SESSION), KNOWN)
    assert requests(dialogue.open()) == [("GET", f"/session/{SESSION}", None)]
    dialogue.heard(
        b'{"response": {"to": "GET /session/%s", "status": 200, "body": {"id":"%s"}}}' % ((SESSION.encode(),) * 2)
    )
    assert dialogue.ready
    assert requests(dialogue.say("x"))[0][1] == f"/session/{SESSION}/prompt_async"


def test_a_conversation_that_is_not_there_ends_the_dialogue():
    dialogue = OpencodeDialogue(ORDER._replace(conversation="ses_abc"), KNOWN)
    dialogue.open()
    found = b'{"name":"NotFoundError","data":{"message":"Session not found: ses_abc"}}'
    assert dialogue.heard(b'{"response": {"to": "GET /session/ses_abc", "status": 404, "body": %s}}' % found) == ()
    assert (dialogue.ready, dialogue.closed) == (False, True)


def test_a_conversation_that_nobody_answered_for_is_asked_for_again_but_not_for_ever():
    dialogue = OpencodeDialogue(ORDER, KNOWN)
    nothing = b'{"response": {"to": "POST /session", "status": 0, "body": "no answer: x"}}'
    first = dialogue.open()
    answers = [dialogue.heard(nothing) for _ in range(TRIES)]
    assert answers == [first] * (TRIES - 1) + [()]
    assert dialogue.closed


def test_an_approval_is_given_for_once_or_refused_with_the_reason():
    dialogue = opened()
    path = "/permission/per_1fe280c78001zKhMHXxmMU1Mz0/reply"
    request = "per_1fe280c78001zKhMHXxmMU1Mz0"
    assert requests(dialogue.answer(request, True, "")) == [("POST", path, {"reply": "once"})]
    refusal = {"reply": "reject", "message": "not today"}
    assert requests(dialogue.answer(request, False, "not today")) == [("POST", path, refusal)]
    refusal = {"reply": "reject", "message": REFUSED}
    assert requests(dialogue.answer(request, False, "")) == [("POST", path, refusal)]


def test_an_interrupt_aborts_and_before_the_conversation_there_is_nothing_to_abort():
    assert requests(opened().interrupt()) == [("POST", f"/session/{SESSION}/abort", None)]
    assert OpencodeDialogue(ORDER, KNOWN).interrupt() == ()


def test_after_a_lost_connection_it_asks_for_what_was_missed():
    paths = [f"/session/{SESSION}/message?limit=20", "/session/status", "/permission"]
    assert requests(opened().heard(CONNECTED)) == [("GET", path, None) for path in paths]


def event(kind: str, **properties: Any) -> bytes:
    return json.dumps({"type": kind, "properties": {"sessionID": SESSION, **properties}}).encode()


def status(kind: str, session: str = SESSION) -> bytes:
    return event("session.status", sessionID=session, status={"type": kind})


def message(name: str, role: str, said: str) -> list[bytes]:
    """What the server says of a message that it has kept."""
    info = {"id": name, "role": role, "sessionID": SESSION}
    part = {"id": f"prt_of_{name}", "messageID": name, "sessionID": SESSION, "type": "text", "text": said}
    return [event("message.updated", info=info), event("message.part.updated", part=part)]


def told(dialogue: OpencodeDialogue, *lines: bytes) -> list[Any]:
    return requests([answer for line in lines for answer in dialogue.heard(line)])


def prompted(said: str = "go on") -> OpencodeDialogue:
    dialogue = opened()
    dialogue.say(said)
    return dialogue


def test_a_prompt_that_the_server_keeps_and_lets_lie_is_prompted_again_once_where_it_lies():
    """It came between the failure of a turn and the end of that turn's loop."""
    dialogue = prompted()
    kept = message("msg_2", "user", "go on")
    body = {
        "parts": [{"type": "text", "text": "go on", "id": "prt_of_msg_2"}],
        "model": {"providerID": "mock", "modelID": "vendor/model"},
        "messageID": "msg_2",
    }
    assert told(dialogue, *kept, status("idle")) == [("POST", f"/session/{SESSION}/prompt_async", body)]
    assert told(dialogue, *kept, status("idle"), *kept, status("idle")) == []


@pytest.mark.parametrize("kind", ["busy", "retry"])
def test_a_prompt_that_the_server_works_on_is_not_repeated(kind: str):
    kept = message("msg_2", "user", "go on")
    assert told(prompted(), *kept, status(kind), status("idle"), *kept, status("idle")) == []


def test_an_idle_of_the_turn_before_says_nothing_of_a_prompt_that_the_server_has_not_kept_yet():
    dialogue = prompted()
    assert told(dialogue, status("idle"), *message("msg_1", "user", "before"), status("idle")) == []
    assert told(dialogue, *message("msg_2", "assistant", "go on"), status("idle")) == []
    ((_, _, body),) = told(dialogue, *message("msg_3", "user", "go on"), status("idle"))
    assert body["messageID"] == "msg_3"


def test_what_a_subagent_does_says_nothing_of_a_prompt():
    dialogue, kept = prompted(), message("msg_2", "user", "go on")
    assert told(dialogue, *kept, status("idle", "ses_other"), status("busy", "ses_other")) == []
    assert len(told(dialogue, status("idle"))) == 1


def test_a_prompt_is_not_repeated_after_an_interrupt_nor_when_events_were_missed():
    kept = message("msg_2", "user", "go on")
    dialogue = prompted()
    dialogue.interrupt()
    assert told(dialogue, *kept, status("idle")) == []
    dialogue = prompted()
    dialogue.heard(CONNECTED)
    assert told(dialogue, *kept, status("idle")) == []


def test_a_question_is_sent_back():
    asked = {"type": "question.asked", "properties": {"id": "que_1", "sessionID": SESSION, "questions": []}}
    assert requests(opened().heard(json.dumps(asked).encode())) == [("POST", "/question/que_1/reject", None)]


NAMES = ["response", "to", "status", "body", "id", "type", "properties", "info", "part", "sessionID"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40), max_size=6))
def test_no_line_breaks_it(lines):
    dialogue = OpencodeDialogue(ORDER, KNOWN)
    dialogue.open()
    for line in lines:
        for answer in dialogue.heard(line):
            assert json.loads(answer)["method"] in ("GET", "POST")


@pytest.mark.parametrize("permissions", ["read", "ask", "edits", "skip"])
def test_permissions_are_rules_of_which_the_last_that_matches_counts(permissions):
    rules = json.loads(KNOWN.permission_env[permissions]["OPENCODE_PERMISSION"])
    assert next(iter(rules)) == "*", "the general rule stands before its exceptions"
    assert rules["question"] == "deny"
    edit = rules.get("edit", rules["*"])
    assert (rules["*"], edit) == {
        "read": ("deny", "deny"),
        "ask": ("ask", "ask"),
        "edits": ("ask", "allow"),
        "skip": ("allow", "allow"),
    }[permissions]

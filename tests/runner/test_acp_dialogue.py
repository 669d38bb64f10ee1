"""The dialogue with an agent that speaks ACP, with lines that `opencode acp` 1.18.33 really wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.known.acp import KNOWN
from loops.runner.acp import AcpDialogue
from loops.runner.order import RunOrder

SESSION = "ses_e01cc07d2ffefGeMGziO48oW1t"
ORDER = RunOrder(
    backend="acp",
    mode="headless",
    agent="builder",
    run="builder.1",
    directory="/repo",
    run_dir="/run",
    home="/home",
    signals="/signals",
    answers="/answers",
    bin="opencode",
    flags=("acp",),
)
ABLE = {"loadSession": True, "sessionCapabilities": {"close": {}, "fork": {}, "list": {}, "resume": {}}}
OPTIONS = [
    {"id": "model", "name": "Model", "category": "model", "type": "select", "currentValue": "mock/mock-model"},
    {"id": "effort", "name": "Effort", "category": "thought_level", "type": "select", "currentValue": "default"},
    {"id": "mode", "name": "Session Mode", "category": "mode", "type": "select", "currentValue": "build"},
]
ASKED = (
    b'{"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":{"sessionId":"ses_e01cc07d2ffefGeMGziO48oW1t",'
    b'"toolCall":{"toolCallId":"call_00000003","title":"echo hello-from-mock > hello.txt","kind":"execute",'
    b'"status":"pending","locations":[],"rawInput":{"command":"echo hello-from-mock > hello.txt"}},'
    b'"options":[{"optionId":"once","kind":"allow_once","name":"Allow once"},{"optionId":"always","kind":"allow_always",'
    b'"name":"Always allow"},{"optionId":"reject","kind":"reject_once","name":"Reject"}]}}'
)


def calls(lines):
    return [(found["method"], found["params"]) for found in map(json.loads, lines)]


def result(identity: int, value: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "result": value}).encode()


def error(identity: int) -> bytes:
    found = {"code": -32603, "message": "Internal error: OpenCode service failure", "data": {"service": "session"}}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": found}).encode()


def introduced(order: RunOrder = ORDER, able: object = ABLE) -> tuple[AcpDialogue, list[tuple[str, dict]]]:
    dialogue = AcpDialogue(order, KNOWN)
    assert [method for method, _ in calls(dialogue.open())] == ["initialize"]
    return dialogue, calls(dialogue.heard(result(1, {"protocolVersion": 1, "agentCapabilities": able})))


def opened(order: RunOrder = ORDER) -> AcpDialogue:
    dialogue, _ = introduced(order)
    dialogue.heard(result(2, {"sessionId": SESSION, "configOptions": OPTIONS}))
    return dialogue


def test_it_says_that_it_has_no_files_and_no_terminal():
    (_, params), *_ = calls(AcpDialogue(ORDER, KNOWN).open())
    assert params["protocolVersion"] == 1
    assert params["clientCapabilities"] == {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}


def test_a_fresh_conversation_is_ready_with_its_id():
    dialogue, sent = introduced()
    assert sent == [("session/new", {"cwd": "/repo", "mcpServers": []})]
    assert dialogue.heard(result(2, {"sessionId": SESSION})) == ()
    assert (dialogue.ready, dialogue.closed) == (True, False)
    prompt = {"sessionId": SESSION, "prompt": [{"type": "text", "text": "do it"}]}
    assert calls(dialogue.say("do it")) == [("session/prompt", prompt)]


def test_another_version_of_the_protocol_is_not_spoken():
    dialogue = AcpDialogue(ORDER, KNOWN)
    dialogue.open()
    assert dialogue.heard(result(1, {"protocolVersion": 2})) == ()
    assert (dialogue.ready, dialogue.closed) == (False, True)


@pytest.mark.parametrize(
    ("able", "method"),
    [(ABLE, "session/resume"), ({"loadSession": True}, "session/load"), ({}, "session/load")],
)
def test_a_conversation_is_resumed_without_its_history_where_that_can_be(able, method):
    dialogue, sent = introduced(ORDER._replace(conversation=SESSION), able)
    assert sent == [(method, {"sessionId": SESSION, "cwd": "/repo", "mcpServers": []})]
    dialogue.heard(result(2, {"configOptions": OPTIONS}))
    assert dialogue.ready


def test_a_conversation_that_is_not_there_ends_the_dialogue():
    dialogue, _ = introduced(ORDER._replace(conversation="ses_none"))
    assert dialogue.heard(error(2)) == ()
    assert (dialogue.ready, dialogue.closed) == (False, True)


def test_model_and_effort_are_set_before_the_first_message():
    dialogue, _ = introduced(ORDER._replace(model="mock/two", effort="high"))
    model = {"sessionId": SESSION, "configId": "model", "value": "mock/two"}
    effort = {"sessionId": SESSION, "configId": "effort", "value": "high"}
    sent = calls(dialogue.heard(result(2, {"sessionId": SESSION, "configOptions": OPTIONS})))
    assert sent == [("session/set_config_option", model)]
    assert not dialogue.ready
    assert calls(dialogue.heard(result(3, {}))) == [("session/set_config_option", effort)]
    assert dialogue.heard(result(4, {})) == ()
    assert dialogue.ready


def test_an_agent_without_options_is_told_its_model_the_older_way():
    dialogue, _ = introduced(ORDER._replace(model="mock/two", effort="high"))
    sent = calls(dialogue.heard(result(2, {"sessionId": SESSION})))
    assert sent == [("session/set_model", {"sessionId": SESSION, "modelId": "mock/two"})]


def test_a_model_that_is_not_there_ends_the_dialogue():
    dialogue, _ = introduced(ORDER._replace(model="mock/nonesuch"))
    dialogue.heard(result(2, {"sessionId": SESSION, "configOptions": OPTIONS}))
    assert dialogue.heard(error(3)) == ()
    assert (dialogue.ready, dialogue.closed) == (False, True)


@pytest.mark.parametrize(("allow", "option"), [(True, "once"), (False, "reject")])
def test_an_approval_is_answered_for_this_once_under_its_own_id(allow, option):
    dialogue = opened(ORDER._replace(permissions="ask"))
    assert dialogue.heard(ASKED) == ()
    (answer,) = dialogue.answer("0", allow, "a reason")
    outcome = {"outcome": {"outcome": "selected", "optionId": option}}
    assert json.loads(answer) == {"jsonrpc": "2.0", "id": 0, "result": outcome}
    assert dialogue.answer("0", allow, "") == ()


@pytest.mark.parametrize(
    ("permissions", "kind", "option"),
    [
        ("skip", "execute", "once"),
        ("skip", "other", "once"),
        ("edits", "edit", "once"),
        ("edits", "execute", None),
        ("ask", "read", "once"),
        ("ask", "edit", None),
        ("read", "search", "once"),
        ("read", "edit", "reject"),
        ("read", "fetch", "reject"),
    ],
)
def test_what_the_permissions_decide_is_answered_at_once(permissions, kind, option):
    dialogue = opened(ORDER._replace(permissions=permissions))
    lines = dialogue.heard(ASKED.replace(b'"execute"', json.dumps(kind).encode()))
    assert [json.loads(line)["result"]["outcome"].get("optionId") for line in lines] == [option] * (option is not None)


def test_without_the_option_that_is_meant_the_question_is_withdrawn():
    dialogue = opened(ORDER._replace(permissions="ask"))
    dialogue.heard(ASKED.replace(b"reject_once", b"something_new"))
    (answer,) = dialogue.answer("0", False, "")
    assert json.loads(answer)["result"] == {"outcome": {"outcome": "cancelled"}}


def test_an_interrupt_cancels_the_turn_and_what_it_asked():
    dialogue = opened(ORDER._replace(permissions="ask"))
    dialogue.heard(ASKED)
    cancel, withdrawn = map(json.loads, dialogue.interrupt())
    assert cancel == {"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": SESSION}}
    assert withdrawn == {"jsonrpc": "2.0", "id": 0, "result": {"outcome": {"outcome": "cancelled"}}}


@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file", "terminal/create", "elicitation/create"])
def test_requests_for_what_we_do_not_do_are_answered_so(method):
    (answer,) = opened().heard(json.dumps({"jsonrpc": "2.0", "id": "x7", "method": method, "params": {}}).encode())
    found = json.loads(answer)
    assert (found["id"], found["error"]["code"]) == ("x7", -32601)


NAMES = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "sessionId",
    "configOptions",
    "options",
    "toolCall",
    "protocolVersion",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["session/request_permission", "model", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=14,
)


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40), max_size=6))
def test_no_line_breaks_it(lines):
    for dialogue in (AcpDialogue(ORDER, KNOWN), opened(ORDER._replace(permissions="ask", model="m", effort="e"))):
        for line in lines:
            for answer in dialogue.heard(line):
                assert json.loads(answer)["jsonrpc"] == "2.0"
        dialogue.interrupt()

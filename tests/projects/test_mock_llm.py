"""The mock provider answers each wire format as the real one does, plays its scenarios, and ends at once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import loops
import pytest
from loops.errors import ConfigError, LoopsError, UsageError
from loops.projects.mock_llm.roles import ROLES
from loops.projects.mock_llm.scenarios import SCENARIOS, Ending, named
from loops.projects.mock_llm.script import next_step, read_script
from loops.projects.mock_llm.server import HOST, MockServer, Settings
from loops.projects.mock_llm.stage import Stage
from loops.projects.mock_llm.wire import Heard, Speaker

WIRES = {"responses": "v1/responses", "chat": "v1/chat/completions", "messages": "v1/messages"}
BASH = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command", "description"]}
OPENAI_TOOL = {"type": "function", "function": {"name": "bash", "parameters": BASH}}
TOOLS = {
    "responses": [{"type": "function", "name": "bash", "parameters": BASH}],
    "chat": [OPENAI_TOOL],
    "messages": [{"name": "Bash", "input_schema": BASH}],
}


@pytest.fixture
def new_server() -> Iterator[Callable[..., MockServer]]:
    made: list[tuple[MockServer, threading.Thread]] = []

    def make(**settings) -> MockServer:
        server = MockServer(Settings(**{"slow": 0.05, **settings}))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.append((server, thread))
        return server

    yield make
    for server, thread in made:
        server.shutdown()
        server.close()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def server(new_server) -> MockServer:
    return new_server()


def ask(server, method, path, body=None, timeout=60.0):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, dict(answer.getheaders()), raw
    finally:
        connection.close()


def conversation(wire: str, said: list[tuple[str, str]], stream: bool = False) -> dict:
    """A request with these (user|tool, text) parts."""
    head = {"model": "mock-model", "stream": stream, "tools": TOOLS[wire]}
    if wire == "responses":
        items = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
            if who == "user"
            else {"type": "function_call_output", "call_id": "c", "output": text}
            for who, text in said
        ]
        return {**head, "input": items}
    if wire == "chat":
        return {**head, "messages": [{"role": who, "content": text} for who, text in said]}
    blocks = [
        {"type": "text", "text": text}
        if who == "user"
        else {"type": "tool_result", "tool_use_id": "t", "content": text}
        for who, text in said
    ]
    return {**head, "messages": [{"role": "user", "content": [block]} for block in blocks]}


def post(server, wire, path, said=(("user", "hello"),), stream=False):
    status, headers, raw = ask(server, "POST", f"/{path}/{WIRES[wire]}", conversation(wire, list(said), stream))
    return status, headers, raw.decode() if stream else json.loads(raw)


def called(wire: str, body: dict) -> dict | None:
    """The arguments of the tool call in an answer; None when it is a text."""
    if wire == "responses":
        item = body["output"][0]
        return json.loads(item["arguments"]) if item["type"] == "function_call" else None
    if wire == "chat":
        calls = body["choices"][0]["message"].get("tool_calls")
        return json.loads(calls[0]["function"]["arguments"]) if calls else None
    block = body["content"][0]
    return block["input"] if block["type"] == "tool_use" else None


def text_of(wire: str, body: dict) -> str:
    if wire == "responses":
        return body["output"][0]["content"][0]["text"]
    if wire == "chat":
        return body["choices"][0]["message"]["content"]
    return body["content"][0]["text"]


def events_of(raw: str) -> list:
    found = [line.removeprefix("data: ") for line in raw.splitlines() if line.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in found]


# ---- scenarios that answer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("scenario", ["ok", "slow"])
def test_each_turn_is_one_command_and_then_a_text(server, wire, scenario):
    _, _, first = post(server, wire, scenario)
    _, _, second = post(server, wire, scenario, [("user", "hello"), ("tool", "done")])
    _, _, third = post(server, wire, scenario, [("user", "hello"), ("tool", "done"), ("user", "once more")])

    arguments = called(wire, first)
    assert arguments["command"] == "echo hello-from-mock > hello.txt"
    assert "description" in arguments
    assert called(wire, second) is None
    assert text_of(wire, second) == "MOCK-DONE"
    assert called(wire, third) == arguments


@pytest.mark.parametrize("wire", WIRES)
def test_text_answers_without_a_command(server, wire):
    _, _, body = post(server, wire, "text")
    assert text_of(wire, body) == "MOCK-DONE"


@pytest.mark.parametrize("wire", WIRES)
def test_a_request_without_tools_gets_a_title(server, wire):
    request = {**conversation(wire, [("user", "name this")]), "tools": []}
    _, _, raw = ask(server, "POST", f"/ok/{WIRES[wire]}", request)
    assert text_of(wire, json.loads(raw)) == "Mock title"


@pytest.mark.parametrize("tool", ["exec_command", "bash"])
def test_escalate_asks_to_leave_the_sandbox_where_the_tool_knows_how(server, tool):
    request = conversation("responses", [("user", "hello")])
    request["tools"] = [{"type": "function", "name": tool, "parameters": {"properties": {"cmd": {"type": "string"}}}}]
    _, _, raw = ask(server, "POST", "/escalate/v1/responses", request)
    arguments = called("responses", json.loads(raw))
    assert ("sandbox_permissions" in arguments) == (tool == "exec_command")


def test_a_freeform_tool_gets_its_javascript(server):
    request = conversation("responses", [("user", "hello")], stream=True)
    request["tools"] = [{"type": "namespace", "tools": [{"type": "custom", "name": "exec"}]}]
    _, _, raw = ask(server, "POST", "/ok/v1/responses", request)
    done = events_of(raw.decode())[-1]["response"]["output"][0]
    assert done["type"] == "custom_tool_call"
    assert "tools.exec_command" in done["input"]


def test_a_shell_that_takes_a_list_gets_one(server):
    request = conversation("responses", [("user", "hello")])
    parameters = {"properties": {"command": {"type": "array"}}}
    request["tools"] = [{"type": "function", "name": "shell", "parameters": parameters}]
    _, _, raw = ask(server, "POST", "/ok/v1/responses", request)
    assert called("responses", json.loads(raw))["command"][:2] == ["bash", "-lc"]


@pytest.mark.parametrize(
    "text",
    [
        "<system-reminder>\nno</system-reminder>",
        "<environment_context>x</environment_context>",
        "The request was refused: no",
    ],
)
@pytest.mark.parametrize("wire", WIRES)
def test_what_a_client_adds_by_itself_begins_no_turn(server, wire, text):
    _, _, body = post(server, wire, "ok", [("user", "hello"), ("tool", "done"), ("user", text)])
    assert called(wire, body) is None


# ---- the streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [[("user", "hello")], [("user", "hello"), ("tool", "done")]], ids=["call", "text"])
def test_responses_stream_to_their_end_with_usage(server, said):
    _, _, raw = post(server, "responses", "ok", said, stream=True)
    events = events_of(raw)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    usage = events[-1]["response"]["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] == 1000
    assert usage["output_tokens_details"]["reasoning_tokens"] == 10


@pytest.mark.parametrize("said", [[("user", "hello")], [("user", "hello"), ("tool", "done")]], ids=["call", "text"])
def test_chat_streams_to_its_end_with_usage(server, said):
    _, _, raw = post(server, "chat", "ok", said, stream=True)
    events = events_of(raw)
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 10
    finish = [event["choices"][0]["finish_reason"] for event in events[:-2]][-1]
    assert finish == ("tool_calls" if len(said) == 1 else "stop")


@pytest.mark.parametrize("said", [[("user", "hello")], [("user", "hello"), ("tool", "done")]], ids=["call", "text"])
def test_messages_stream_to_their_end_with_usage(server, said):
    _, _, raw = post(server, "messages", "ok", said, stream=True)
    events = events_of(raw)
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[-2]["usage"] == {**events[0]["message"]["usage"], "output_tokens": 34}
    assert events[-2]["usage"]["cache_read_input_tokens"] == 1000
    assert events[-2]["delta"]["stop_reason"] == ("tool_use" if len(said) == 1 else "end_turn")


# ---- scenarios that refuse ---------------------------------------------------------------------------------------------

STATUS = {
    "e400": 400,
    "e401": 401,
    "e403": 403,
    "e404": 404,
    "badmodel": 404,
    "e429": 429,
    "e500": 500,
    "e503": 503,
    "e529": 529,
    "limit": 429,
    "context": 400,
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("scenario", STATUS)
def test_an_error_has_its_status_and_the_form_of_its_wire(server, wire, scenario):
    for _ in range(3):
        status, _, body = post(server, wire, scenario)
        assert status == STATUS[scenario]
        assert body["error"]["message"]
        assert body["error"]["type"]
        assert ("request_id" in body) == (wire == "messages")


def test_no_credit_is_400_for_anthropic_and_429_for_openai(server):
    assert [post(server, wire, "billing")[0] for wire in WIRES] == [429, 429, 400]
    assert "credit balance is too low" in post(server, "messages", "billing")[2]["error"]["message"]
    assert post(server, "chat", "billing")[2]["error"]["code"] == "insufficient_quota"


def test_a_rate_limit_says_when_to_come_again(server):
    assert {post(server, wire, "e429")[1]["Retry-After"] for wire in WIRES} == {"1"}


def test_a_limit_names_its_reset_where_the_format_can(server):
    ask(server, "POST", "/control", {"path": "a", "scenario": "limit", "reset_in": 1000})
    began = time.time()
    body = post(server, "responses", "a")[2]["error"]
    headers = post(server, "messages", "a")[1]
    resets = float(headers["anthropic-ratelimit-unified-reset"])
    assert body["type"] == "usage_limit_reached"
    assert body["resets_at"] == resets
    assert began < resets <= began + 1010
    assert headers["anthropic-ratelimit-unified-status"] == "rejected"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("scenario", "status"), [("flaky429", 429), ("flaky500", 500)])
def test_flaky_refuses_the_first_two_requests_of_each_conversation(server, wire, scenario, status):
    for text in ("one", "another"):
        assert [post(server, wire, scenario, [("user", text)])[0] for _ in range(4)] == [status, status, 200, 200]


# ---- scenarios that break off ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_cut_begins_a_stream_and_closes_the_connection(server, wire):
    _, _, raw = post(server, wire, "cut", stream=True)
    whole = events_of(post(server, wire, "ok", stream=True)[2])
    assert 0 < len(events_of(raw)) < len(whole)


@pytest.mark.parametrize("stream", [True, False])
def test_hang_never_answers(server, stream):
    with pytest.raises(TimeoutError):
        ask(server, "POST", "/hang/v1/messages", conversation("messages", [("user", "x")], stream), timeout=0.1)


def test_hangmid_begins_and_stays_silent(server):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    connection.connect()
    line = connection.sock
    connection.request("POST", "/hangmid/v1/messages", json.dumps(conversation("messages", [("user", "x")], True)))
    answer = connection.getresponse()
    assert b"message_start" in answer.readline() + answer.readline()
    answer.readline()  # the empty line after the event
    line.settimeout(0.2)
    with pytest.raises(TimeoutError):
        answer.readline()
    connection.close()


def test_a_hang_leaves_no_thread_behind_when_its_client_goes(server):
    before = set(threading.enumerate())  # those of other tests may end meanwhile

    def serving() -> int:
        return len(set(threading.enumerate()) - before)

    clients = []
    for path in ("hang", "hangmid") * 4:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
        connection.request("POST", f"/{path}/v1/responses", json.dumps(conversation("responses", [], True)))
        clients.append(connection)
    until(lambda: serving() == len(clients))
    for connection in clients:
        connection.sock.close()
    until(lambda: serving() == 0)


def test_many_are_answered_while_others_hang(server):
    hanging = [socket.create_connection((HOST, server.port)) for _ in range(20)]
    body = json.dumps(conversation("chat", [("user", "x")])).encode()
    for each in hanging:
        head = f"POST /hang/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        each.sendall(head.encode() + body)
    assert post(server, "chat", "ok")[0] == 200
    for each in hanging:
        each.close()


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.005)


# ---- paths and their control -------------------------------------------------------------------------------------------


def test_a_path_is_told_at_run_time_what_to_play(server):
    assert post(server, "chat", "a")[0] == 200
    status, _, raw = ask(server, "POST", "/control", {"path": "a", "scenario": "e503"})
    assert (status, json.loads(raw)["paths"]["a"]) == (200, {"scenario": "e503", "requests": 1})
    assert post(server, "chat", "a")[0] == 503
    assert post(server, "chat", "b")[0] == 200
    assert json.loads(ask(server, "GET", "/control")[2])["paths"]["a"]["requests"] == 2


def test_a_scenario_with_an_end_gives_way_to_the_next_so_long_after_it_was_met():
    now = [1000.0]
    stage = Stage("ok", lambda: now[0])
    stage.change({"path": "a", "scenario": "limit", "reset_in": 5, "then": "slow"})
    now[0] = 1100.0  # an agent takes its time to start
    during = stage.seen("a")
    now[0] = 1104.0
    assert stage.seen("a") == during
    now[0] = 1105.0
    assert (during.scenario.name, stage.resets_at(during), stage.seen("a").scenario.name) == ("limit", 1105, "slow")


def test_a_change_counts_flaky_anew(server):
    order = {"path": "a", "scenario": "flaky500"}
    ask(server, "POST", "/control", order)
    first = [post(server, "chat", "a")[0] for _ in range(3)]
    ask(server, "POST", "/control", order)
    assert [post(server, "chat", "a")[0] for _ in range(3)] == first == [500, 500, 200]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"scenario": "ok"}, '"path"'),
        ({"path": "a/b", "scenario": "ok"}, '"path"'),
        ({"path": "a", "scenario": "limt"}, 'did you mean "limit"?'),
        ({"path": "a", "scenario": "ok", "then": "nope"}, "no scenario 'nope'"),
        ({"path": "a", "scenario": "ok", "reset_in": "soon"}, '"reset_in"'),
        (b"[1]", "no JSON object"),
        (b"{", "no JSON object"),
        (b"\x28\xb5\x2f\xfd", "no JSON object"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(server, order, says):
    status, _, raw = ask(server, "POST", "/control", order)
    assert status == 400
    assert says in json.loads(raw)["error"]["message"]


def test_models_are_listed_for_every_client(server):
    body = json.loads(ask(server, "GET", "/ok/v1/models")[2])
    assert body["data"][0]["id"] == "mock-model"
    assert body["models"] == []


def test_what_no_provider_has_is_not_found(server):
    assert ask(server, "GET", "/ok/v1/weather")[0] == ask(server, "POST", "/ok/v1/weather", {})[0] == 404
    assert ask(server, "HEAD", "/ok")[::2] == (200, b"")
    assert ask(server, "POST", "/ok/v1/messages/count_tokens?beta=true", {})[0] == 200


@pytest.mark.parametrize("body", [{}, {"messages": 5, "input": 5, "tools": "x"}, {"messages": [1, {"role": "user"}]}])
@pytest.mark.parametrize("wire", WIRES)
def test_an_odd_request_is_answered_all_the_same(server, wire, body):
    assert ask(server, "POST", f"/ok/{WIRES[wire]}", body)[0] == 200


def test_every_scenario_is_listed_and_unknown_ones_are_not():
    assert all(scenario.help for scenario in SCENARIOS.values())
    assert {"hang", "hangmid", "cut"} == {s.name for s in SCENARIOS.values() if s.ending is not Ending.WHOLE}
    with pytest.raises(UsageError, match="scenario-help"):
        named("x" * 30)


# ---- the log -----------------------------------------------------------------------------------------------------------


def test_the_log_tells_what_was_asked_and_no_secret(new_server, tmp_path):
    log = tmp_path / "requests.jsonl"
    server = new_server(log=str(log))
    post(server, "chat", "flaky429", [("user", "my secret")])
    line = json.loads(log.read_text())
    assert (line["path"], line["scenario"], line["refused"], line["wire"]) == ("flaky429", "flaky429", True, "chat")
    assert "secret" not in log.read_text()


def test_a_log_or_a_port_that_cannot_be_had_is_named(server, tmp_path):
    with pytest.raises(LoopsError, match="--log"):
        MockServer(Settings(log=str(tmp_path)))
    with pytest.raises(LoopsError, match="--port"):
        MockServer(Settings(port=server.port))


# ---- scripts -----------------------------------------------------------------------------------------------------------


def user(text: str) -> Heard:
    return Heard(Speaker.USER, text)


RESULT = Heard(Speaker.TOOL, "fine")


def script(tmp_path: Path, *rules):
    path = tmp_path / "script.json"
    path.write_text(json.dumps(rules))
    return read_script(str(path))


def test_a_script_runs_its_commands_one_by_one_and_then_says_its_text(tmp_path):
    rules = script(
        tmp_path, {"when": "greet (?P<who>\\w+)", "commands": ["echo {{who}}", "true"], "text": "hi {{who}}"}
    )
    heard = [user("greet ada")]
    said = []
    for _ in range(4):
        step = next_step(rules, heard)
        said.append(step.command or step.text)
        heard.append(RESULT)
    assert said == ["echo ada", "true", "hi ada", "hi ada"]


def test_the_newest_text_that_a_rule_knows_is_the_turn(tmp_path):
    rules = script(tmp_path, {"when": "dig", "commands": ["dig"]}, {"when": "sow", "commands": ["sow"]})
    assert next_step(rules, [user("dig"), RESULT, user("sow")]).command == "sow"
    assert next_step(rules, [user("sow"), RESULT, user("dig"), user("and quickly")]).command == "dig"
    assert next_step(rules, [user("reap")]).text == "MOCK-DONE"


def test_given_looks_at_the_whole_conversation_and_takes_its_newest_match(tmp_path):
    rules = script(tmp_path, {"when": "go", "given": "phase (?P<phase>\\d)", "commands": ["work {{phase}}"]})
    assert next_step(rules, [user("phase 1"), user("phase 2"), user("go")]).command == "work 2"
    assert next_step(rules, [user("go")]).command == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("{}", "list of rules"),
        ('[{"commands": []}]', 'rule 1: needs "when"'),
        ('[{"when": "("}]', "rule 1: when: no regular expression"),
        ('[{"when": "a", "comands": []}]', "unknown key 'comands'"),
        ('[{"when": "a", "commands": "ls"}]', "list of shell commands"),
    ],
)
def test_a_wrong_script_says_where_and_what(tmp_path, text, says):
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"script\.json") as caught:
        read_script(str(path))
    assert says in str(caught.value)
    with pytest.raises(ConfigError, match="--script"):
        read_script(str(tmp_path / "none.json"))


KICKOFF = "# Phase 2w: you are the {role}\n\nIts status document is `STATUS-2w.md`; the Adversary reads it.\n"
NUDGE = "[nudge n3] A claim waits for your verdict."


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_up_kickoffs_nudges_and_what_was_cut_off(role):
    rules = tuple(ROLES.values())
    kickoff = user(KICKOFF.format(role=role))
    first = next_step(rules, [kickoff])
    assert "2w" in first.command
    assert "{{" not in first.command
    for text in (
        NUDGE,
        "Your session was restarted and this conversation goes on. Look at",
        "[nudge n9] Go on",
    ):
        assert next_step(rules, [kickoff, RESULT, RESULT, user(text)]) == first
    second = next_step(rules, [kickoff, RESULT])
    assert "loops claim M1" in second.command if role == "builder" else "loops verdict M1=PASS" in second.command
    assert next_step(rules, [kickoff, RESULT, RESULT]).text.startswith(role.capitalize())


def test_the_commands_of_the_roles_are_shell(tmp_path):
    for rule in ROLES.values():
        for command in rule.commands:
            done = subprocess.run(["sh", "-n"], input=command.replace("{{phase}}", "2w"), text=True, check=False)
            assert done.returncode == 0, command


def test_a_scripted_path_plays_the_script(new_server, tmp_path):
    rules = script(tmp_path, {"when": "go", "commands": ["work"]})
    server = new_server(rules=rules, usual="script")
    for wire in WIRES:
        assert called(wire, post(server, wire, "anything", [("user", "go")])[2])["command"] == "work"


# ---- the command -------------------------------------------------------------------------------------------------------


def start(*words: str) -> subprocess.Popen[str]:
    source = str(Path(loops.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "loops", "mock-llm", *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_command_says_where_it_listens_and_ends_at_once_in_the_middle_of_a_hang(sent, code):
    process = start()
    place = process.stdout.readline().strip()
    assert place.startswith(f"listening {HOST}:")
    client = http.client.HTTPConnection(HOST, int(place.rpartition(":")[2]), timeout=20)
    client.request("POST", "/hang/v1/responses", json.dumps(conversation("responses", [("user", "x")])))
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", "")
    client.close()


def test_the_command_lists_its_scenarios():
    out, _ = start("--scenario-help").communicate(timeout=60)
    assert {line.split()[0] for line in out.splitlines()} == set(SCENARIOS)


def test_a_wrong_scenario_or_script_is_a_message_and_an_exit_code():
    for words, code in ((("--scenario", "okk"), 2), (("--script", "/nowhere/x.json"), 3)):
        process = start(*words)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert err.startswith("loops: ")

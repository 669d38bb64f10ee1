"""Requests: the operator's words become observations; nothing that anybody writes there does harm."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.config.model import Agent, Config, Kind, Loop, Phase, Watchdog
from loops.supervisor.clock import Clock
from loops.supervisor.observation import Observation, Told
from loops.supervisor.requests import Requests
from loops.supervisor.state import AgentState, Life, LoopState, State

CONFIG = Config(
    "/p/agents.toml",
    "/p",
    "1",
    "t-",
    "/p/.loops",
    Watchdog(),
    {},
    {"one": Agent("one", "t-one", Kind.LOOP, "/p"), "logs": Agent("logs", "t-logs", Kind.SERVICE, "/p")},
    Loop(phases=(Phase("1c"), Phase("2"))),
)


class Desk:
    """Requests, and what they were turned into."""

    def __init__(self, config: Config | None = CONFIG) -> None:
        self.state = State(config=config, agents={"one": AgentState("one")}, loop=LoopState(phase="1c", index=0))
        self.seen: list[Observation] = []
        self.left = False
        facts: dict[str, Any] = {
            "state": lambda: self.state,
            "see": self.seen.append,
            "settle": self._settle,
            "leave": self._leave,
            "started": 0.0,
            "trouble": lambda: "",
        }
        taken = inspect.signature(Requests).parameters
        self.requests = Requests(Clock(), **{key: value for key, value in facts.items() if key in taken})

    def _settle(self) -> None:
        agent = replace(self.state.agents["one"], incarnation=1, life=Life.STARTING)
        self.state = replace(self.state, agents={"one": agent}, nudges=self.state.nudges + 1)

    def _leave(self) -> None:
        self.left = True

    def ask(self, **words: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.requests.answer(json.dumps(words).encode()))
        return answer


def test_the_operators_word_is_taken_in_and_what_came_of_it_told() -> None:
    desk = Desk()
    answer = desk.ask(verb="up", names=["one"], model="large")
    told = desk.seen[0]
    assert isinstance(told, Told)
    assert (told.verb, told.names, told.model) == ("up", ("one",), "large")
    assert answer["ok"] is True
    assert [row["name"] for row in answer["started"]] == ["one"]
    assert answer["nudge"] == "n1"
    assert answer["phase"] == {"id": "1c", "index": 0}


def test_leaving_is_no_observation() -> None:
    desk = Desk()
    assert desk.ask(verb="leave") == {"ok": True}
    assert desk.left
    assert desk.seen == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"verb": "dance"}, "unknown verb 'dance'"),
        ({"verb": "up", "names": ["two"]}, "no agent is called 'two'; agents.toml names: one, logs"),
        ({"verb": "nudge", "names": ["logs"]}, "logs is a service"),
        ({"verb": "phase", "detail": "9"}, "no phase '9': name one of 1c, 2, or a number from 1 to 2"),
        ({"verb": "phase", "detail": "²"}, "no phase"),
        ({"verb": "up", "names": "one"}, "not a request"),
        ({"verb": "up", "names": None}, "not a request"),
        ({"names": []}, "not a request"),
    ],
)
def test_wrong_words_are_refused_with_the_right_ones(words: dict[str, Any], complaint: str) -> None:
    desk = Desk()
    answer = desk.ask(**words)
    assert answer["ok"] is False
    assert complaint in answer["error"]
    assert desk.seen == []


def test_the_last_phase_has_no_next() -> None:
    desk = Desk()
    assert desk.ask(verb="phase", detail="next")["ok"] is True
    desk.state = replace(desk.state, loop=LoopState(phase="2", index=1))
    assert "is the last phase" in desk.ask(verb="phase", detail="next")["error"]


def test_before_any_configuration_only_the_status_is_answered() -> None:
    desk = Desk(config=None)
    assert desk.ask(verb="status")["ok"] is True
    assert "loops validate" in desk.ask(verb="up")["error"]


def test_the_table_needs_no_json() -> None:
    assert desk_table(b"status plain").startswith("phase: 1c [1/2]")
    assert "\x1b" not in desk_table(b"status plain")
    assert "\x1b[1m" in desk_table(b"status colour")


def desk_table(line: bytes) -> str:
    return Desk().requests.answer(line).decode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["verb", "names", "detail", "model"]) | st.text(), inner)
    ),
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_answered(line: bytes) -> None:
    answer = Desk().requests.answer(line)
    assert answer.endswith(b"\n")
    if not line.startswith(b"status "):
        assert "ok" in json.loads(answer)


@pytest.mark.parametrize("line", [b"[" * 500_000, b'{"verb":' * 100_000, b"\xff\xfe", b"null", b'"up"', b"NaN"])
def test_nonsense_is_refused(line: bytes) -> None:
    assert json.loads(Desk().requests.answer(line))["ok"] is False


@given(st.text(), st.sampled_from(["up", "down", "phase", "nudge", "answered", "estop"]))
def test_any_detail_is_safe(detail: str, verb: str) -> None:
    assert "ok" in Desk().ask(verb=verb, detail=detail, names=["one"])

"""The fleet's table: a word for every condition, nothing that a terminal would act upon."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.places import Runtime
from loops.projects.fleet import status as fleet
from loops.projects.fleet.asking import Silence
from loops.projects.fleet.roster import Listed
from loops.projects.fleet.status import Condition, Line, cells, counts, line, tokens
from loops.projects.fleet.ward import FIRST_PAUSE, HEALTHY_AFTER, LONGEST_PAUSE, Standing, Ward

HEARD: dict[str, Any] = {
    "ok": True,
    "pid": 7,
    "up": True,
    "stopped": False,
    "complete": False,
    "phase": "1b",
    "index": 1,
    "phases": 3,
    "running": 2,
    "agents": 3,
    "tokens": 12_345,
    "wrong": {"LIMIT": 1},
    "agent": "builder",
    "what": "until 12:00, then a probe",
    "since": 65.0,
    "notes": 0,
}


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listed]:
    with tempfile.TemporaryDirectory(prefix="ll-", dir="/tmp") as runtime:
        monkeypatch.setenv("LOOPS_RUNTIME_DIR", f"{runtime}/r")
        (tmp_path / "agents.toml").write_text("")
        yield Listed("shop", str(tmp_path / "agents.toml"))


def test_a_running_project_is_shown_with_all_that_is_asked_for(listed: Listed) -> None:
    shown = cells(line(listed, HEARD, {}))

    assert shown == (
        "shop",
        "up",
        "1b 2/3",
        "2/3 (1 LIMIT)",
        "builder: until 12:00, then a probe",
        "1m 05s",
        "12.3k",
    )


@pytest.mark.parametrize(
    ("heard", "condition"),
    [
        (HEARD, Condition.UP),
        ({**HEARD, "complete": True}, Condition.COMPLETE),
        ({**HEARD, "up": False}, Condition.DOWN),
        ({**HEARD, "up": False, "stopped": True}, Condition.STOPPED),
        ({"ok": False, "error": "unknown verb 'summary'"}, Condition.UP),
        (Silence.STUCK, Condition.STUCK),
        (Silence.NOBODY, Condition.DOWN),
    ],
)
def test_a_project_has_one_word_for_how_it_is(listed: Listed, heard: Any, condition: Condition) -> None:
    assert line(listed, heard, {}).condition is condition


def test_what_the_shared_process_says_of_a_project_that_it_cannot_supervise_is_shown(listed: Listed) -> None:
    found = line(listed, Silence.NOBODY, {"standing": "broken", "why": "the journal cannot be made"})

    assert found.condition is Condition.BROKEN
    assert cells(found)[4] == "the journal cannot be made"


def test_a_project_that_is_not_there_is_absent_and_a_disabled_one_disabled(listed: Listed) -> None:
    absent = line(Listed("gone", "/nonexistent/agents.toml"), Silence.NOBODY, {})
    disabled = line(Listed("off", listed.config_path, enabled=False), Silence.NOBODY, {})
    running = line(Listed("off", listed.config_path, enabled=False), HEARD, {})

    assert absent.condition is Condition.ABSENT
    assert disabled.condition is Condition.DISABLED
    assert cells(running)[1] == "up (disabled)"


def test_a_project_at_rest_is_shown_as_its_last_snapshot_has_it(listed: Listed, tmp_path: Path) -> None:
    runtime = Runtime(listed.config_path)
    runtime.create()
    journal = tmp_path / ".loops" / "state" / "journal"
    journal.mkdir(parents=True)
    state = {
        "loop": {"phase": "2", "index": 1},
        "config": {"loop": {"phases": [{}, {}, {}]}},
        "spent": {"input_tokens": 900, "output_tokens": 100},
        "stopped": False,
    }
    (journal / "snapshot.json").write_text(json.dumps({"state": state}))
    Path(runtime.root, "config.json").write_text(json.dumps({"config": {"log_dir": str(tmp_path / ".loops")}}))

    shown = cells(line(listed, Silence.NOBODY, {}))

    assert shown[1:3] == ("down", "2 2/3 *")
    assert shown[6] == "1k"


@pytest.mark.parametrize("torn", ["", "{", '{"state": 7}', '{"state": {"loop": {}}}'])
def test_a_snapshot_that_cannot_be_understood_costs_nothing_but_its_facts(
    listed: Listed, tmp_path: Path, torn: str
) -> None:
    runtime = Runtime(listed.config_path)
    runtime.create()
    journal = tmp_path / ".loops" / "state" / "journal"
    journal.mkdir(parents=True)
    (journal / "snapshot.json").write_text(torn)
    Path(runtime.root, "config.json").write_text(json.dumps({"config": {"log_dir": str(tmp_path / ".loops")}}))

    assert cells(line(listed, Silence.NOBODY, {}))[1:3] == ("down", "-")


def test_a_file_that_was_refused_is_broken_until_it_changes(listed: Listed) -> None:
    from loops.config.cache import made_from, refused_path

    runtime = Runtime(listed.config_path)
    runtime.create()
    facts = {"made_from": made_from(listed.config_path, os.stat(listed.config_path)), "why": "agents.toml:2: no"}
    Path(refused_path(os.path.join(runtime.root, "config.json"))).write_text(json.dumps(facts))
    before = line(listed, Silence.NOBODY, {})

    os.utime(listed.config_path, (1, 1))

    assert (before.condition, before.why) == (Condition.BROKEN, "agents.toml:2: no")
    assert line(listed, Silence.NOBODY, {}).condition is Condition.DOWN


@given(st.text(max_size=200), st.text(max_size=50))
def test_whatever_an_agent_writes_no_cell_moves_a_terminals_cursor(what: str, phase: str) -> None:
    found = Line("a", "/a", True, Condition.UP, phase=phase, index=0, phases=1, waiting=what)

    assert all(cell.isprintable() for cell in cells(found))


@given(st.integers(0, 10**14))
def test_tokens_take_few_places(number: int) -> None:
    assert len(tokens(number)) <= 9
    assert tokens(0) == "-"


def test_the_sum_below_the_table_counts_every_word() -> None:
    lines = [
        Line("a", "/a", True, Condition.UP, running=2, agents=3, tokens=1000),
        Line("b", "/b", True, Condition.UP, running=1, agents=1, tokens=500),
        Line("c", "/c", True, Condition.DOWN),
    ]

    assert counts(lines) == "3 projects: 2 up, 1 down; 3/4 agents run; 1.5k tokens"
    assert fleet.HEAD[0] == "PROJECT"


# ---- who cannot be supervised --------------------------------------------------------------------------------------------


def test_a_ward_that_fails_again_and_again_is_tried_ever_more_rarely() -> None:
    ward, now, pauses = Ward("a", "/a", True), 0.0, []
    for _ in range(10):
        ward.stumble(now, "no")
        pauses.append(ward.again - now)
        now = ward.again

    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert ward.standing is Standing.BROKEN


def test_a_ward_that_was_well_for_long_begins_anew() -> None:
    ward = Ward("a", "/a", True)
    for now in (0.0, 10.0, 20.0):
        ward.stumble(now, "no")
    ward.become(Standing.RUNNING, 30.0)

    ward.stumble(30.0 + HEALTHY_AFTER, "again")

    assert ward.again == 30.0 + HEALTHY_AFTER + FIRST_PAUSE

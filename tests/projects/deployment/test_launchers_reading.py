"""A directory of launchers: precedence, what is ill-formed, what has no counterpart, and bytes that mean nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.config.problems import ConfigProblems
from loops.errors import LoopsError
from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment
from loops.projects.deployment.reading import read
from loops.projects.deployment.surroundings import Surroundings

LAUNCH = """\
import os
BUILDER_DIR = os.environ.get("BUILDER_DIR", "/srv/b")
LOOP_MODEL = os.environ.get("LOOP_MODEL", "from-script")
LOOP_BACKEND = os.environ.get("LOOP_BACKEND", "claude")
STALL_GRACE = os.environ.get("STALL_GRACE", "180")
BUILDER_SESSION, ADV_SESSION = "ci-builder", "ci-adv"
SPARE_SESSION = "ci-spare"
STRANGE = os.environ.get("STRANGE", "x")


def build_loop_kickoff(role, phase_id):
    return f"{role} {phase_id}"
"""
ORCHESTRATOR = """\
SESSION = "ci-orchestrator"
MODEL = "large"
STARTUP_PROMPT = "Keep it going.\\n"
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    root.mkdir()
    (root / "launch.py").write_text(LAUNCH)
    (root / "launch-orchestrator.py").write_text(ORCHESTRATOR)
    (root / ".phases-spec").write_text("1|plan.md|STATUS.md;2|plan-2.md|STATUS-2.md\n")
    return root


def fact(deployment: Deployment, subject: str, name: str, field: str) -> str | None:
    return facts(deployment).get(Place(subject, name, field))


def listed(deployment: Deployment) -> dict[str, str]:
    return {note.place: f"{note.what}: {note.why}" for note in deployment.untranslated}


def test_the_environment_wins_over_the_dotfile_and_that_over_the_script(live: Path):
    assert fact(read(str(live)), "agent", "builder", "model") == "from-script"

    (live / ".loop-model").write_text("from-dotfile\n")
    assert fact(read(str(live)), "agent", "builder", "model") == "from-dotfile"

    unit = live / "x.service"
    unit.write_text("[Service]\nEnvironment=LOOP_MODEL=from-unit\nExecStart=python3 launch.py\n")
    found = read(str(live))
    assert fact(found, "agent", "builder", "model") == "from-unit"
    assert found.origins["agent builder: model"] == "x.service:2"

    given = read(str(live), Surroundings(settings={"LOOP_MODEL": "from-option"}))
    assert fact(given, "agent", "builder", "model") == "from-option"


def test_the_model_of_a_phase_is_the_one_of_its_dotfile(live: Path):
    (live / ".loop-model-2").write_text("large\n")
    (live / ".loop-model-9").write_text("large\n")

    found = read(str(live))

    assert fact(found, "phase", "1", "model of builder") == "from-script"
    assert fact(found, "phase", "2", "model of builder") == "large"
    assert "no such phase" in listed(found)[".loop-model-9"]


def test_the_same_is_read_from_the_directory_its_unit_and_a_file_of_variables(live: Path, tmp_path: Path):
    unit = tmp_path / "loops.service"
    unit.write_text(
        f"[Service]\nWorkingDirectory={live}\nEnvironment=LOOP_MODEL=m\nExecStart=/bin/sh {live}/launch.sh\n"
    )
    (live / "loops.env").write_text("LOOP_MODEL=m\n")

    by_option = facts(read(str(live), Surroundings(str(unit))))

    assert facts(read(str(unit))) == by_option
    assert facts(read(str(live / "loops.env"))) == by_option


def test_two_units_are_not_chosen_from(live: Path):
    for name in ("a.service", "b.service"):
        (live / name).write_text("[Service]\nEnvironment=LOOP_MODEL=x\nExecStart=python3 launch.py\n")

    found = read(str(live))

    assert fact(found, "agent", "builder", "model") == "from-script"
    assert "--unit" in listed(found)["a.service, b.service"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("1|plan.md", "ID|PLAN|STATUS"),
        ("1|plan.md|", "ID|PLAN|STATUS"),
        ("1|a|b|c", "ID|PLAN|STATUS"),
        ("1 x|a|b", "an id that is none"),
        ("1|a|b;1|c|d", "earlier phase"),
    ],
)
def test_a_plan_with_a_torn_phase_is_refused_with_its_place(live: Path, spec: str, why: str):
    (live / ".phases-spec").write_text(f"0|plan|status;{spec};")

    with pytest.raises(ConfigProblems) as told:
        read(str(live))

    assert ".phases-spec" in str(told.value)
    assert why in str(told.value)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "99", "0x1", "\ufffd"])
def test_an_index_that_is_none_is_listed_and_never_guessed(live: Path, text: str):
    (live / ".phase-idx").write_text(text)

    found = read(str(live))

    assert found.at is None
    assert "phase" in listed(found)[".phase-idx"]


def test_a_time_that_is_no_number_is_refused(live: Path):
    with pytest.raises(ConfigProblems, match="STALL_GRACE: must be a number of seconds"):
        read(str(live), Surroundings(settings={"STALL_GRACE": "soon"}))


def test_a_start_that_would_begin_again_is_a_hazard_that_is_said(live: Path):
    (live / "launch.py").write_text(LAUNCH + 'RESUME_PHASE = os.environ.get("RESUME_PHASE", "0")\n')

    assert "begins the plan again" in " ".join(listed(read(str(live))).values())
    assert "begins the plan again" not in " ".join(
        listed(read(str(live), Surroundings(settings={"RESUME_PHASE": "1"}))).values()
    )


def test_what_has_no_counterpart_is_listed(live: Path):
    (live / ".env").write_text("SECRET=1\n")
    (live / ".nobody-session-id").write_text("x\n")
    (live / ".limited-ci-adv").write_text("soon\n")

    said = listed(read(str(live), Surroundings(settings={"OTHER": "1"})))

    assert "unknown meaning" in said[".env"]
    assert "nobody of that name" in said[".nobody-session-id"]
    assert "window of a usage limit" in said[".limited-ci-adv"]
    assert "the variable OTHER" in said["--set OTHER"]
    assert "STRANGE" in said["launch.py:8"]
    assert "ci-spare" in said["launch.py:7"]


def test_a_dotfile_of_unknown_name_is_not_even_read(live: Path):
    (live / ".env").write_text("SECRET=1\n")

    assert str(live / ".env") not in read(str(live)).documents


@pytest.mark.parametrize("name", ["builder", "adv", "ci-adv", "orchestrator", "orch"])
def test_a_conversation_is_found_by_each_name_that_its_agent_has_had(live: Path, name: str):
    (live / f".{name}-session-id").write_text("0f1de1a2-2f3c-4c55-8d6b-7b7b7c0d2f11\n")

    found = [member.name for member in read(str(live)).members if member.conversation]

    assert found == [{"builder": "builder", "adv": "adversary", "ci-adv": "adversary"}.get(name, "orchestrator")]


def test_a_torn_conversation_id_is_listed(live: Path):
    (live / ".builder-session-id").write_text("two words\n")

    found = read(str(live))

    assert [member.conversation for member in found.members if member.name == "builder"] == [None]
    assert "no id of a conversation" in listed(found)[".builder-session-id"]


def test_the_orchestrator_is_kept_by_the_watchdog_unless_it_is_told_otherwise(live: Path):
    assert fact(read(str(live)), "agent", "orchestrator", "watch") == "heal"
    assert (
        fact(read(str(live), Surroundings(settings={"WATCH_ORCHESTRATOR": "0"})), "agent", "orchestrator", "watch")
        == "none"
    )


def test_a_timer_beside_the_scripts_is_a_schedule(live: Path):
    (live / "launch-upgrader.py").write_text('SESSION = "ci-upgrader"\nX_PROMPT = "Up."\n')
    (live / "systemd").mkdir()
    (live / "systemd" / "ci-upgrader.timer").write_text("[Timer]\nOnCalendar=Sun *-*-* 02:00\n")

    assert fact(read(str(live)), "agent", "upgrader", "schedule") == "Sun *-*-* 02:00"


def test_a_kickoff_that_cannot_be_told_is_listed_with_its_place(live: Path):
    (live / "launch.py").write_text(LAUNCH.replace("return f", "os.system('touch ran')\n    return f"))

    found = read(str(live))

    assert found.kickoffs is None
    assert "kickoff" in listed(found)["launch.py:12"]
    assert not (live / "ran").exists()


def test_what_holds_no_deployment_is_refused(tmp_path: Path):
    for source in (tmp_path, tmp_path / "none", tmp_path / "none.toml", tmp_path / "none.service"):
        with pytest.raises(LoopsError, match=str(tmp_path)):
            read(str(source))


def test_a_pipe_in_place_of_a_dotfile_does_not_hang(live: Path):
    (live / ".phases-spec").unlink()
    os.mkfifo(live / ".phases-spec")

    with pytest.raises(ConfigProblems, match="not a regular file"):
        read(str(live))


FUZZED = st.sampled_from(
    [
        *(".phases-spec", ".loop-backend", ".loop-model", ".loop-model-1", ".orch-model", ".phase-idx"),
        *(".builder-session-id", ".limited-x", ".run-upgrade-on-complete", "x.service", "launch.py"),
        *("launch-orchestrator.py", "prompts/builder.md"),
    ]
)
SNIPPETS = st.sampled_from(
    [b"|", b";", b"1|a|b", b"=", b"[Service]\n", b"Environment=", b'"', b"\\", b"%h", b"launch.py", b"\n"]
)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(
        FUZZED, st.binary(max_size=30) | st.lists(SNIPPETS | st.binary(max_size=3)).map(b"".join), max_size=4
    )
)
def test_random_bytes_anywhere_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
):
    root = tmp_path_factory.mktemp("fuzz")
    (root / "prompts").mkdir()
    for name, content in {"launch.py": LAUNCH.encode(), ".phases-spec": b"1|plan|status", **contents}.items():
        (root / name).write_bytes(content)

    with suppress(LoopsError):
        facts(read(str(root)))

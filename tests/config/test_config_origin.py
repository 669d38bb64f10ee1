"""Which value wins, and what `loops config show --origin` says about it."""

from __future__ import annotations

import pytest
from config_samples import FIXTURES, Shipped, Write
from loops import config
from loops.config.model import Config, Phase
from loops.config.precedence import NONE, Override
from loops.errors import UsageError

FULL = str(FIXTURES / "full.toml")


def phase(project: Config, phase_id: str) -> Phase:
    return next(phase for phase in project.loop.phases if phase.id == phase_id)


def test_the_phase_wins_over_the_file_the_environment_over_the_phase_and_a_flag_over_all(shipped: Shipped) -> None:
    project = shipped("full")
    env = config.Overrides.from_env({"AGENT_MODEL_builder": "from-env"}, project)
    flag = env.with_flags({"builder": "from-flag"}, {})
    steps = [
        config.effective(project, "builder", phase(project, "1"), NONE),
        config.effective(project, "builder", phase(project, "1b"), NONE),
        config.effective(project, "builder", phase(project, "1b"), env),
        config.effective(project, "builder", phase(project, "1b"), flag),
    ]
    assert [(step.model, str(step.model_origin)) for step in steps] == [
        ("claude-sonnet-4-6", FULL),
        ("claude-opus-4-8", "phase override 1b"),
        ("from-env", "environment AGENT_MODEL_builder"),
        ("from-flag", "flag --model"),
    ]
    assert {step.backend.name for step in steps} == {"claude"}


def test_a_backend_of_the_environment_may_be_a_built_in_one_without_a_table(shipped: Shipped) -> None:
    project = shipped("full")
    overrides = config.Overrides.from_env({"AGENT_BACKEND_builder": "codex"}, project)
    now = config.effective(project, "builder", None, overrides)
    assert (now.backend.bin, str(now.backend_origin)) == ("codex", "environment AGENT_BACKEND_builder")
    assert config.effective(project, "adversary", None, overrides).backend.name == "opencode"


def test_a_dash_of_a_name_may_be_an_underscore_in_the_environment(shipped: Shipped) -> None:
    project = shipped("full")
    for variable in ("AGENT_MODEL_reviewer-2", "AGENT_MODEL_reviewer_2"):
        overrides = config.Overrides.from_env({variable: "m"}, project)
        expected = Override("m", config.Origin(config.Source.ENVIRONMENT, variable))
        assert overrides.models == {"reviewer-2": expected}


def test_an_empty_variable_is_an_unset_one(shipped: Shipped) -> None:
    assert config.Overrides.from_env({"AGENT_MODEL_builder": ""}, shipped("full")) == NONE


def test_a_variable_that_names_no_agent_is_noted_and_nothing_is_stored() -> None:
    project = config.load(FULL, env={"AGENT_MODEL_bulider": "m", "AGENT_MODEL_builder": "m", "PATH": "/bin"})
    assert project.notes[-1] == (
        'AGENT_MODEL_bulider in the environment names no agent of this project; did you mean "builder"?'
    )
    assert project.agents == config.load(FULL).agents


def test_an_unknown_agent_or_backend_of_a_call_is_a_usage_error(shipped: Shipped) -> None:
    project = shipped("full")
    with pytest.raises(UsageError, match=r'there is no agent "bulider"; did you mean "builder"\?'):
        config.effective(project, "bulider", None)
    with pytest.raises(UsageError, match='there is no agent "cleanlogs"'):
        config.effective(project, "cleanlogs", None)
    overrides = config.Overrides.from_env({"AGENT_BACKEND_builder": "claud"}, project)
    with pytest.raises(UsageError, match=r'AGENT_BACKEND_builder: there is no backend "claud"; did you mean "claude"'):
        config.effective(project, "builder", None, overrides)
    with pytest.raises(UsageError, match='there is no phase "9"'):
        config.rows_with_origin(FULL, "9")


def line_of(text: str) -> str:
    with open(FULL, encoding="utf-8") as file:
        return f"{FULL}:{next(n for n, line in enumerate(file, 1) if line.startswith(text))}"


def test_every_row_says_where_its_value_stands() -> None:
    rows = {row.key: (row.value, str(row.origin)) for row in config.rows_with_origin(FULL)}
    assert rows["defaults.session_prefix"] == ("cc-ci-", line_of("session_prefix"))
    assert rows["agent.builder.model"] == ("claude-sonnet-4-6", line_of('model = "claude-sonnet'))
    assert rows["agent.orchestrator.model"] == ("claude-opus-4-8", line_of('model = "claude-opus'))
    assert rows["agent.orchestrator.wake.interval"] == (3600.0, line_of("wake"))
    assert rows["agent.builder.session"] == ("cc-ci-builder", "default")
    assert rows["service.cleanlogs.watch"] == ("heal", line_of('watch = "heal+stall"'))
    assert rows["service.mirror.watch"][0] == "none"
    assert rows["watchdog.stop_grace"] == (10.0, "default")
    assert rows["watchdog.restart_backoff.max"] == (300.0, "default")
    assert rows["backend.opencode.submit_key"] == ("C-m", line_of('submit_key = "C-m"'))
    assert rows["loop.done.marker"] == ("## COMPLETE", line_of("done_marker"))
    assert rows["loop.handoff.branch"] == ("trunk", line_of("branch"))
    assert rows["loop.on_complete.run"] == ("report", line_of("run"))
    assert rows["loop.phases.1b.plan"] == ("plan-phase1b-review-lint.md", line_of('plan = "plan-phase1b'))


def test_the_rows_of_a_phase_and_a_call_show_what_would_run() -> None:
    overrides = config.Overrides.from_env({"AGENT_BACKEND_builder": "codex"}, config.load(FULL))
    rows = {row.key: (row.value, str(row.origin)) for row in config.rows_with_origin(FULL, "1b", overrides)}
    assert rows["agent.builder.model"] == ("claude-opus-4-8", "phase override 1b")
    assert rows["agent.builder.backend"] == ("codex", "environment AGENT_BACKEND_builder")


def test_no_value_of_the_configuration_is_without_a_row_and_no_key_comes_twice(shipped: Shipped) -> None:
    def leaves(value: object) -> int:
        return sum(map(leaves, value.values())) if isinstance(value, dict) and value else 1

    project = shipped("new")
    rows = config.rows_with_origin(project.path)
    assert len({row.key for row in rows}) == len(rows)
    encoded = config.encode(project)
    watchdog = [row for row in rows if row.key.startswith("watchdog.")]
    assert len(watchdog) == leaves(encoded["watchdog"])
    assert len([row for row in rows if row.key.startswith("agent.adversary.")]) == (
        leaves(encoded["agents"]["adversary"]) - len(["command"])
    )


def test_tables_and_lists_have_one_row_each_at_their_line(write: Write) -> None:
    path = write(
        '[defaults]\nsession_prefix = "p-"\nlog_dir = "l"\nbackend = "demo"\n[backend.demo]\nenv = { A = "1" }\n'
        '[[agent]]\nname = "a"\nenv = { B = "2" }\n[loop]\nphases = [\n  { id = "1", items = ["D"] },\n]\n'
    )
    rows = {row.key: (row.value, str(row.origin)) for row in config.rows_with_origin(path)}
    assert rows["backend.demo.env"] == ({"A": "1"}, f"{path}:6")
    assert rows["agent.a.env"] == ({"B": "2"}, f"{path}:9")
    assert rows["loop.phases.1.items"] == ([{"id": "D", "covers": []}], f"{path}:12")

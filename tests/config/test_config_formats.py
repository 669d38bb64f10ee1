"""What files of the earlier engine, and of this one, mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_samples import FIXTURES, Shipped, Write
from loops import config
from loops.config.model import (
    Backoff,
    Budget,
    Delivery,
    Done,
    Granularity,
    Handoff,
    Item,
    Kind,
    Verdicts,
    Wake,
    Watch,
    Watchdog,
)
from loops.config.table import seconds

ROOT = str(FIXTURES)


def test_every_key_of_the_earlier_format_has_its_meaning(shipped: Shipped) -> None:
    project = shipped("full")
    assert (project.session_prefix, project.log_dir) == ("cc-ci-", f"{ROOT}/.ao-state")
    assert project.watchdog == Watchdog(log_tokens=True, token_granularity=Granularity.PHASE)
    claude, opencode = project.backends["claude"], project.backends["opencode"]
    assert claude.flags == ("--dangerously-skip-permissions",)
    assert (claude.remote_control, claude.supports_resume, claude.process_name) == (True, True, "claude")
    assert claude.active_re.startswith("esc to interrupt|Running tool|✻")
    assert opencode.flags == ("--print-logs", "--log-level", "WARN")
    assert (opencode.prompt_delivery, opencode.submit_key, opencode.stall_idle) == (Delivery.PING, "C-m", 600)
    assert opencode.preamble.startswith("Secrets are")
    assert project.loop.handoff == Handoff(
        repo="/srv/cc-ci/cc-ci",
        branch="trunk",
        remote="upstream",
        builder=("builder",),
        adversary=("adversary", "reviewer-2"),
    )
    assert project.loop.done == Done(marker="## COMPLETE")
    assert (project.loop.done_nudge, project.loop.on_complete) == (False, "report")
    assert project.loop.kickoff_template == f"{ROOT}/prompts/kickoff.md"
    assert [(phase.id, phase.plan, phase.status) for phase in project.loop.phases] == [
        ("1", "plan.md", "STATUS.md"),
        ("1b", "plan-phase1b-review-lint.md", "STATUS-1b.md"),
    ]
    assert project.loop.phases[1].models == {"builder": "claude-opus-4-8", "adversary": "claude-sonnet-4-6"}


def test_agents_of_the_earlier_format_inherit_the_defaults(shipped: Shipped) -> None:
    agents = shipped("full").agents
    orchestrator = agents["orchestrator"]
    assert (orchestrator.kind, orchestrator.resume, orchestrator.watch) == (Kind.PERSISTENT, True, Watch.HEAL)
    assert orchestrator.wake == Wake(3600, f"{ROOT}/prompts/progress.txt")
    assert orchestrator.dir == ROOT
    builder = agents["builder"]
    assert (builder.session, builder.backend, builder.model) == ("cc-ci-builder", "claude", "claude-sonnet-4-6")
    assert (builder.watch, builder.enabled, builder.dir) == (Watch.HEAL_STALL, True, "/srv/cc-ci/cc-ci")
    assert (agents["adversary"].session, agents["adversary"].backend) == ("cc-ci-adv", "opencode")
    assert not agents["assistant"].enabled


def test_a_service_runs_its_text_in_a_shell_and_its_list_as_it_is(shipped: Shipped) -> None:
    agents = shipped("full").agents
    assert agents["cleanlogs"].command == ("/bin/sh", "-c", "while sleep 60; do bin/cleanlogs; done")
    assert agents["mirror"].command == ("bin/mirror", "--every", "60")
    assert (agents["mirror"].dir, agents["mirror"].session) == (f"{ROOT}/work", "cc-ci-git-mirror")
    assert (agents["cleanlogs"].watch, agents["mirror"].watch) == (Watch.HEAL, Watch.NONE)
    assert agents["mirror"].kind is Kind.SERVICE


def test_the_live_project_keeps_its_nineteen_phases_in_order(shipped: Shipped) -> None:
    project = shipped("cc-ci")
    assert len(project.loop.phases) == 19
    assert project.loop.phases[-1].plan == "plan-phase-poe2e-end-to-end.md"
    assert list(project.agents) == [
        "orchestrator",
        "builder",
        "adversary",
        "assistant",
        "upgrader",
        "report",
        "cleanlogs",
    ]
    assert project.loop.on_complete == "report"


def test_a_backend_that_is_a_shell_text_is_driven_by_its_data_whatever_its_name(shipped: Shipped) -> None:
    demo = shipped("demo").backends["demo"]
    assert (demo.adapter, demo.prompt_delivery) == ("command", Delivery.EXEC)
    assert demo.bin == "echo '[{session}]'; echo '{kickoff}'; sleep 86400"


def test_every_new_key_has_its_meaning(shipped: Shipped) -> None:
    project = shipped("new")
    assert project.watchdog.restart_backoff == Backoff(2, 3, 600, 0.5, 90, 4)
    assert project.watchdog.budget == Budget(1_000_000, 12.5, 172_800)
    assert (project.watchdog.stop_grace, project.watchdog.stall_grace) == (15, 180)
    local = project.backends["local"]
    assert (local.bin, local.flags) == (f"{ROOT}/tools/local-agent", ("--name", "two words"))
    assert (local.resume_flags, local.session_flags) == (("--continue", "{id}"), ("--new", "{id}"))
    assert local.env == {"LOCAL_HOME": "/var/lib/local"}
    builder, adversary = project.agents["builder"], project.agents["adversary"]
    assert (builder.env, builder.budget, builder.isolate) == ({"TZ": "UTC"}, Budget(usd=3), None)
    assert (adversary.isolate, adversary.blind) == (True, ("machine-docs/JOURNAL-*",))
    (phase,) = project.loop.phases
    assert phase.items == (Item("D1"), Item("D2", ("src/**",)))
    assert (phase.checks, phase.check_timeout) == (("./check.sh", "make test"), 900)
    assert phase.status == "STATUS-1.md"
    assert project.loop.done == Done("## FINISHED", 43_200, Verdicts.OPTIONAL)


def test_builder_and_adversary_are_found_by_role_unless_they_are_named(shipped: Shipped) -> None:
    handoff = shipped("new").loop.handoff
    assert handoff is not None
    assert (handoff.repo, handoff.builder, handoff.adversary) == (ROOT, ("builder",), ("adversary",))


MINIMAL = '[defaults]\nsession_prefix = "p-"\nlog_dir = ".loops"\n'


@pytest.mark.parametrize("name", ["claude", "codex", "opencode", "pi", "demo"])
def test_a_known_backend_needs_no_table(write: Write, name: str) -> None:
    project = config.load(write(f'{MINIMAL}backend = "{name}"\n[[agent]]\nname = "a"\n'))
    assert list(project.backends) == [name]
    assert project.backends[name].adapter == name


def test_a_table_of_a_known_backend_replaces_single_values(write: Write) -> None:
    claude = config.load(write(f"{MINIMAL}[backend.claude]\nstall_idle = 60\n")).backends["claude"]
    assert (claude.bin, claude.stall_idle, claude.supports_resume) == ("claude", 60, True)


def test_another_program_is_not_looked_for_under_the_name_of_the_built_in_one(write: Write) -> None:
    claude = config.load(write(f'{MINIMAL}[backend.claude]\nbin = "/opt/stand-in"\n')).backends["claude"]
    assert (claude.bin, claude.process_name) == ("/opt/stand-in", "")


def test_relative_paths_belong_to_the_file_and_never_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(f'{MINIMAL}backend = "demo"\n[[agent]]\nname = "a"\ndir = "./w"\nprompt_file = "p.md"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    project = config.load("../agents.toml")
    assert project == config.load(path)
    assert project.agents["a"].dir == str(tmp_path / "w")
    assert project.agents["a"].prompt_file == str(tmp_path / "p.md")
    assert (project.root, project.log_dir) == (str(tmp_path), str(tmp_path / ".loops"))


def test_an_empty_model_of_an_agent_leaves_the_choice_to_the_backend(write: Write) -> None:
    text = f'{MINIMAL}backend = "demo"\nmodel = "m"\n[[agent]]\nname = "a"\nmodel = ""\n[[agent]]\nname = "b"\n'
    agents = config.load(write(text)).agents
    assert (agents["a"].model, agents["b"].model) == ("", "m")


@pytest.mark.parametrize(
    ("written", "meant"), [(0, 0.0), (1.5, 1.5), ("90s", 90.0), ("15m", 900.0), ("1.5h", 5400.0), ("2d", 172_800.0)]
)
def test_times_are_seconds_or_texts_with_a_unit(written: float | str, meant: float) -> None:
    assert seconds(written) == meant


def test_a_file_with_dos_line_ends_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "agents.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert config.load(str(path)).session_prefix == "p-"


def test_what_is_accepted_and_not_used_is_noted(shipped: Shipped) -> None:
    assert any("heavy_interval" in note for note in shipped("full").notes)
    assert shipped("new").notes == ()


def test_a_command_of_a_name_that_is_not_built_in_speaks_acp_and_resumes(tmp_path: Path) -> None:
    agents = '[[agent]]\nname = "one"\nkind = "persistent"\nbackend = "mine"\n'
    head = '[defaults]\nsession_prefix = "x-"\nlog_dir = ".loops"\n'
    (tmp_path / "agents.toml").write_text(f'{head}[backend.mine]\ncommand = ["opencode", "acp"]\n{agents}')
    mine = config.load(str(tmp_path / "agents.toml")).backends["mine"]
    assert (mine.adapter, mine.bin, mine.flags, mine.supports_resume) == ("acp", "opencode", ("acp",), True)

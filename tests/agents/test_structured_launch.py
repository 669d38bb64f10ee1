"""The adapter of the agents with a protocol of their own: what the runner is ordered to do."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from loops.agents.port import Order
from loops.agents.structured import StructuredAdapter
from loops.config.backends import BUILT_IN
from loops.config.model import Backend, Mode, Permissions
from loops.errors import ConfigError, LoopsError
from loops.runner.order import RunOrder, decode

CLAUDE = BUILT_IN["claude"]
ORDER = Order(
    agent="builder",
    session="cc-builder",
    role="builder",
    model="m",
    directory="/srv/project/builder",
    kickoff="Begin.",
    fresh_id="11111111-1111-4111-8111-111111111111",
    incarnation=3,
    state_dir="/p/.loops/state",
    runtime_dir="/run/x",
    signals="/p/.loops/state/signals/builder.3.jsonl",
)


def ordered(backend: Backend, order: Order) -> RunOrder:
    launch = StructuredAdapter(backend).launch(order)
    ((path, content),) = launch.files
    assert launch.argv[0] == sys.executable
    assert launch.argv[-1] == path
    assert Path(launch.argv[-2]).is_file()
    return decode(content)


def test_each_run_has_places_of_its_own_and_the_home_stays() -> None:
    run = ordered(CLAUDE, ORDER)
    assert (run.run, run.run_dir) == ("builder.3", "/p/.loops/state/runs/builder/3")
    assert run.answers == "/p/.loops/state/answers/builder.3"
    assert run.home == "/p/.loops/state/homes/builder"
    assert run.signals == ORDER.signals


def test_a_conversation_is_resumed_or_begun_never_both() -> None:
    fresh = ordered(CLAUDE, ORDER)
    assert (fresh.conversation, fresh.fresh_id) == ("", ORDER.fresh_id)
    resumed = ordered(CLAUDE, replace(ORDER, resume=True, conversation="old", fresh_id=""))
    assert (resumed.conversation, resumed.fresh_id) == ("old", "")


@pytest.mark.parametrize(("name", "known"), [("claude", ORDER.fresh_id), ("codex", ""), ("opencode", ""), ("pi", "")])
def test_a_conversation_is_known_before_the_start_only_where_we_choose_its_id(name: str, known: str) -> None:
    assert StructuredAdapter(BUILT_IN[name]).launch(ORDER).conversation == known


def test_the_kickoff_is_in_the_order_with_the_backends_preamble() -> None:
    launch = StructuredAdapter(replace(CLAUDE, preamble="Mind the rules.")).launch(ORDER)
    assert launch.typed == ""
    assert json.loads(launch.files[0][1])["kickoff"] == "Mind the rules.\n\nBegin."


def test_flags_that_would_contradict_the_permissions_are_left_out() -> None:
    backend = replace(CLAUDE, flags=("--dangerously-skip-permissions", "--verbose"))
    run = ordered(backend, replace(ORDER, permissions=Permissions.ASK))
    assert (run.flags, run.permissions) == (("--verbose",), "ask")


def test_a_silent_model_is_interrupted_well_before_the_supervisor_ends_the_session() -> None:
    assert 0 < ordered(CLAUDE, replace(ORDER, hang_after=900.0)).silent_after < 900.0


def test_a_message_is_a_bracketed_paste_and_a_key_of_its_own() -> None:
    typing = StructuredAdapter(CLAUDE).typing("[nudge n1] two\nlines")
    assert typing.paste == b"\x1b[200~[nudge n1] two\rlines\x1b[201~"
    assert typing.submit == b"\r"
    patient = StructuredAdapter(replace(CLAUDE, mode=Mode.TUI)).typing("x")
    assert patient.pause > typing.pause


def test_acp_needs_the_name_of_a_program() -> None:
    with pytest.raises(ConfigError, match="command"):
        StructuredAdapter(Backend(name="acp", adapter="acp"))


def test_a_login_that_is_a_credential_is_laid_down_for_the_home_to_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "login").write_bytes(b"{}\n")
    backend = replace(CLAUDE, home={".claude/.credentials.json": "credential:login", "notes": "/srv/notes"})

    launch = StructuredAdapter(backend).launch(ORDER)

    laid = "/p/.loops/state/credentials/builder/login"
    assert launch.files[0] == (laid, b"{}\n")
    run = decode(launch.files[1][1])
    assert run.home_files == ((".claude/.credentials.json", laid), ("notes", "/srv/notes"))


def test_a_login_that_is_no_credential_after_all_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    backend = replace(CLAUDE, home={".claude/.credentials.json": "credential:login"})
    with pytest.raises(
        LoopsError, match=r"credential 'login', wanted as .claude/.credentials.json in the home of builder"
    ):
        StructuredAdapter(backend).launch(ORDER)

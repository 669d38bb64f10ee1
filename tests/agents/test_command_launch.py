"""How an agent that is described by data is started and typed to."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.agents.command import CommandAdapter
from loops.agents.keys import KEYS
from loops.agents.port import Order
from loops.agents.shell import positional
from loops.config.model import Backend, Delivery
from loops.errors import ConfigError

ORDER = Order(
    agent="builder",
    session="cc-ci-builder",
    role="builder",
    model="opus",
    directory="/clone",
    kickoff="Build it.",
    conversation="c-1",
    fresh_id="f-1",
)
CLAUDE = Backend(
    name="claude", bin="claude", flags=("--yes",), supports_resume=True, session_flags=("--session-id", "{id}")
)


def test_a_fresh_agent_gets_flags_model_an_id_of_ours_and_the_kickoff_last() -> None:
    launch = CommandAdapter(CLAUDE).launch(ORDER)

    assert launch.argv == ("claude", "--yes", "--model", "opus", "--session-id", "f-1", "Build it.")
    assert (launch.conversation, launch.typed) == ("f-1", "")


def test_a_resumed_agent_gets_its_conversation() -> None:
    launch = CommandAdapter(CLAUDE).launch(replace(ORDER, resume=True))

    assert launch.argv == ("claude", "--yes", "--model", "opus", "--resume", "c-1", "Build it.")
    assert launch.conversation == "c-1"


def test_what_cannot_resume_starts_afresh_and_unnamed() -> None:
    launch = CommandAdapter(Backend(name="x", bin="x")).launch(replace(ORDER, resume=True, model=""))

    assert launch.argv == ("x", "Build it.")
    assert launch.conversation == ""


def test_ping_starts_the_agent_bare_and_types_the_kickoff() -> None:
    backend = Backend(name="opencode", bin="opencode", prompt_delivery=Delivery.PING, preamble="Mind the rules.")

    launch = CommandAdapter(backend).launch(ORDER)

    assert launch.argv == ("opencode", "--model", "opus")
    assert launch.typed == "Mind the rules.\n\nBuild it."


def test_a_kickoff_is_never_taken_for_a_flag() -> None:
    assert CommandAdapter(CLAUDE).launch(replace(ORDER, kickoff="--help")).argv[-1] == " --help"


def test_a_kickoff_too_long_for_an_argument_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match=r'131072 bytes.*prompt_delivery = "ping"'):
        CommandAdapter(CLAUDE).launch(replace(ORDER, kickoff="x" * 131_072))


def run_exec(command: str, kickoff: str) -> str:
    backend = Backend(name="demo", bin=command, prompt_delivery=Delivery.EXEC)
    launch = CommandAdapter(backend).launch(replace(ORDER, kickoff=kickoff))
    return subprocess.run(launch.argv, check=True, capture_output=True, text=True).stdout


def test_incident_25_exec_gives_the_kickoff_only_where_the_command_asks_for_it() -> None:
    assert run_exec("sleep 0; echo woke", "Build it.") == "woke\n"
    assert run_exec('echo "{session}: {kickoff}"; sleep 0', "Build it.") == "cc-ci-builder: Build it.\n"


HOSTILE = "$(echo run) `echo run` \"; echo run; ' ; echo run # \\ * {session}\n\t$1 é"


@pytest.mark.parametrize(
    "command",
    ["printf %s {kickoff}", 'printf %s "{kickoff}"', "printf %s '{kickoff}'", "printf %s 'it'\\''s' {kickoff}"],
)
def test_a_hostile_kickoff_is_text_in_every_kind_of_quotes(command: str) -> None:
    assert run_exec(command, HOSTILE).removeprefix("it's") == HOSTILE


def test_a_hostile_kickoff_is_not_run_where_the_quoting_is_beyond_us(tmp_path_factory: pytest.TempPathFactory) -> None:
    proof = tmp_path_factory.mktemp("exec") / "ran"
    kickoff = f"$(touch {proof}) `touch {proof}` '; touch {proof}; '"
    for command in (
        'echo "$(echo "{kickoff}")"',
        "# don't\necho {kickoff}",
        "cat <<E\n{kickoff}\nE",
        'echo "\\"{kickoff}"',
    ):
        run_exec(command, kickoff)
    assert not proof.exists()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_every_value_stays_one_parameter(value: str) -> None:
    script = positional("run {session} {kickoff}", {"session": "s", "kickoff": value})

    assert script == ("sh", "-c", 'run "${1}" "${2}"', "sh", "s", value)


def test_incident_16_the_text_goes_as_one_paste_and_the_submit_key_apart() -> None:
    typing = CommandAdapter(CLAUDE).typing("one\ntwo")

    assert typing.paste == b"\x1b[200~one\rtwo\x1b[201~"
    assert typing.submit == b"\r"
    assert typing.pause > 0.12, "an Enter within 120 ms of the text is a line break to some agents"


@given(st.text())
def test_no_text_can_press_a_key_or_end_its_own_paste(text: str) -> None:
    body = CommandAdapter(CLAUDE).typing(text).paste.removeprefix(b"\x1b[200~").removesuffix(b"\x1b[201~")

    assert not set(body) & (set(range(0x20)) - set(b"\t\r"))


def test_a_plain_process_is_typed_one_line() -> None:
    backend = Backend(name="demo", bin="cat", prompt_delivery=Delivery.EXEC, submit_key="C-j")

    typing = CommandAdapter(backend).typing("one\ntwo")

    assert (typing.paste, typing.submit) == (b"one two", b"\n")


def test_the_named_keys_are_those_of_tmux() -> None:
    assert (KEYS["Enter"], KEYS["C-m"], KEYS["C-j"], KEYS["Escape"]) == (b"\r", b"\r", b"\n", b"\x1b")

"""The command line and the environment of an agent's program."""

from __future__ import annotations

import pytest
from loops.known.all import KNOWN
from loops.runner import argv, registry
from loops.runner.order import RunOrder, decode, encode

CLAUDE = KNOWN["claude"]
ORDER = RunOrder(
    backend="claude",
    mode="headless",
    agent="a",
    run="a.1",
    directory="/w",
    run_dir="/r",
    home="/h",
    signals="/s",
    answers="/q",
    bin="claude",
)


def words(**more: object) -> str:
    return " ".join(argv.command(ORDER._replace(**more), CLAUDE))


def test_a_fresh_conversation_gets_our_id_and_a_resumed_one_its_own() -> None:
    assert "--session-id new" in words(fresh_id="new")
    assert "--resume old" in words(conversation="old", fresh_id="")
    assert "--session-id" not in words(conversation="old")


def test_what_was_not_ordered_is_not_said() -> None:
    assert "--model" not in words()
    assert "--effort" not in words()
    assert "--model m --effort high" in words(model="m", effort="high")


@pytest.mark.parametrize(
    ("permissions", "said"),
    [
        ("read", "--permission-mode dontAsk"),
        ("ask", "--permission-mode default"),
        ("edits", "--permission-mode acceptEdits"),
        ("skip", "--dangerously-skip-permissions"),
    ],
)
def test_permissions_are_words(permissions: str, said: str) -> None:
    assert said in words(permissions=permissions)


def test_the_sandbox_stands_first_and_the_users_own_words_last() -> None:
    command = argv.command(ORDER._replace(wrap=("bwrap", "--"), flags=("--mine",), model="m"), CLAUDE)
    assert command[:3] == ("bwrap", "--", "claude")
    assert command[-1] == "--mine"


def test_root_may_skip_permissions_only_when_it_is_said() -> None:
    assert argv.environment(ORDER, CLAUDE, {"A": "1"}, {"B": "2"}, root=True) == {"A": "1", "B": "2", "IS_SANDBOX": "1"}
    assert "IS_SANDBOX" not in argv.environment(ORDER, CLAUDE, {}, {}, root=False)
    assert "IS_SANDBOX" not in argv.environment(ORDER._replace(permissions="ask"), CLAUDE, {}, {}, root=True)


def test_braces_of_the_users_own_stay() -> None:
    assert '{"a":{model}}' in words(flags=('{"a":{model}}',), model="m")


def test_what_looks_like_a_secret_is_not_written_down() -> None:
    told = argv.told(("x", "--api-key", "abc", "--token=def", "-c", 'auth_secret="ghi"', "--model", "m"))
    assert told == [
        "x",
        "--api-key",
        "(not shown)",
        "--token=(not shown)",
        "-c",
        "auth_secret=(not shown)",
        "--model",
        "m",
    ]


def test_an_order_comes_back_from_its_document() -> None:
    order = ORDER._replace(flags=("a",), wrap=("b",), home_files=(("c", "d"),), approval_timeout=1.5)
    assert decode(encode(order)) == order


@pytest.mark.parametrize("backend", ["claude", "codex", "opencode", "pi", "acp"])
def test_every_backend_has_its_parts(backend: str) -> None:
    known = registry.known(backend)
    assert known is KNOWN[backend]
    assert registry.dialogue(ORDER._replace(backend=backend), known).ready is False
    assert registry.link(backend).pid == 0

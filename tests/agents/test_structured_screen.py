"""What a terminal interface shows before its agent reports: a known dialog, its prompt, or nothing that is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from loops.agents.port import DialogShown, Ready, Screen, Signal
from loops.agents.registry import adapter
from loops.config.backends import BUILT_IN
from loops.config.model import Mode
from loops.known.all import KNOWN

RULE = "─" * 140
DIALOGS = [
    ("claude", "trust", "Quick safety check: Is this a project you created or one you trust?"),
    ("claude", "key", " Do you want to use this API key?"),
    ("claude", "skip", "WARNING: Claude Code running in Bypass Permissions mode"),
    ("claude", "renderer", "Try the new fullscreen renderer?"),
    ("claude", "network", " Unable to connect to Anthropic services"),
    ("claude", "limit", "What do you want to do?\n ❯ 1. Stop and wait for limit to reset"),
    (
        "codex",
        "trust",
        "  Trust this folder? Codex can read, edit, and run files here, subject to your permission settings.",
    ),
    ("codex", "hooks", "Hooks need review"),
    ("pi", "trust", "Trust project folder?"),
]
PROMPTS = [
    ("claude", f"{RULE}\n❯\n{RULE}\n  ? for shortcuts"),
    ("codex", "  >_ OpenAI Codex (v0.169.0)\n› Ask Codex to do anything\n  mock-model default"),
    ("opencode", '  ┃\n  ┃  Ask anything... "Fix a TODO in the codebase"\n  ┃'),
    ("pi", f"{RULE}\n{RULE}\n/srv/work (main)\n0.0%/128k (auto)        mock-model"),
]


def read(backend: str, shown: str, mode: Mode = Mode.TUI) -> Sequence[Signal]:
    return adapter(replace(BUILT_IN[backend], mode=mode)).read_screen(Screen(tuple(shown.split("\n"))), 0.0)


@pytest.mark.parametrize(("backend", "name", "shown"), DIALOGS)
def test_a_known_dialog_is_shown_and_never_taken_for_a_prompt(backend: str, name: str, shown: str):
    found = read(backend, f"{shown}\n❯ 1. Yes\n› 2. No")
    assert [type(signal) for signal in found] == [DialogShown]
    assert shown.split("\n")[0] in str(found[0])
    assert name in {dialog.name for dialog in KNOWN[backend].dialogs if re.search(dialog.marker, shown)}


@pytest.mark.parametrize(("backend", "shown"), PROMPTS)
def test_its_empty_prompt_is_readiness(backend: str, shown: str):
    assert read(backend, shown) == (Ready(),)


@pytest.mark.parametrize("backend", sorted({backend for backend, _ in PROMPTS}))
def test_anything_else_says_nothing_by_itself(backend: str):
    assert read(backend, "Allow telemetry?\n❯ 1. Yes\n  2. No\n\n") == ()


@pytest.mark.parametrize("backend", sorted({backend for backend, _ in PROMPTS}))
def test_without_a_terminal_interface_no_screen_is_asked(backend: str):
    headless = adapter(replace(BUILT_IN[backend], mode=Mode.HEADLESS))
    assert not headless.screens
    for _, shown in PROMPTS:
        assert read(backend, shown, Mode.HEADLESS) == ()


def test_every_dialog_that_we_prevent_names_how():
    for known in KNOWN.values():
        seeds = {seed.name for seed in known.seeds}
        for dialog in known.dialogs:
            re.compile(dialog.marker)
            ours = dialog.prevented_by in seeds | set(known.env) | {""}
            assert ours or any(dialog.prevented_by in word for word in known.tui), dialog

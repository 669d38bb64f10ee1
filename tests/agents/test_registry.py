"""Backends find their adapters."""

from __future__ import annotations

import pytest
from loops.agents.command import CommandAdapter
from loops.agents.demo import DemoAdapter
from loops.agents.registry import adapter
from loops.config.model import Backend
from loops.errors import ConfigError


def test_a_backend_is_driven_by_the_adapter_that_it_names() -> None:
    assert isinstance(adapter(Backend(name="demo", adapter="demo")), DemoAdapter)
    assert isinstance(adapter(Backend(name="aider", bin="aider")), CommandAdapter)


def test_an_unknown_adapter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^\[backend.x\] adapter: unknown 'telepathy'; known: command, demo, claude, codex, opencode, pi, acp$",
    ):
        adapter(Backend(name="x", adapter="telepathy"))


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        (Backend(name="x"), r"\[backend.x\] bin: names no program"),
        (
            Backend(name="x", bin="x", submit_key="Return"),
            r"\[backend.x\] submit_key: unknown key 'Return'; known: Enter,",
        ),
        (Backend(name="x", bin="x", limit_re="("), r"\[backend.x\] limit_re: not a regular expression: .*: '\('"),
    ],
)
def test_unusable_data_is_refused_with_place_and_reason(backend: Backend, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        adapter(backend)

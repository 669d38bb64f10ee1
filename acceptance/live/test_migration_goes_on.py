"""Gate: a project that was migrated with its state goes on where the live one was, in the same conversations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from operator_shell import Operator

from .live_deployment import AT, PLAN, RESUMED, Live

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def person(live: Live, short_root: Path) -> Iterator[Operator]:
    """Somebody with the home and the programs that the live agents have had."""
    (short_root / "o").mkdir()
    found = Operator(short_root / "o")
    found.environment |= {"HOME": str(live.root / "home"), "PATH": f"{live.root}/bin:{found.environment['PATH']}"}
    yield found
    found.leaves()


def test_the_first_start_is_in_the_same_phase_and_the_same_conversations(live: Live, person: Operator):
    staged = person.place / "staged"
    before = {name: len(live.conversation(name)) for name in RESUMED}
    index = live.phase_index_file.read_bytes()

    person.types(f"loops migrate {live.source} --to {staged} --carry-state")
    explained = person.types("loops explain", at=staged).text
    person.types("loops up", at=staged)
    try:
        live.wait(lambda: all(len(live.conversation(name)) > before[name] for name in RESUMED), "all conversations")
        told = json.loads(person.types("loops status --json", at=staged).text)
    finally:
        person.types("loops down", at=staged)

    assert "was taken over: phase mailu" in explained
    assert (told["phase"]["id"], told["phase"]["index"]) == (PLAN[AT].id, AT)
    assert told["phase"]["done"] == [phase.id for phase in PLAN[:AT]]
    for name in RESUMED:
        first = live.conversation(name)[before[name]]
        assert first["event"] == "resumed", name
    assert live.phase_index_file.read_bytes() == index

"""Somebody who migrates a live deployment by the engine's commands, and what is there to be told afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operator_shell import Operator, Said

from .live_deployment import LAUNCHERS, Live

CLONES = ("cc-ci", "cc-ci-adv", "cc-ci-plan", "cc-ci.git")


class Migration(Operator):
    """Somebody who migrates a live deployment: the user that it runs as."""

    patience = 420.0

    def __init__(self, root: Path, live: Live) -> None:
        super().__init__(root)
        self.live = live
        self.home = live.root / "home"
        self.environment |= identity()
        self.environment |= {"HOME": str(self.home), "PATH": f"{live.root}/bin:{self.environment['PATH']}"}
        self.baseline = root / "before.json"
        self.staged = self.place / "cc-ci"
        self.work = self.place / "work"

    @property
    def source(self) -> str:
        """The live deployment as commands are told of it: launchers by their unit."""
        unit = f"--unit {self.live.unit} " if self.live.form == LAUNCHERS else ""
        return f"{unit}{self.live.source}"

    def takes_baseline(self) -> None:
        repositories = " ".join(f"--repo {self.live.root / name}" for name in CLONES)
        self.types(
            f"loops untouched baseline {self.live.root} --tmux {self.live.tmux_socket} {repositories} "
            f"--process {self.live.root} --to {self.baseline}"
        )

    def checks(self) -> dict[str, Any]:
        """What `loops untouched check` says now."""
        said = self.shell(f"loops untouched check {self.baseline} --json")
        facts: dict[str, Any] = json.loads(said.text)
        assert said.code == (1 if alarming(facts) else 0), said.text
        return facts

    def plan_words(self, verb: str) -> str:
        """A verb of the cutover, with all that it must know of the live side."""
        where = f"--unit {self.live.unit} --tmux {self.live.tmux_socket}"
        return f"loops cutover {verb} {self.live.source} {self.staged} {where}"

    def shell(self, line: str) -> Said:
        """Type a line that may end in any way."""
        said = self._run(line, self.place)
        self._keep(line, said)
        return said

    def migrates(self) -> None:
        self.types(f"loops migrate {self.source} --to {self.staged}")


def identity() -> dict[str, str]:
    """Whom git takes this person for."""
    names = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    return dict.fromkeys(names, "ci@example.org")


def also(live: Live) -> str:
    """What the live deployment needs besides its own directory and clones."""
    return " ".join(
        f"--also {live.root / name}" for name in ("bin", "home", "conversations", "cc-ci.git", ".cc-ci-logs", "run")
    )


def alarming(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The differences that nobody explains, or that are ours on the live system."""
    return [touch for touch in facts["touches"] if touch["alarming"]]

"""The pane as the run knows it: what it shows, what is typed into it, and the runner's own words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loops.runner.editor import Editor, Key
from loops.runner.terminal import Terminal
from loops.runner.transcript import DIM, RED, Transcript

if TYPE_CHECKING:
    from loops.streams.event import Event


class Pane:
    """Terminal, line of input and transcript together."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self.terminal = Terminal()
        self._editor = Editor()
        self._transcript = Transcript(colour=self.terminal.interactive)

    def open(self) -> None:
        """Take the terminal."""
        self.terminal.open()

    def close(self) -> None:
        """Give it back."""
        self.terminal.close()

    def typed(self) -> Sequence[str | Key] | None:
        """Return what was submitted and pressed since; None when nobody can ever type again."""
        keys = self.terminal.read()
        if keys is None:
            self.terminal.interactive = False
            return None
        found = self._editor.feed(keys)
        if Key.REDRAW in found:
            self.terminal.resized()
        self.terminal.edit(self._editor.text)
        return found

    def happened(self, event: Event) -> None:
        """Show *event*, if it is something for a person."""
        self._show(self._transcript.event(event, time.time()))

    def prompt(self, text: str) -> None:
        """Show a message that the agent is given."""
        self._show(self._transcript.prompt(text))

    def note(self, text: str) -> None:
        """Show words of the runner's own."""
        self._show(self._transcript.note(text, DIM))

    def complain(self, text: str) -> None:
        """Show what somebody has to mend."""
        self._show(self._transcript.note(text, RED))

    def _show(self, text: str) -> None:
        if text:
            self.terminal.show(text)

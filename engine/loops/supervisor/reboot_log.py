"""Keeps REBOOTS.md up with the journal: each reboot exactly one row, whenever the supervisor is killed or the disk is full."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from loops.journal.segments import flush_directory
from loops.protocol.reboots import NAME, completion, numbers
from loops.supervisor.action import LogReboots
from loops.supervisor.events import Event, MachineRebooted
from loops.supervisor.reboots import row


class RebootLog:
    """REBOOTS.md in *directory*, the project's root; *events* reads all events of the journal anew."""

    def __init__(self, directory: str, events: Callable[[], Iterable[Event]]) -> None:
        self.path = os.path.join(directory, NAME)
        self._events = events

    def bring(self, act: LogReboots) -> None:
        """Write what is missing up to ``act.upto``, behind whatever else is in the file.

        Raises:
            OSError: the file cannot be written; the next call takes it up again.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with open(descriptor, "rb+") as file:
            data = file.read()
            missing = set(range(1, act.upto + 1)) - numbers(data)
            rows = [row(event) for event in self._rebooted(missing, act.row) if event.count <= act.upto]
            kept, more = completion(data, rows)
            if kept < len(data):
                file.truncate(kept)
            if more:
                file.write(more)
            file.flush()
            os.fsync(file.fileno())
        if not data:
            flush_directory(os.path.dirname(self.path))

    def _rebooted(self, missing: set[int], at_hand: MachineRebooted | None) -> Iterable[MachineRebooted]:
        if at_hand is not None and missing <= {at_hand.count}:
            return (at_hand,)
        return (event for event in self._events() if isinstance(event, MachineRebooted)) if missing else ()

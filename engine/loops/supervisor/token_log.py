"""The token log: one JSON line for each gate and phase that ended, each exactly once whenever the supervisor is killed.

The rows are the journal's (`events.TokensMeasured`); each carries its number, so what is missing from the file is
known.  The keys ``phase_id`` and ``tokens`` are the earlier engine's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from loops.supervisor.action import LogTokens
from loops.supervisor.events import Event, TokensMeasured


def document(event: TokensMeasured) -> dict[str, Any]:
    """The row as the file has it.  ``usd`` is null where nobody knows the cost of a part."""
    costs = [each.get("usd") for each in event.agents.values()]
    return {
        "phase_id": f"{event.phase}:{event.gate}" if event.gate else event.phase,
        "row": event.row,
        "kind": event.kind,
        "phase": event.phase,
        "gate": event.gate,
        "time": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(event.seconds, 3),
        "tokens": {name: each.get("tokens") for name, each in event.agents.items()},
        "total": sum(int(each.get("tokens") or 0) for each in event.agents.values()),
        "usd": None if None in costs else round(sum(float(usd or 0.0) for usd in costs), 6),
        "agents": event.agents,
    }


class TokenLog:
    """The file at *path*; *rows* reads all events of the journal anew."""

    def __init__(self, path: str, rows: Callable[[], Iterable[Event]]) -> None:
        self._path = path
        self._rows = rows
        self._last: int | None = None

    def bring(self, act: LogTokens) -> None:
        """Write what is missing up to ``act.upto``.

        Raises:
            OSError: the file cannot be written; the next call takes it up again.
        """
        last = self._mend() if self._last is None else self._last
        self._last = None  # unknown, should the writing fail half-way
        if last < act.upto:
            if act.row is not None and act.after <= last:
                missing: Iterable[TokensMeasured] = (act.row,)
            else:
                missing = (e for e in self._rows() if isinstance(e, TokensMeasured) and e.logged and e.row > last)
            self._write("".join(json.dumps(document(row)) + "\n" for row in missing))
        self._last = max(last, act.upto)

    def _write(self, text: str) -> None:
        with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _mend(self) -> int:
        """Cut off a torn line at the end; return the number of the last row that is ours."""
        try:
            size = os.path.getsize(self._path)
        except FileNotFoundError:
            return 0
        with open(self._path, "rb+") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < size:
                try:
                    json.loads(data[end:])
                    file.write(b"\n")
                except ValueError:
                    file.truncate(end)
                    data = data[:end]
        return max((number for line in data.splitlines() if (number := _number(line))), default=0)


def _number(line: bytes) -> int:
    try:
        row = json.loads(line)
        return int(row["row"])
    except (ValueError, TypeError, KeyError):
        return 0

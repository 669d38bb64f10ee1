"""Approvals of one run: numbered in the order in which they were asked, each ended once."""

from __future__ import annotations

from typing import Any

from loops.streams.event import Fact

ONCE = ("allow_once", "reject_once")
_NAMING = ("approval_id", "request", "tool", "kind", "tool_call_id")


class Approvals:
    """The questions of one run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._asked = 0
        self.refused: set[str] = set()
        """Tool calls whose approval was not given."""
        self._waiting: dict[str, dict[str, Any]] = {}
        """By raw id of the request: what was asked."""

    def ask(
        self,
        request: str,
        tool: str,
        kind: str,
        line: str,
        given: Any = None,
        options: tuple[str, ...] = ONCE,
        call: str = "",
        time: float | None = None,
    ) -> list[Fact]:
        """The agent waits for an answer to *request*; nothing when it asked that already."""
        request = request or f"{tool}-{self._asked + 1}"
        if request in self._waiting:
            return []
        self._asked += 1
        data: dict[str, Any] = {
            "approval_id": f"{self._run}-a{self._asked}",
            "request": request,
            "tool": tool,
            "kind": kind,
            "text": " ".join(line.split())[:300],
            "input": given,
            "options": list(options),
        }
        if call:
            data["tool_call_id"] = call
        self._waiting[request] = data
        return [Fact("approval.requested", data, time)]

    def end(self, request: str, outcome: str, by: str, reason: str = "", time: float | None = None) -> list[Fact]:
        """*request* was granted, denied, or expired; nothing when it does not wait (any more)."""
        asked = self._waiting.pop(request, None)
        if asked is None:
            return []
        data: dict[str, Any] = {name: asked[name] for name in _NAMING if name in asked}
        data["by"] = by
        if outcome != "granted" and "tool_call_id" in asked:
            self.refused.add(asked["tool_call_id"])
        if reason:
            data["reason"] = reason
        return [Fact(f"approval.{outcome}", data, time)]

    def waiting(self) -> list[str]:
        """Return the requests that wait, oldest first."""
        return list(self._waiting)

    def asked(self, request: str) -> dict[str, Any] | None:
        """Return what *request* asks, while it waits."""
        return self._waiting.get(request)

"""The parts of opencode's messages: texts, tools, the end of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loops.streams import tools
from loops.streams.event import Fact
from loops.streams.reading import Document, count, epoch, number, table, text, texts, whole
from loops.streams.usage import Tokens, used

if TYPE_CHECKING:
    from loops.streams.opencode import Opencode
    from loops.streams.reader import Facts

_KEPT = 4000
"""Parts and messages that are remembered: the server repeats a part whenever it grows."""
_QUIET = frozenset({"step-start", "snapshot", "agent", "retry", "file", "subtask", "compaction"})
_REFUSED = ("The user rejected permission", "The user has specified a rule which prevents you")
"""How the error of a tool begins that was not allowed to run."""


class Parts:
    """The parts of one run."""

    def __init__(self, reader: Opencode) -> None:
        self._reader = reader
        self._seen: dict[str, None] = {}
        self._users: dict[str, None] = {}

    def role(self, message: str, role: str) -> None:
        """Remember whose *message* is."""
        if role == "user":
            _keep(self._users, message)

    def is_user(self, message: str) -> bool:
        """Return whether *message* is a prompt."""
        return message in self._users

    def first(self, mark: str) -> bool:
        """Return whether *mark* is new."""
        if mark in self._seen:
            return False
        _keep(self._seen, mark)
        return True

    def read(self, part: Document, ours: bool, time: float | None) -> Facts:
        """Read one state of a part.  Not *ours*: a subagent's, whose words are not the turn's."""
        kind, id_ = text(part, "type"), text(part, "id")
        match kind:
            case "text" | "reasoning":
                return self._said(part, kind, id_, ours, time)
            case "tool":
                return self._tool(part, time)
            case "step-finish":
                return self._finished(part, time) if self.first(id_) else []
            case "patch":
                paths = texts(part, "files") if self.first(id_) else []
                return [Fact("file.changed", {"path": path, "change": "update"}, time) for path in paths]
            case _ if kind in _QUIET:
                return []
            case _:
                return [Fact("backend.unmapped", {"raw_type": f"part/{kind}"[:200]}, time)]

    def _said(self, part: Document, kind: str, id_: str, ours: bool, time: float | None) -> Facts:
        if part.get("synthetic") is True or number(table(part, "time"), "end") is None or not self.first(id_):
            return []
        said, reader = text(part, "text"), self._reader
        data = {"text": said, "message_id": text(part, "messageID"), "model": reader.model}
        if kind == "reasoning":
            return [Fact("message.reasoning", data, time)]
        if ours:
            reader.turn.says(said)
        return [*reader.goes_on(time), Fact("message.assistant", data, time)]

    def _tool(self, part: Document, time: float | None) -> Facts:
        state, call, tool = table(part, "state"), text(part, "callID"), text(part, "tool")
        status = text(state, "status")
        facts: Facts = []
        if status in ("running", "completed", "error") and self.first(f"started {call}"):
            began = epoch(table(state, "time").get("start"))
            facts += self._reader.goes_on(time)
            facts.append(tools.started(call, tool, tools.kind(tool), state.get("input"), began or time))
        if status not in ("completed", "error") or not self.first(f"ended {call}"):
            return facts
        output, metadata, span = text(state, "output"), table(state, "metadata"), table(state, "time")
        ended = "completed"
        if status == "error":
            output = text(state, "error")
            ended = "declined" if output.startswith(_REFUSED) else "failed"
        start, end = number(span, "start"), number(span, "end")
        done = tools.completed(
            call,
            tool,
            ended,
            output,
            exit_code=whole(metadata, "exit"),
            duration_ms=None if start is None or end is None else max(0, end - start),
            time=time,
        )
        return [*facts, done]

    def _finished(self, part: Document, time: float | None) -> Facts:
        tokens, reason = table(part, "tokens"), text(part, "reason")
        cache, reasoning = table(tokens, "cache"), count(tokens, "reasoning")
        read, written = count(cache, "read"), count(cache, "write")
        found = Tokens(
            count(tokens, "input") + read + written, count(tokens, "output") + reasoning, read, written, reasoning
        )
        model, cost = self._reader.model, number(part, "cost")
        return [used(found, usd=cost, model=model, finish=reason, time=time)]


def _keep(marks: dict[str, None], mark: str) -> None:
    if len(marks) >= _KEPT:
        for old in list(marks)[: _KEPT // 2]:
            del marks[old]
    marks[mark] = None

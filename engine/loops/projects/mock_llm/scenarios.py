"""The scenarios, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from loops.errors import UsageError
from loops.projects.mock_llm.wire import Cause


class Ending(Enum):
    """How an answer that is not refused comes."""

    WHOLE = "whole"
    NEVER = "never"
    """The request is taken, and nothing comes back."""
    SILENT = "silent"
    """The stream begins, and then nothing more comes."""
    CUT = "cut"
    """The stream begins, and then the connection is closed."""


class Model(Enum):
    """What the model does."""

    COMMAND = "command"
    """In each turn one shell command, then a last text."""
    TEXT = "text"
    """Only the text."""
    ESCALATE = "escalate"
    """As COMMAND, and the command asks to leave the sandbox (codex)."""
    SCRIPT = "script"
    """Whatever the rules say (`loops.projects.mock_llm.script`)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to behave.  ``refused_first``: so many requests of each conversation are refused; 0 means all."""

    name: str
    help: str
    cause: Cause | None = None
    refused_first: int = 0
    ending: Ending = Ending.WHOLE
    model: Model = Model.COMMAND
    slow: bool = False


_ALL = (
    Scenario("ok", "in each turn one shell command, then a last text"),
    Scenario("text", "only the last text, no command", model=Model.TEXT),
    Scenario("slow", "like ok, but each answer takes its time", slow=True),
    Scenario("escalate", "like slow, and the command asks to leave the sandbox", model=Model.ESCALATE, slow=True),
    Scenario("script", "a scripted model: whole projects (--script)", model=Model.SCRIPT),
    Scenario("e400", "400, a bad request", Cause.REQUEST),
    Scenario("e401", "401, a wrong key", Cause.KEY),
    Scenario("e403", "403, no right to the model", Cause.RIGHT),
    Scenario("e404", "404, an unknown model", Cause.MODEL),
    Scenario("e429", "429, too many requests; Retry-After: 1", Cause.RATE),
    Scenario("e500", "500, an error of the provider", Cause.SERVER),
    Scenario("e503", "503, a provider without capacity", Cause.BUSY),
    Scenario("e529", "529, an overloaded provider", Cause.OVERLOADED),
    Scenario("flaky429", "429 for the first two requests of each conversation, then like ok", Cause.RATE, 2),
    Scenario("flaky500", "500 for the first two requests of each conversation, then like ok", Cause.SERVER, 2),
    Scenario("limit", "the plan is used up; the answer names the time of its reset", Cause.LIMIT),
    Scenario("billing", "no credit", Cause.BILLING),
    Scenario("context", "the conversation is longer than the context window", Cause.CONTEXT),
    Scenario("badmodel", "an unknown model (the same as e404)", Cause.MODEL),
    Scenario("hang", "takes the request and never answers", ending=Ending.NEVER),
    Scenario("hangmid", "begins the stream, then stays silent", ending=Ending.SILENT),
    Scenario("cut", "begins the stream, then closes the connection", ending=Ending.CUT),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}


def named(name: str) -> Scenario:
    """The scenario called *name*.

    Raises:
        UsageError: there is none.
    """
    try:
        return SCENARIOS[name]
    except KeyError:
        from loops.config.problems import nearest

        raise UsageError(
            f"there is no scenario {name!r}{nearest(name, SCENARIOS)}; `loops mock-llm --scenario-help` lists them"
        ) from None

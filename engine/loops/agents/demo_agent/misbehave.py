"""The dishonest part: every way in which a turn goes wrong."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from loops.agents.demo_agent.script import Mode, Rule

if TYPE_CHECKING:
    from loops.agents.demo_agent.program import Agent

_DIALOG = """\
╭──────────────────────────────────────────────╮
│ Try the new frobnicating renderer?           │
│                                              │
│ > 1. Yes, try it                             │
│   2. No, exit                                │
╰──────────────────────────────────────────────╯
Enter to confirm · Esc to cancel"""

_LONG_LINE = 10 * 1024 * 1024
_HOSTILE = (
    bytes(range(256)) * 4,  # every byte, C0 and C1 controls among them
    b"\xff\xfe\xc3\x28\xed\xa0\x80",  # no UTF-8
    b"\x1b]0;a title without an end",
    b"\x1b\\\x1b]52;c;ZXZpbA==\x07",  # the clipboard
    b"\x1b[6n\x1b[c",  # questions that a terminal answers by typing
    b"\x1b[?1049h\x1b[999;999H\x1b[31;5m",  # the alternate screen, far away, blinking red
)
_SANE = b"\x18\x1b\\\x1b[?1049l\x1b[m\r\n"


def misbehave(agent: Agent, rule: Rule) -> bool:
    """Go wrong as *rule* says; return whether the turn may go on."""
    if rule.mode is not Mode.OK:
        agent.memory.spend(rule.name)
    match rule.mode:
        case Mode.CRASH:
            agent.terminal.say("Error: something that was not foreseen")
            os._exit(1)
        case Mode.TRUNCATED:
            agent.terminal.raw(b"\xe2\x97\x8f I will now wri")
            os._exit(0)
        case Mode.HANG:
            while True:  # silent, and deaf to all but signals
                time.sleep(3600)
        case Mode.LIMIT:
            agent.memory.limited_until = time.time() + rule.seconds
            agent.show_limit()
            return False
        case Mode.FATAL:
            agent.memory.poison()
            agent.show_fatal()
            return False
        case Mode.APPROVAL:
            return _approved(agent, rule.seconds)
        case Mode.AUTH:
            text = "Invalid API key · Please run /login"
            agent.memory.pending = None
            agent.terminal.status("")
            agent.terminal.say(text)
            agent.record.signal("turn.failed", **{"class": "auth"}, text=text)
            return False
        case Mode.PROMPT_WAITING:
            _ask(agent)
        case Mode.GARBAGE:
            _spill(agent)
    return True


def _ask(agent: Agent) -> None:
    """Show a question that no engine knows; note what was pressed, for nobody should."""
    agent.terminal.status("")
    agent.terminal.say(_DIALOG)
    keys = agent.terminal.key()
    agent.record.received("key", keys.decode("utf-8", "replace"))


def _approved(agent: Agent, seconds: float) -> bool:
    """Ask, wait for the answer's file, and say what came; a refusal ends the turn."""
    folder = os.environ.get("LOOPS_ANSWERS", "")
    id = f"{os.path.basename(folder)}-a1"
    path = os.path.join(folder, f"{id}.json")
    agent.terminal.status("")
    agent.terminal.say("May I run `make install`?")
    agent.record.signal("approval.requested", approval_id=id, tool="Bash", text="Bash: make install")
    deadline = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not os.path.exists(path):
        agent.record.signal("approval.expired", approval_id=id)
        outcome, allowed = "nobody answered", False
    else:
        with open(path, encoding="utf-8") as file:
            answer = json.load(file)
        allowed = answer["allow"] is True
        agent.record.signal("approval.granted" if allowed else "approval.denied", approval_id=id)
        outcome = f"{'allowed' if allowed else 'refused'} {answer['reason']}".rstrip()
    agent.record.received("answer", outcome)
    agent.terminal.say(f"● {outcome}")
    if not allowed:
        agent.end_turn(0.0)
    return allowed


def _spill(agent: Agent) -> None:
    for piece in _HOSTILE:
        agent.terminal.raw(piece)
    line = b"A" * 65536
    for _ in range(_LONG_LINE // len(line)):
        agent.terminal.raw(line)
    agent.terminal.raw(_SANE)

"""The scripted agent itself: take a message, do a turn, wait for the next."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from loops.agents.demo_agent.memory import Memory
from loops.agents.demo_agent.misbehave import misbehave
from loops.agents.demo_agent.record import Record, nudge_id
from loops.agents.demo_agent.script import Mode, Script, ScriptError, read_script
from loops.agents.demo_agent.terminal import PROMPT, Terminal

_OPTIONS = ("--role", "--agent", "--model", "--session-id", "--resume", "--script", "--mode")


class Agent:
    """One running agent."""

    def __init__(self, options: dict[str, str], script: Script, memory: Memory) -> None:
        """Put an agent together; the terminal is taken at once."""
        self.options = options
        self.script = script
        self.memory = memory
        self.phase = os.environ.get("LOOPS_PHASE", "")
        self.terminal = Terminal(script.enter_deaf, script.swallow_enters)
        self.record = Record(
            os.environ.get("LOOPS_SIGNALS", ""),
            os.environ.get("LOOPS_RECEIVED", ""),
            os.environ.get("LOOPS_INCARNATION", str(memory.starts)),
        )

    @property
    def role(self) -> str:
        """What the agent is for; see `work_of`."""
        return self.options["--role"]

    @property
    def limited(self) -> bool:
        """Whether every prompt is refused now."""
        return self.memory.limited_until > time.time()

    def run(self, kickoff: str) -> int:
        """Live until the input ends (for a task: one turn); return the exit code."""
        self.record.signal("session.started", conversation=self.memory.conversation)
        self.terminal.say(
            f"demo agent · {self.options['--agent']} · {self.role or 'no role'} · {self.memory.conversation}"
        )
        cut_off = self.memory.pending
        if cut_off is not None:
            self.terminal.say("● Going on where I was cut off")
            self.record.make_up(cut_off)
        if kickoff:
            self.receive("kickoff", kickoff)
        if kickoff or cut_off is not None:
            self.turn("\n\n".join(filter(None, (cut_off, kickoff))))
        if self.role == "task":
            return 0
        while (text := self.terminal.message()) is not None:
            self.receive("nudge", text)
            self.turn(text)
        return 0

    def receive(self, kind: str, text: str) -> None:
        """Note one message before anything is done about it.

        A nudge enters the conversation first, then the record: killed between the two, the next life takes the nudge
        up from the conversation and makes the record up (`Record.make_up`), so that nobody brings it again.
        """
        if kind == "nudge" and not self.limited:
            self.memory.pending = text
        self.record.received(kind, text)
        self.terminal.say(f"{PROMPT} {text}")

    def turn(self, text: str) -> None:
        """Do one turn, unless a limit or a poisoned conversation forbids it."""
        if self.limited:
            self.show_limit()
            return
        self.memory.pending = text
        self.record.signal("turn.started", nudge=nudge_id(text))
        if self.memory.poisoned:
            self.show_fatal()
            return
        began = time.monotonic()
        if self.work(text):
            self.end_turn(time.monotonic() - began)

    def work(self, text: str) -> bool:
        """Do the steps, misbehaving where the script says so; return whether the turn came to its end."""
        from loops.agents.demo_agent.clone import GitError
        from loops.agents.demo_agent.documents import phase_of
        from loops.agents.demo_agent.work import Task, work_of

        self.phase = self.phase or phase_of(text)
        rule = self.script.rule(self.role, self.phase, self.memory.spent)
        task = Task(
            agent=self.options["--agent"],
            directory=os.getcwd(),
            phase=self.phase,
            text=text,
            items=self.script.labels(self.phase),
            wrong=rule.mode is Mode.FALSE_CLAIM,
        )
        self.terminal.status("Working")
        steps = work_of(self.role, self.phase)(task)
        done = 0
        try:
            for done, step in enumerate(steps, 1):
                self.terminal.say(f"● {step}")
                self.terminal.status(step.splitlines()[0])
                self.report_usage()
                self.terminal.pause(rule.seconds if rule.mode is Mode.SLOW else self.script.pace)
                if done == rule.after and not misbehave(self, rule):
                    return False
        except (GitError, OSError) as error:
            self.terminal.say(f"● Cannot go on: {error}")
        return done >= rule.after or misbehave(self, rule)

    def report_usage(self) -> None:
        """Say what the step used, as one request."""
        if self.script.tokens:
            usage = {"input_tokens": self.script.tokens, "output_tokens": self.script.tokens // 10}
            self.record.signal("usage.updated", scope="request", usage=usage, model=self.options["--model"])

    def end_turn(self, seconds: float) -> None:
        """Say until when to wait, as every agent must in its last line."""
        until = int(time.time() + self.script.wait)
        self.memory.pending = None
        self.terminal.status("")
        self.terminal.say(f"✻ Worked for {seconds:.0f}s")
        self.terminal.say(time.strftime("WAITING-UNTIL: %Y-%m-%dT%H:%M:%SZ", time.gmtime(until)))
        self.record.signal("turn.completed", waiting_until=until)

    def show_limit(self) -> None:
        """Refuse the prompt as a limited agent does."""
        until = self.memory.limited_until
        text = time.strftime("You've hit your session limit · resets %Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
        self.terminal.status("")
        self.terminal.say(text)
        self.record.signal("limit.reached", resets_at=until, text=text)

    def show_fatal(self) -> None:
        """Fail as a poisoned conversation does, each time anew (upstream incident 9)."""
        text = "API Error: 400 messages.1.content.0: `thinking` blocks cannot be modified"
        self.memory.pending = None
        self.terminal.status("")
        self.terminal.say(text)
        self.record.signal("error", **{"class": "fatal"}, text=text)


def main(words: Sequence[str]) -> int:
    """Run the agent with the *words* of its command line: options with a value each, then at most one kickoff."""
    options = dict.fromkeys(_OPTIONS, "")
    rest = list(words)
    while rest and rest[0] in _OPTIONS and len(rest) > 1:
        options[rest[0]] = rest[1]
        del rest[:2]
    if rest[:1] == ["--"]:
        del rest[0]
    if len(rest) > 1:
        sys.stderr.write(f"demo agent: what is {rest[0]!r}? known: {', '.join(_OPTIONS)}, then the kickoff\n")
        return 2
    options["--agent"] = options["--agent"] or options["--role"] or "demo"
    try:
        script = read_script(options["--script"] or os.environ.get("LOOPS_DEMO_SCRIPT", ""), options["--mode"])
    except ScriptError as error:
        sys.stderr.write(f"demo agent: {error}\n")
        return 2
    memory = Memory(os.environ.get("LOOPS_DEMO_STATE") or _state_in_clone(options["--agent"]))
    conversation = options["--resume"] or options["--session-id"] or f"demo-{os.getpid()}-{int(time.time())}"
    if not memory.open(conversation, resume=bool(options["--resume"])):
        sys.stderr.write(f"No conversation found with session ID: {conversation}\n")
        return 1
    return Agent(options, script, memory).run(rest[0] if rest else "")


def _state_in_clone(agent: str) -> str:
    """Return a place for the memory in the clone's own .git (never committed); empty outside a clone."""
    folder = os.path.join(os.getcwd(), ".git")
    return os.path.join(folder, f"loops-demo-{agent}.json") if os.path.isdir(folder) else ""

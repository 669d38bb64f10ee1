"""The operator at the terminal: shows a step, and asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from loops.projects.cutover.conduct import Answer
from loops.projects.cutover.plan import Step
from loops.projects.cutover.runbook import span
from loops.supervisor.table import printable

WORDS = {
    "y": Answer.YES,
    "yes": Answer.YES,
    "n": Answer.NO,
    "no": Answer.NO,
    "b": Answer.BACK,
    "back": Answer.BACK,
}


@dataclass(slots=True)
class Desk:
    """Asks a person.  *yes*: nobody is asked, as in a rehearsal."""

    out: TextIO
    yes: bool = False
    read: Callable[[], str] = sys.stdin.readline

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        """Show the step, and wait for one of the words."""
        word = "BACK" if back else "STEP"
        self.say("")
        self.say(f"{word} {number}: {step.title}  (about {span(step.seconds)})")
        self.say(f"        {step.back.why if back else step.why}")
        if again:
            self.say("        It was begun before, and interrupted: what is done already is not done twice.")
        for command in step.back.commands if back else step.commands:
            self.say(f"      $ {command}")
        if self.yes:
            return Answer.YES
        return self._answer(step, back=back)

    def choose(self, question: str) -> Answer:
        """Ask something else with the same answers."""
        if self.yes:
            return Answer.YES
        while True:
            answer = self._word(f"{question} [y/n/back] ")
            if answer in WORDS:
                return WORDS[answer]

    def _answer(self, step: Step, *, back: bool) -> Answer:
        words = "y / n / show" if back else "y / n / show / back"
        while True:
            word = self._word(f"        take it back?  {words}: " if back else f"        do it?  {words}: ")
            if word in ("s", "show"):
                self._show(step)
            elif word in WORDS and not (back and WORDS[word] is Answer.BACK):
                return WORDS[word]
            else:
                self.say(
                    "        y: do it. n: stop here, and leave everything as it is. show: its checks and its way back."
                )

    def _word(self, question: str) -> str:
        self.out.write(question)
        self.out.flush()
        line = self.read()
        return line.strip().lower() if line else "n"  # nobody is there any more: leave everything as it is

    def _show(self, step: Step) -> None:
        for title, checks in (("before", step.before), ("after", step.after), ("after the way back", step.back.checks)):
            for check in checks:
                self.say(f"        {title}: {check.sees}\n                $ {check.command}")
        self.say(f"        way back: {step.back.why}")
        for command in step.back.commands:
            self.say(f"                $ {command}")

    def say(self, line: str) -> None:
        """Tell, without what would act on the terminal."""
        self.out.write("\n".join(map(printable, line.split("\n"))) + "\n")
        self.out.flush()

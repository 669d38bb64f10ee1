"""The honest part: what a Builder, an Adversary, an orchestrator and a task do in one turn.

A turn is a generator of the steps done.  It looks at the repository and not at what it remembers, so that a turn that
was cut off anywhere can simply be done again.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator

from loops.agents.demo_agent.clone import Clone
from loops.agents.demo_agent.documents import Documents
from loops.agents.demo_agent.engine_command import claim_words, note_words, run_loops, verdict_words
from loops.agents.demo_agent.sample import CHECK, CHECK_PATH, RIGHT, WRONG, source_path

_REFUSED = re.compile(r"\[nudge [\w.:-]+\][^\n]*\brefus", re.IGNORECASE)
"""The engine's word about a claim; a kickoff may speak of refusals too, and says nothing of one."""
_NOT_DONE = re.compile(r"\[nudge [\w.:-]+\] Phase \S+ is not done: ")
"""The engine's word about the done marker."""
_DONE = re.compile(r"^## DONE.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Task:
    """What one turn is about."""

    __slots__ = ("agent", "directory", "items", "phase", "text", "wrong")

    def __init__(self, agent: str, directory: str, phase: str, text: str, items: list[str], wrong: bool) -> None:
        """See the attributes."""
        self.agent = agent
        self.directory = directory
        self.phase = phase
        self.text = text
        self.items = items
        self.wrong = wrong
        """Whether to do the work wrongly and claim it all the same."""


Steps = Iterator[str]

_JUDGINGS = 3
"""How often the Adversary verifies anew because its verdict was overtaken."""


def builder(task: Task) -> Steps:
    """Build and claim, fix and claim again, or write DONE: whichever the repository calls for."""
    clone = Clone(task.directory, task.agent)
    clone.recover()
    clone.pull()
    documents = Documents(clone, task.phase)
    yield "Read what others pushed"
    verdicts = {item: documents.verdict_on(item) for item in task.items}
    failed = [item for item, passed in verdicts.items() if passed is False]
    unclaimed = [item for item in task.items if not documents.claim_of(item, since=_work(task, clone))]
    again = failed or _REFUSED.search(task.text)
    if again or unclaimed:
        yield from _build(task, clone, documents, failed)
        yield from _claim(task, clone, task.items if again else unclaimed)
        if task.wrong:  # the whole lie: it also says that it is done
            yield from _finish(task, clone, documents)
    elif all(verdicts.values()):
        yield from _finish(task, clone, documents)
    else:
        clone.push()
        yield "Nothing to do: the claim waits for its verdict"


def solo(task: Task) -> Steps:
    """Build and claim, and write DONE at once: where nobody reviews, the engine's own run of the checks is what judges."""
    clone = Clone(task.directory, task.agent)
    clone.recover()
    clone.pull()
    documents = Documents(clone, task.phase)
    yield "Read what others pushed"
    unclaimed = [item for item in task.items if not documents.claim_of(item, since=_work(task, clone))]
    again = bool(_NOT_DONE.search(task.text))
    if again or unclaimed:
        yield from _build(task, clone, documents, [])
        yield from _claim(task, clone, task.items if again else unclaimed)
    yield from _finish(task, clone, documents, "is claimed, and the checks judge")


def _work(task: Task, clone: Clone) -> str:
    """Return the commit of the newest change to the source; empty before the first."""
    commits = clone.log("", source_path(task.phase))
    return commits[0][0] if commits else ""


def _build(task: Task, clone: Clone, documents: Documents, failed: list[str]) -> Steps:
    source = source_path(task.phase)
    full = os.path.join(clone.root, source)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write((WRONG if task.wrong else RIGHT).format(phase=task.phase))
    yield f"Wrote {source}"
    subject = f"fix({task.phase}): answer the findings on {', '.join(failed)}" if failed else ""
    clone.commit(subject or f"feat({task.phase}): add {source}", [source, *_own_check(clone)])
    yield f"Committed {source}"
    reason = f"again, for {', '.join(failed)} had failed" if failed else "the simplest thing that could be right"
    entry = f"- {source}, {reason}\n"
    journal = documents.read("JOURNAL")
    if entry not in journal:
        documents.write("JOURNAL", journal + entry)
    if not documents.read("BACKLOG"):  # later it holds the Adversary's findings as well
        entries = "".join(f"- [x] {item}\n" for item in task.items)
        documents.write("BACKLOG", f"# Backlog\n\n## Build backlog\n\n{entries}")
    documents.write("STATUS", _DONE.sub("", documents.read("STATUS")) or f"# STATUS {task.phase}\n")
    paths = [documents.path(kind) for kind in ("BACKLOG", "JOURNAL", "STATUS")]
    clone.commit(f"status({task.phase}): {source} is ready to be verified", paths)
    clone.push()
    yield "Pushed the work and its documents"


def _own_check(clone: Clone) -> list[str]:
    """In a repository that has no check, bring one along; return what is new."""
    full = os.path.join(clone.root, CHECK_PATH)
    if os.path.exists(full):
        return []
    with open(full, "w", encoding="utf-8") as file:
        file.write(CHECK)
    os.chmod(full, 0o755)
    return [CHECK_PATH]


def _claim(task: Task, clone: Clone, items: list[str]) -> Steps:
    source = source_path(task.phase)
    facts = {
        "what": f"{source}: the median of some numbers",
        "how": f"./check.sh {task.phase}, from a fresh clone",
        "expected": "3 examples passed",
        "where": source,
    }
    for item in items:
        code, said = run_loops(claim_words(item, task.phase, facts))
        if code:  # somebody may have pushed at the same moment
            clone.pull()
            code, said = run_loops(claim_words(item, task.phase, facts))
        yield f"The claim of {item} was refused ({code}): {said}" if code else f"Claimed {item}"


def _finish(task: Task, clone: Clone, documents: Documents, proof: str = "has a PASS") -> Steps:
    subject = f"status({task.phase}): ## DONE — every item {proof}"
    if _DONE.search(documents.read("STATUS")):  # written, and perhaps cut off before it was committed or pushed
        clone.commit(subject, [documents.path("STATUS")])
        clone.push()
        yield "Nothing to do: the phase is marked done"
        return
    body = f"## DONE\n\nEvery item of phase {task.phase} {proof}: {', '.join(task.items)}. Written {_stamp()}.\n"
    documents.write("STATUS", documents.read("STATUS").rstrip() + "\n\n" + body)
    yield f"Wrote DONE into {documents.path('STATUS')}"
    clone.commit(subject, [documents.path("STATUS")])
    clone.push()
    yield "Pushed DONE"


def adversary(task: Task) -> Steps:
    """Verify each claim that has no verdict yet by running the project's own check."""
    clone = Clone(task.directory, task.agent)
    clone.recover()
    for _ in range(_JUDGINGS):
        clone.pull()
        documents = Documents(clone, task.phase)
        yield "Read what others pushed"
        items = [item for item in documents.claimed_items() if documents.verdict_on(item) is None]
        if not items:
            clone.push()
            yield "Nothing to do: no claim waits"
            return
        check = subprocess.run(
            ("./check.sh", task.phase), cwd=clone.root, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        last = (check.stderr.strip() or check.stdout.strip() or f"exit {check.returncode}").splitlines()[-1]
        yield f"Ran ./check.sh {task.phase}: {last}"
        failure = f"check.sh says: {last}" if check.returncode else ""
        finding = f"./check.sh {task.phase}: {last}" if failure else ""
        code, said = run_loops(verdict_words(dict.fromkeys(items, failure), task.phase, finding))
        if code == 0:
            yield f"Judged {', '.join(items)}: {'FAIL' if failure else 'PASS'}"
            return
        yield f"The verdict was refused ({code}): {said}"  # for code that came meanwhile, say: look at that


def acknowledge(task: Task) -> Steps:
    """Note the message, and nothing else."""
    yield f"Noted: {_first_line(task)}"


def orchestrator(task: Task) -> Steps:
    """Look at the project as the engine tells it, and leave a session in the journal for the next life."""
    yield f"Noted: {_first_line(task)}"
    code, said = run_loops(["note"])
    yield f"Read the newest session ({code})"
    code, said = run_loops(["phase", "show"])
    state = said.splitlines()[0] if code == 0 and said else f"unknown ({code})"
    code, said = run_loops(note_words(f"answered: {_first_line(task)}", state))
    yield f"Noted the session ({code}): {said}"


def _first_line(task: Task) -> str:
    return (task.text.strip().splitlines() or [""])[0][:80]


def report(task: Task) -> Steps:
    """Write the report (``$LOOPS_REPORT``, else REPORT.md here)."""
    path = os.environ.get("LOOPS_REPORT") or os.path.join(task.directory, "REPORT.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# Report\n\nWritten by {task.agent} at {_stamp()}.\n\nAsked for:\n\n{task.text}\n")
    yield f"Wrote {path}"


def work_of(role: str, phase: str) -> Callable[[Task], Steps]:
    """Return what an agent of *role* does; whoever has no work of its own, or no phase, acknowledges."""
    role = "adversary" if role.startswith("review") else role  # one of several reviewers
    if role == "task":
        return report
    if role == "orchestrator" and os.environ.get("LOOPS_CONFIG"):  # it lives in a project, and has an engine to ask
        return orchestrator
    return {"builder": builder, "adversary": adversary, "solo": solo}.get(role, acknowledge) if phase else acknowledge


def _stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

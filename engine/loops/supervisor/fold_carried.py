"""How a state that was carried over becomes the project's own."""

from __future__ import annotations

from dataclasses import replace

from loops.config.model import Kind
from loops.protocol.evidence import PhaseEvidence
from loops.supervisor import carried_events as ev
from loops.supervisor.fold_turns import known_conversations
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import Spend


@on(ev.StateCarried)
def _carried(work: Fold, e: ev.StateCarried) -> None:
    if e.index >= 0:
        work.loop = replace(
            work.loop,
            index=e.index,
            phase=e.phase,
            since=e.at,
            head="",
            evidence=PhaseEvidence(e.phase),
            check=None,
            refused=(),
            done=e.done,
            complete=e.complete,
            base=Spend(),
        )
    specs = work.state.config.agents if work.state.config is not None else {}
    for name in {*work.agents, *e.conversations}:
        id = e.conversations.get(name, "")
        loop = name in specs and specs[name].kind is Kind.LOOP
        work.change(
            name,
            conversation=id,
            conversations=known_conversations(work.agent(name), id),
            # A loop agent resumes only in the phase that its conversation is about.
            phase=e.phase if loop and not e.complete else "",
            fresh_next=False,
            resume_failed=False,
            nudges=(),  # they are about what was to be done when this project ran last
        )

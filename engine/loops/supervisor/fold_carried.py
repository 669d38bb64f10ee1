"""The fold of what was carried over from another supervisor."""

from __future__ import annotations

from dataclasses import replace

from loops.protocol.evidence import PhaseEvidence
from loops.supervisor import events as ev
from loops.supervisor.fold_turns import known_conversations
from loops.supervisor.folding import Fold, on
from loops.supervisor.state import Spend


@on(ev.PlaceCarried)
def _place(work: Fold, e: ev.PlaceCarried) -> None:
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


@on(ev.ConversationCarried)
def _conversation(work: Fold, e: ev.ConversationCarried) -> None:
    work.change(
        e.agent,
        conversation=e.conversation,
        conversations=known_conversations(work.agent(e.agent), e.conversation),
        phase=e.phase,
        fresh_next=False,
        resume_failed=False,
        nudges=(),  # they are about what was to be done when this project ran last
    )

"""Let a staged project go on where its live deployment was: the phase and the conversations, in its own journal."""

from __future__ import annotations

from loops.config.model import Config
from loops.errors import LoopsError
from loops.projects.deployment.model import Deployment
from loops.projects.migrate import transcripts
from loops.supervisor import offline


def carry(config: Config, deployment: Deployment) -> tuple[transcripts.Taken, ...]:
    """Write the first entries of the journal of *config*'s project; nothing is started.  Return what became of conversations.

    Raises:
        LoopsError: the journal cannot be written, or does not take the phase.
        OSError: a private home cannot be written.
    """
    conversations = tuple((member.name, member.conversation) for member in deployment.members if member.conversation)
    # Both earlier systems take a missing index for the first phase.
    first = 0 if config.loop.phases else -1
    index = first if deployment.at is None else deployment.at
    state = offline.carry(config, deployment.source, index, conversations, complete=bool(deployment.complete))
    if config.loop.phases and state.loop.index != index:
        raise LoopsError(
            f"{deployment.source}: index {index} of {len(config.loop.phases)} phases cannot be carried over"
        )
    return transcripts.after(config, state, conversations)

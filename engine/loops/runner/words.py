"""The runner's own words at a run's two ends, and its exit status.  Pure."""

from __future__ import annotations

from loops.known.model import Known
from loops.runner.link import Ended
from loops.runner.order import RunOrder

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit statuses of a program that cannot be started, as shells give them."""
_LONGEST = 400


def introduction(order: RunOrder, known: Known) -> str:
    """Return the first line of the pane."""
    conversation = order.conversation or order.fresh_id
    begins = f"{'resumes' if order.conversation else 'begins'} {conversation}" if conversation else ""
    words = (known.name, order.model, f"permissions {order.permissions}", begins)
    return " · ".join(word for word in words if word)


def not_started(order: RunOrder, known: Known, error: OSError) -> str:
    """Return why the program did not start, and the remedy."""
    named = f"{error.filename}: " if error.filename else ""
    return (
        f"{known.name} cannot be started: {named}{error.strerror}; "
        f"`loops doctor` says what is missing, [backend.{order.backend}] bin names the program"
    )


def farewell(known: Known, ended: Ended, complaint: str) -> str:
    """Return the last line of the pane.  *complaint*: what the program said last, if that says why it ended."""
    how = f"exit {ended.code}" if ended.code is not None else f"killed by signal {ended.signal}"
    return f"{known.name} ended: {how}{f': {complaint[:_LONGEST]}' if complaint else ''}"


def status_of(order: RunOrder, ended: Ended) -> int:
    """Return the exit status for a program that ended by itself: its own; but a task is not done then."""
    code = ended.code if ended.code is not None else 128 + (ended.signal or 0)
    return 1 if order.task and code == 0 else code

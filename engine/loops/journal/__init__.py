"""The journal: one append-only, hash-chained event log a project.  Append, commit, replay, snapshot, verify."""

from loops.journal.reader import Verdict, read, verify
from loops.journal.record import Event, Json, Record
from loops.journal.repair import Repair
from loops.journal.writer import Journal

__all__ = ["Event", "Journal", "Json", "Record", "Repair", "Verdict", "read", "verify"]

"""One small tree of errors.

Each class has an exit code of its own, so that a script can tell them apart.  The command line prints
``str(error)`` and never a traceback: the text therefore names the place, the rule and the remedy.
"""

from __future__ import annotations


class LoopsError(Exception):
    """Something the operator can act on.  Exit code 1."""

    exit_code = 1


class UsageError(LoopsError):
    """The words of the command are wrong (argparse uses the same code).  Exit code 2."""

    exit_code = 2


class ConfigError(LoopsError):
    """agents.toml or fleet.toml is missing, unreadable or against the schema.  Exit code 3."""

    exit_code = 3


class ProtocolError(LoopsError):
    """A claim or a verdict was refused: nothing was written or pushed.  Exit code 4."""

    exit_code = 4


class JournalError(LoopsError):
    """The journal is broken, or somebody else is its writer.  Exit code 5."""

    exit_code = 5


class SessionError(LoopsError):
    """A session, the holder or the supervisor could not be reached or started.  Exit code 6."""

    exit_code = 6

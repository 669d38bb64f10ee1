"""`loops fleet ...`."""

from __future__ import annotations

from loops.cli.verb import Verb

VERBS: tuple[Verb, ...] = ()

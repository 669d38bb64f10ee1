"""What a terminal's screen shows, by a backend's own patterns: the evidence of the lowest trust.

Only the bottom lines speak of now (upstream incident 5: 40 lines of scrollback kept an old banner alive), and what
the engine itself has typed is no evidence (upstream incident 4: a probe that said "usage limit" matched for ever).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loops.agents.port import DialogShown, Fatal, Idle, LimitReached, Ready, Screen, Signal, Working
from loops.config.model import Backend
from loops.errors import ConfigError
from loops.protocol.waiting import newest_waiting
from loops.streams.limits import parse_reset

_BOTTOM = 8
"""Lines that are not empty."""
_QUOTES = ("⎿", "\u276f", "\u203a", "│", ">")
"""What agents draw before a tool's output, a person's prompt and a box: words that are somebody else's."""
_ERROR_REPLY = re.compile(r"\s*⎿\s+API Error\b")
"""The program's own words, although they stand where a tool's output does."""
_DECORATION = " \t\u00a0●⏺•│┃|>\u276f\u203a⎿╭╮╰╯─"
_COUNTER_SAMPLE = "not your usage limit"
"""A plain refusal for haste, which names the limit only to say that it is not meant."""
_GAP = re.compile(r"\s{3,}")
"""Between the columns of a screen with a side bar."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """A backend's regular expressions; None is never found."""

    active: re.Pattern[str] | None
    limit: re.Pattern[str] | None
    fatal: re.Pattern[str] | None
    ready: re.Pattern[str] | None
    dialog: re.Pattern[str] | None


def patterns_of(backend: Backend) -> Patterns:
    """Compile the patterns of *backend*.

    Raises:
        ConfigError: one of them is no regular expression.
    """

    def compiled(key: str, source: str) -> re.Pattern[str] | None:
        try:
            return re.compile(source) if source else None
        except re.error as error:
            raise ConfigError(
                f"[backend.{backend.name}] {key}: not a regular expression: {error}: {source!r}"
            ) from None

    return Patterns(
        active=compiled("active_re", backend.active_re),
        limit=compiled("limit_re", backend.limit_re),
        fatal=compiled("fatal_re", backend.fatal_re),
        ready=compiled("ready_re", backend.ready_re),
        dialog=compiled("dialog_re", backend.dialog_re),
    )


def read_screen(patterns: Patterns, screen: Screen, now: float) -> Sequence[Signal]:
    """Return what *screen* shows at *now*, by the strongest evidence: fatal, limit, dialog, work, idleness.

    A busy agent is neither limited nor lost, whatever the file says that it is just reading.
    """
    theirs = _without_ours(screen)
    shown = [theirs[index] for index, line in enumerate(screen.lines) if line.strip()]
    if not shown:
        return ()  # not painted yet: no evidence of anything
    bottom = [line.replace("\u2019", "'") for line in shown[-_BOTTOM:] if line.strip()]
    active = _last(patterns.active, bottom) is not None
    if not active:
        own = _own_words(bottom)
        if (found := _last(patterns.fatal, own)) is not None:
            return (Fatal(own[found].strip(_DECORATION)),)
        if limit := _limit(patterns.limit, own, now):
            return (limit,)
    if _last(patterns.dialog, bottom) is not None:
        return (DialogShown("\n".join(bottom)),)
    if active:
        return (Working(),)
    idle = Idle(newest_waiting(theirs))
    return (Ready(), idle) if _last(patterns.ready, bottom) is not None else (idle,)


def _without_ours(screen: Screen) -> list[str]:
    """Return the lines without what is part of our texts, however these were wrapped."""
    ours = [" ".join(text.split()) for text in screen.ours]

    def is_ours(cell: str) -> bool:
        words = " ".join(cell.strip(_DECORATION).split())
        return bool(words) and any(words in text for text in ours)

    return [
        line if not is_ours(line) and not any(map(is_ours, cells)) else "   ".join(c for c in cells if not is_ours(c))
        for line, cells in ((line, _GAP.split(line)) for line in screen.lines)
    ]


def _own_words(lines: Sequence[str]) -> list[str]:
    """Return the lines in which the agent program itself speaks."""
    return [line for line in lines if not line.lstrip().startswith(_QUOTES) or _ERROR_REPLY.match(line)]


def _last(pattern: re.Pattern[str] | None, lines: Sequence[str]) -> int | None:
    """Return the index of the lowest line that matches."""
    found = [index for index, line in enumerate(lines) if pattern and pattern.search(line)]
    return found[-1] if found else None


def _limit(pattern: re.Pattern[str] | None, lines: Sequence[str], now: float) -> LimitReached | None:
    lines = [line for line in lines if _COUNTER_SAMPLE not in line]
    found = _last(pattern, lines)
    if found is None:
        return None
    banner = " ".join(line.strip() for line in lines[found:])  # the time may have been wrapped onto the next line
    return LimitReached(lines[found].strip(_DECORATION), parse_reset(banner, now))

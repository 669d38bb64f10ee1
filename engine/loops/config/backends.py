"""The backends that need no table in agents.toml, as data.  A table of the same name replaces single values."""

from __future__ import annotations

from collections.abc import Mapping

from loops.config.model import Backend, Delivery

BUILT_IN: Mapping[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(name="demo", adapter="demo", supports_resume=True),
        Backend(
            name="claude",
            adapter="claude",
            supports_resume=True,
            bin="claude",
            session_flags=("--session-id", "{id}"),
            process_name="claude",
            remote_control=True,
            # Without the spinner glyphs: since 2.1 they also stand before "Baked for 4s" on an idle screen.
            active_re=r"esc to interrupt|Running tool|retrying in \d+s",
            limit_re=(
                r"(?i)spend limit|usage limit|limit reached|(?:hit|reached) your .*limit|out of (?:credits|tokens)"
            ),
            # Without its bare "cannot be modified", which an agent's own words about a file can hold.
            fatal_re=r"redacted_thinking|blocks cannot be modified",
        ),
        Backend(
            name="codex",
            adapter="codex",
            supports_resume=True,
            bin="codex",
            resume_flags=("resume", "{id}"),
            process_name="codex",
            active_re=r"esc to interrupt|Reconnecting\.\.\.",
            limit_re=r"(?i)hit your usage limit|out of credits|Quota exceeded",
        ),
        Backend(
            name="opencode",
            adapter="opencode",
            supports_resume=True,
            bin="opencode",
            resume_flags=("--session", "{id}"),
            prompt_delivery=Delivery.PING,
            process_name="opencode",
            active_re=r"esc interrupt|retrying in \d+",
            limit_re=r"(?i)usage exceeded|limit reached|usage limit",
            ready_re=r"Ask anything",
        ),
        Backend(
            name="pi",
            adapter="pi",
            supports_resume=True,
            bin="pi",
            resume_flags=("--session", "{id}"),
            process_name="pi",
            active_re=r"Working\.\.\.|Retrying \(\d+/\d+\)",
            limit_re=r"(?i)usage limit|rate.?limit|quota",
        ),
    )
}

"""What is said to tmux, and what it answers: pure text.

One tmux server a project, one tmux session an agent, whose pane runs the relay (`attach`).  A relay costs about 5 MB,
so only the first ``eager`` views have one from the start.  The pane of any other is *parked*: it has no process, and a
hook gives it one when a person comes to it.

Works with tmux 3.3 and later.  Names are made harmless before tmux sees them, and panes are addressed by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIVE = "LOOPS_LIVE"
"""Set in the environment of a pane that shall run its relay; without it the pane's command ends at once: parked."""
ROWS, COLUMNS = 50, 200

LISTING = "#{pid}:#{pane_id}:#{pane_dead}:#{session_attached}:#{session_name}:#{pane_start_command}"
"""One line a pane.  No session's name can hold a colon, and the command, which holds our mark, comes last."""

_UNSAFE_NAME = re.compile(r"[\x00-\x20\x7f-\x9f:.#'\"\\$;{}\u2028\u2029]")
_MARK = "loops-view-"
"""In the command of our panes, before the hexadecimal name of the holder's session, which needs no quotes anywhere.

A user option would say it better, but each ``set-option`` walks every pane of the server: 2 s for a thousand views.
"""
_MARKED = re.compile(_MARK + "((?:[0-9a-f]{2})+)")
_OURS = "#{m:*" + _MARK + "*,#{pane_start_command}}"
_WAKE = "if-shell -F '#{&&:#{pane_dead}," + _OURS + "}' 'respawn-pane -e " + LIVE + "=1'"
_STRANGE = "if-shell -F '" + _OURS + "' '' 'set-option -p remain-on-exit off'"

_OPTIONS = f"""\
set-option -gq history-limit 500
set-option -gq default-size {COLUMNS}x{ROWS}
set-option -gq status-interval 0
set-option -gq status-left '[#S] '
set-option -gq status-left-length 60
set-option -gq status-right ''
set-option -gq escape-time 20
set-option -gq automatic-rename off
set-option -gq allow-rename off
set-option -gq remain-on-exit on
set-option -gq remain-on-exit-format '[loops] nothing relays this view: attach again to start it'
set-hook -g client-attached[90] "{_WAKE}"
set-hook -g client-session-changed[90] "{_WAKE}"
set-hook -g after-new-session[90] "{_STRANGE}"
set-hook -g after-new-window[90] "{_STRANGE}"
set-hook -g after-split-window[90] "{_STRANGE}"
"""
# History: the default, 2,000 lines, costs 1-2 MB a session, and the long log is in a file.  Escape: the default delays
# a person's Esc by 500 ms.  Hooks: `attach` and `switch-client` fire different ones; and what a person makes shall
# end as usual, although our panes remain.


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane of the server.  ``holder``: the session that it shows; empty for a pane that somebody else made."""

    server: int
    id: str
    dead: bool
    attached: int
    session: str
    holder: str


def session_name(text: str) -> str:
    """Return *text* as a name that tmux keeps as it is, and that is no format, no command and no pattern to it."""
    name = _UNSAFE_NAME.sub("_", text)
    return "_" + name[1:] if name[:1] in "=@$%-+!~" else name


def is_ours(command: str) -> bool:
    """Whether a pane that was started with *command* shows a session of ours."""
    return _MARKED.search(command) is not None


def quoted(word: str) -> str:
    """Return *word* as one word of a tmux script."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def panes(listing: str) -> list[Pane]:
    """Read what ``list-panes -a -F LISTING`` printed; lines of another shape are skipped."""
    found = []
    for line in listing.splitlines():
        fields = line.split(":", 5)
        if len(fields) == 6 and fields[0].isdigit():
            server, id, dead, attached, session, command = fields
            mark = _MARKED.search(command)
            holder = bytes.fromhex(mark[1]).decode("utf-8", "surrogateescape") if mark else ""
            found.append(Pane(int(server), id, dead == "1", int(attached or 0), session, holder))
    return found


def strangers(wanted: Mapping[str, str], present: Sequence[Pane]) -> list[str]:
    """Return the wanted names that somebody else's session has: it is left alone, and the view is not made."""
    ours = {pane.session for pane in present if pane.holder}
    return [name for name in wanted if name not in ours and any(pane.session == name for pane in present)]


def commands(
    wanted: Mapping[str, str], present: Sequence[Pane], relay: Sequence[str], eager: int, *, park: bool = True
) -> str:
    """Return the tmux script that makes what is *present* what is *wanted*; empty when it is already.

    *wanted*: from a `session_name` to the session in the holder.  *relay*: the argv to which that session is added.
    *park*: also end relays that nobody looks at.
    """
    live = set(list(wanted)[:eager])
    shown: set[str] = set()
    lines = []
    for pane in present:
        if not pane.holder:
            continue
        if pane.session in shown or wanted.get(pane.session) != pane.holder:
            lines.append(f"kill-pane -t '{pane.id}'")
            continue
        shown.add(pane.session)
        if pane.dead and (pane.attached or pane.session in live):
            lines.append(f"respawn-pane -e {LIVE}=1 -t '{pane.id}'")
        elif park and not pane.dead and not pane.attached and pane.session not in live:
            # Asked again by the server itself: a person may have come since the listing.
            restart = f"respawn-pane -k -t '{pane.id}'"
            lines.append(f"if-shell -F -t '{pane.id}' '#{{==:#{{session_attached}},0}}' \"{restart}\"")
    foreign = set(strangers(wanted, present))
    new = [name for name in wanted if name not in shown and name not in foreign]
    for name in new:
        lines.extend(_create(name, wanted[name], relay, name in live))
    return (_OPTIONS if new else "") + "\n".join(lines) + "\n" if lines else ""


def _create(name: str, holder: str, relay: Sequence[str], live: bool) -> list[str]:
    # The pane's own command decides by the environment, because `respawn-pane` repeats it and knows no other.
    mark = _MARK + holder.encode("utf-8", "surrogateescape").hex()
    command = ["/bin/sh", "-c", f'[ -z "${LIVE}" ] || exec "$@"', mark, *relay, holder]
    words = " ".join(quoted(word) for word in command)
    environment = f"-e {LIVE}=1 " if live else ""
    lines = [f"new-session -d {environment}-x {COLUMNS} -y {ROWS} -c / -n view -s {quoted(name)} {words}"]
    if live:  # or it could never be parked
        lines.append(f"set-environment -t {quoted(f'={name}:')} -u {LIVE}")
    return lines

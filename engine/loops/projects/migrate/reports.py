"""The two reports of a migration: MIGRATION.md for the operator, migration.json for programs.  Pure.

Neither names a time or the staged directory: the same deployment gives the same bytes again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from loops.config.codec import plain
from loops.projects.migrate.outcome import Migration
from loops.supervisor.table import printable

FORMAT = 1


def as_json(migration: Migration) -> str:
    """Return migration.json (``schemas/migration.schema.json``)."""
    facts: dict[str, Any] = {"format": FORMAT, **plain(migration)}
    return json.dumps(facts, indent=2, ensure_ascii=True, sort_keys=True) + "\n"


def as_markdown(migration: Migration) -> str:
    """Return MIGRATION.md."""
    return "\n".join(_lines(migration)) + "\n"


def _lines(m: Migration) -> Iterator[str]:
    yield from ("# Migration", "")
    yield f"This project was staged by `loops migrate` ({m.engine}) from `{_code(m.source)}` ({m.form}, root `{_code(m.root)}`)."
    yield "Nothing of the live deployment was changed or run. Nothing of this project has been started."
    yield from _section("What could not be translated", _untranslated(m))
    yield from _section("Secrets", _secrets(m))
    yield from _section("What was changed", _changes(m))
    yield from _section("What was copied, byte for byte", _copies(m))
    yield from _section("Kickoffs", _kickoffs(m))
    yield from _section("How far it was", _reached(m))
    yield from _section("Values", _values(m))
    yield from _section("What was read", _read(m))
    yield from _section("Next steps", _next(m))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", *lines)


def _untranslated(m: Migration) -> Iterator[str]:
    if not m.untranslated:
        yield "Nothing: everything that was found has its place here."
        return
    yield "Read each line; nothing here was dropped in silence, and nothing of it is in `agents.toml`."
    yield ""
    yield from _table(("where", "what", "why, and what to do"), [(u.place, u.what, u.why) for u in m.untranslated])


def _secrets(m: Migration) -> Iterator[str]:
    if not m.secrets:
        yield "None was found in the environment of the live deployment."
        return
    yield "The live deployment gives its agents these variables. Their values were not copied; `agents.toml` names a credential"
    yield "for each, and no agent starts before it is there. Put the value into a file of that name, mode 600:"
    yield ""
    rows = [
        (name, f"credential:{credential}", f"~/.config/loops/credentials/{credential}")
        for name, credential in m.secrets.items()
    ]
    yield from _table(("variable", "credential", "file"), rows)


def _changes(m: Migration) -> Iterator[str]:
    if not m.changes:
        yield "`agents.toml` was written anew; what each value was is said in its comments, and under Values."
        return
    rows = [(c.place, c.was or "(not given)", c.now, c.why) for c in m.changes]
    yield from _table(("value", "was", "is", "why"), rows)


def _copies(m: Migration) -> Iterator[str]:
    if not m.copied:
        yield "Nothing."
        return
    yield from _table(("live", "here", "bytes", "SHA-256"), [(c.origin, c.to, str(c.size), c.digest) for c in m.copied])


def _kickoffs(m: Migration) -> Iterator[str]:
    if not m.kickoffs:
        yield "The live deployment does not tell its kickoffs, or has no phases: they were not compared."
        return
    phases = list(dict.fromkeys(each.phase for each in m.kickoffs))
    agents = list(dict.fromkeys(each.agent for each in m.kickoffs))
    yield (
        f"{len(m.kickoffs)} kickoffs ({len(phases)} phases, agents {', '.join(agents)}) were rendered from both; each is the "
        "same text, to the last byte. A difference would have ended the migration."
    )


def _reached(m: Migration) -> Iterator[str]:
    r = m.reached
    where = "not known" if r.index is None else f"phase `{_code(r.phase)}`, index {r.index} (from 0)"
    yield f"When it was read, the live deployment was at: {where}{', complete' if r.complete else ''}."
    if r.conversations:
        yield ""
        yield from _table(("agent", "conversation"), list(r.conversations.items()))
    yield ""
    if r.carried:
        yield "This was carried over: the first `loops up` begins there and resumes these conversations. If the live deployment"
        yield "goes on meanwhile, migrate again just before the cutover."
        if r.left:
            yield from ("", "These conversations do not go on:", "")
            yield from (f"- {_code(line)}" for line in r.left)
    else:
        yield "Nothing of it was carried over: the first `loops up` begins with the first phase and fresh conversations. With"
        yield "`--carry-state` it goes on from there instead."


def _values(m: Migration) -> Iterator[str]:
    yield from _table(("value", "is", "from"), [(v.place, v.value, v.origin) for v in m.values])


def _read(m: Migration) -> Iterator[str]:
    yield from _table(("file", "bytes", "SHA-256"), [(r.path, str(r.size), r.digest) for r in m.read])


def _next(m: Migration) -> Iterator[str]:
    live = f"{_code(shlex.quote(m.source))} ."
    told = "".join(f" {shlex.quote(word)}" for word in m.told.words())
    yield "From this directory:"
    yield ""
    yield f"1. `loops untouched baseline {_code(shlex.quote(m.root))} --tmux-all --to ../before.json` before anything else is done,"
    yield "   and `loops untouched check ../before.json` after it."
    yield f"2. `loops parity {live}{_code(told)}` compares both once more, line by line."
    yield f"3. `loops cutover plan {live}` writes the runbook of the switch; `loops cutover rehearse {live}` tries it on a copy."
    yield "4. `loops doctor` says what is still missing on this machine. Do not run `loops up` while the live supervisor runs."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    shown = printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return shown or " "


def _code(text: str) -> str:
    """*text* inside backquotes."""
    return printable(text).replace("`", "'")

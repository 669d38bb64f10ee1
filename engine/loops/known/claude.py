"""Claude Code."""

from __future__ import annotations

from loops.known.claude_texts import TEXTS
from loops.known.model import Known

KNOWN = Known(
    name="claude",
    package="@anthropic-ai/claude-code",
    bin="claude",
    tested=("2.1.197", "2.1.329"),
    headless=(
        *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--permission-prompt-tool", "stdio"),
    ),
    tui=(),
    model=("--model", "{model}"),
    effort=("--effort", "{effort}"),
    fresh=("--session-id", "{id}"),
    resume=("--resume", "{id}"),
    own_permission_flags=("--dangerously-skip-permissions",),
    texts=TEXTS,
)

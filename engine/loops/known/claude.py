"""Claude Code."""

from __future__ import annotations

from loops.known.model import Known

KNOWN = Known(
    name="claude",
    package="@anthropic-ai/claude-code",
    bin="claude",
    tested=("2.1.197", "2.1.329"),
    headless=(
        *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--permission-prompt-tool", "stdio"),
        # Tools whose only use is a dialog with a person: unattended, the model has to decide by itself.
        *("--disallowedTools", "AskUserQuestion,EnterPlanMode"),
    ),
    tui=(),
    model=("--model", "{model}"),
    effort=("--effort", "{effort}"),
    fresh=("--session-id", "{id}"),
    resume=("--resume", "{id}"),
    permissions={
        "read": ("--permission-mode", "dontAsk"),
        "ask": ("--permission-mode", "default"),
        "edits": ("--permission-mode", "acceptEdits"),
        "skip": ("--dangerously-skip-permissions",),
    },
    own_permission_flags=("--dangerously-skip-permissions",),
    env={
        "CLAUDE_CONFIG_DIR": "{home}/.claude",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    },
    env_root_skips={"IS_SANDBOX": "1"},
    login={".claude/.credentials.json": ".claude/.credentials.json"},
)

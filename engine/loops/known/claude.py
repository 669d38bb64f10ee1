"""Claude Code."""

from __future__ import annotations

from loops.known.claude_texts import TEXTS
from loops.known.model import Dialog, Known, Seed

_BOTH = "2.1.197, 2.1.329 [run]"
_SEEDS = (
    Seed(
        name="onboarding",
        file=".claude/.claude.json",
        values={"hasCompletedOnboarding": True, "hasSeenAutoDefaultNotice": True, "fullscreenUpsellSeenCount": 99},
        seen=_BOTH,
    ),
    Seed(name="theme", file=".claude/.claude.json", values={"theme": "dark"}, keep=True, seen=_BOTH),
    Seed(
        name="trust",
        file=".claude/.claude.json",
        at=("projects", "{directory}"),
        values={"hasTrustDialogAccepted": True},
        grants="trust the folder {directory}",
        seen=_BOTH,
    ),
    Seed(
        name="key",
        file=".claude/.claude.json",
        at=("customApiKeyResponses",),
        values={"approved": ["{tail}"], "rejected": []},
        grants="use the key in ANTHROPIC_API_KEY",
        needs="ANTHROPIC_API_KEY",
        seen=_BOTH,
    ),
    Seed(
        name="links",  # else it makes itself the desktop's handler of links, in files of the user's own home
        file=".claude/settings.json",
        values={"disableDeepLinkRegistration": "disable"},
        seen="2.1.329 [run]",
    ),
    Seed(
        name="skip",
        file=".claude/settings.json",
        values={"skipDangerousModePermissionPrompt": True},
        grants="run without asking for permissions",
        permissions=("skip",),
        seen=_BOTH,
    ),
)
_DIALOGS = (
    Dialog(
        "trust", r"Is this a project you created or one you trust|Do you trust the files in this folder", "trust", _BOTH
    ),
    Dialog("key", r"Do you want to use this API key\?", "key", _BOTH),
    Dialog("skip", r"WARNING: Claude Code running in Bypass Permissions mode", "skip", _BOTH),
    Dialog("renderer", r"Try the new fullscreen renderer\?", "onboarding", "2.1.329 [run]"),
    Dialog("theme", r"Choose the text style that looks best|Let's get started", "onboarding", "2.1.197 [bin]"),
    Dialog("login", r"Select login method|Please run /login", "", "2.1.329 [bin]"),
    Dialog("network", r"Unable to connect to Anthropic services", "onboarding", _BOTH),
    Dialog("limit", r"What do you want to do\?\s.*Stop and wait for limit to reset", "", "2.1.197 [run]"),
)

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
    texts=TEXTS,
    env={
        "CLAUDE_CONFIG_DIR": "{home}/.claude",
        "CLAUDE_CODE_NO_FLICKER": "0",  # plain scrollback, and no question about the fullscreen renderer
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    },
    env_root_skips={"IS_SANDBOX": "1"},
    login={".claude/.credentials.json": ".claude/.credentials.json"},
    keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    hooks=(
        *("SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "Notification", "PostToolUse"),
        *("PostToolUseFailure", "PreCompact", "Stop", "StopFailure", "SessionEnd"),
    ),
    seeds=_SEEDS,
    dialogs=_DIALOGS,
    conversations=(".claude/projects", "*/{id}.jsonl"),
    transcript="transcript",
    ready=r"^\u276f\s*$",
    # 2.1.329 [run]: about 95 s after the reset, with a prompt of its own.  2.1.197 asks in a dialog what to do.
    resumes_itself=r"hit your (?!session)[\w-]+ limit\b.*\bresets\b",
    costs=("headless",),
)

"""Names of claude's stream (2.1.197, 2.1.329)."""

from __future__ import annotations

from loops.known.model import Meaning

ERRORS = {
    "authentication_failed": Meaning.AUTH,
    "oauth_org_not_allowed": Meaning.AUTH,
    "billing_error": Meaning.BILLING,
    "overloaded": Meaning.PROVIDER,
    "server_error": Meaning.PROVIDER,
    "model_not_found": Meaning.MODEL,
    "max_output_tokens": Meaning.TRUNCATED,
}
"""``error`` of an assistant message, a retry or a ``StopFailure``; ``rate_limit`` and the rest need the text."""
STOPS = {"max_tokens": "max_tokens", "refusal": "refusal"}
QUIET = frozenset(
    {
        "stream_event",
        "keep_alive",
        "tool_progress",
        "tool_use_summary",
        "prompt_suggestion",
        "streamlined_text",
        "streamlined_tool_use_summary",
        "control_response",
        "auth_status",
    }
)
QUIET_SYSTEM = frozenset(
    {
        "status",
        "hook_started",
        "hook_progress",
        "hook_response",
        "task_started",
        "task_progress",
        "task_updated",
        "task_notification",
        "files_persisted",
        "local_command_output",
        "elicitation_complete",
        "thinking_tokens",
        "post_turn_summary",
        "commands_changed",
        "notification",
        "memory_recall",
        "mirror_error",
        "plugin_install",
    }
)

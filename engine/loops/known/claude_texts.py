"""What claude's messages mean.  The first that matches counts."""

from __future__ import annotations

from loops.known.model import Meaning, Text

TEXTS = (
    Text(
        Meaning.RESUME,
        r"No conversation found with session ID|Session ID \S+ is already in use",
        "No conversation found with session ID: 01234567-89ab-4cde-8f01-23456789abcd",
        "Resume this session with: claude --resume 01234567-89ab-4cde-8f01-23456789abcd",
        "2.1.329 [run]",
    ),
    Text(
        Meaning.CONTEXT,
        r"(?i)\bprompt is too long\b",
        "Prompt is too long · the request is ~208310 tokens (limit 200000)",
        "The prompt was long",
        "2.1.197, 2.1.329 [run]",
    ),
    Text(
        Meaning.BILLING,
        r"(?i)credit balance is too low|hit your monthly spend limit",
        "Credit balance is too low",
        "Your balance is low",
        "2.1.197, 2.1.329 [run]; spend limit 2.1.329 [bin]",
    ),
    Text(
        Meaning.RATE,
        r"\(not your usage limit\)|Request rejected \(429\)",
        "API Error: Server is temporarily limiting requests (not your usage limit) · Rate limited",
        "You've hit your 5-hour limit · resets 8:31am (UTC)",
        "2.1.197, 2.1.329 [run]",
    ),
    Text(
        Meaning.LIMIT,
        r"(?i)You['’]ve hit your (?:[\w-]+ ){0,3}limit\b",
        "You've hit your 5-hour limit · resets 8:31am (UTC)",
        "API Error: Server is temporarily limiting requests (not your usage limit) · Rate limited",
        "2.1.123 (hit your limit), 2.1.197-2.1.215 (session limit), 2.1.329 (5-hour limit) [run]",
    ),
    Text(
        Meaning.LIMIT,
        r"(?i)\busage limit reached\b",
        "Claude AI usage limit reached|1749924000",
        "You are at 80% of your usage limit",
        "1.0.24; Usage limit reached · continuing automatically, 2.1.329",
    ),
    Text(
        Meaning.AUTH,
        r"Not logged in|Invalid API key|Failed to authenticate|OAuth token (?:has expired|revoked)|Please run /login",
        "Invalid API key · Fix external API key",
        "API Error: Connection refused",
        "2.1.329 [run]",
    ),
    Text(
        Meaning.MODEL,
        r"There['’]s an issue with the selected model",
        "There's an issue with the selected model (no-such-model). It may not exist or you may not have access to it.",
        "Run --model to pick a different model.",
        "2.1.197, 2.1.329 [run]",
    ),
    Text(
        Meaning.PROVIDER,
        r"API Error: (?:5\d\d\b|Connection|Unable to connect|Request timed out)|API Error.*Overloaded|Repeated 529",
        "API Error: Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED)",
        "API Error: 400 messages: at least one message is required",
        "2.1.197 (Unable to connect to API), 2.1.329 [run]",
    ),
)

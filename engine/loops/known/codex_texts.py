"""What codex's messages mean.  The first that matches counts."""

from __future__ import annotations

from loops.known.model import Meaning, Text

TEXTS = (
    Text(
        Meaning.RESUME,
        r"no rollout found for thread id|No saved session found with ID|thread not found",
        "no rollout found for thread id 01a1fd0b-8ace-7a41-90c7-ff25b5d81c63",
        "To continue this session, run: codex resume 01a1fd0b-8ace-7a41-90c7-ff25b5d81c63",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.CONTEXT,
        r"ran out of room in the model['’]s context window",
        "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.",
        "The model's context window is 258400 tokens",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.BILLING,
        r"Quota exceeded\. Check your plan|workspace is out of credits|with your ChatGPT plan, upgrade",
        "Quota exceeded. Check your plan and billing details.",
        "You’ve hit your usage limit. Upgrade to Pro or visit the settings to purchase more credits.",
        "0.169.0 [run]; credits and plan 0.169.0 [src]",
    ),
    Text(
        Meaning.LIMIT,
        r"You['’]ve hit your usage limit",
        "You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro) or try again at 8:26 AM.",
        "You have used 80 % of your usage limit",
        "0.169.0 [run] (U+2019); earlier an ASCII apostrophe [src]",
    ),
    Text(
        Meaning.AUTH,
        r"unexpected status 40[13]\b|Missing environment variable|refresh token|Not logged in|Incorrect API key",
        "unexpected status 401 Unauthorized: Incorrect API key provided: mock.",
        "unexpected status 404 Not Found",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.MODEL,
        r"The model `[^`]*` does not exist|model is not supported when using Codex",
        "The model `no-such-model` does not exist or you do not have access to it.",
        "Model metadata for `mock-model` not found. Defaulting to fallback metadata; this can degrade performance.",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.RATE,
        r"last status: 429|unexpected status 429|Rate limit reached",
        "exceeded retry limit, last status: 429 Too Many Requests",
        "exceeded retry limit, last status: 503 Service Unavailable",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.PROVIDER,
        r"currently experiencing high demand|waiting for network|error sending request|idle timeout waiting for SSE"
        r"|(?:last|unexpected) status:? 5\d\d|Selected model is at capacity",
        "We’re currently experiencing high demand, which may cause temporary errors.",
        "stream disconnected before completion: stream closed before response.completed",
        "0.169.0 [run]",
    ),
    Text(
        Meaning.TRUNCATED,
        r"stream disconnected before completion|stream closed before response\.completed",
        "stream disconnected before completion: stream closed before response.completed",
        "Reconnecting... waiting for network (Connection failed: error sending request)",
        "0.169.0 [run]",
    ),
)

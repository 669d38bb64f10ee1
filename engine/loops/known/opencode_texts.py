"""What the messages mean that opencode passes on from a provider, and its own.  The first that matches counts."""

from __future__ import annotations

from loops.known.model import Meaning, Text

TEXTS = (
    Text(
        Meaning.RESUME,
        r"Session not found",
        "Session not found: ses_e03013ed2ffeVDfYhx98Y8wGGp",
        "Model not found: mock/nosuch.",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.LIMIT,
        r"Free usage exceeded|Free limit reached|usage_limit_reached|(?i:usage limit (?:has been )?(?:reached|exceeded))",
        "Free usage exceeded, add credits https://opencode.ai/zen",
        "You exceeded your current quota, please check your plan and billing details.",
        "retry.ts [src]; Free limit reached 1.18.33 [bin]",
    ),
    Text(
        Meaning.BILLING,
        r"(?i)exceeded your current quota|insufficient_quota|credit balance is too low|insufficient (?:balance|credits|funds)",
        "You exceeded your current quota, please check your plan and billing details.",
        "Free usage exceeded, add credits https://opencode.ai/zen",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.CONTEXT,
        r"(?i)exceeds the context window|prompt is too long|context[_ ]length[_ ]exceeded|maximum context length is \d+",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "The context window of this model is large.",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.AUTH,
        r"(?i)Incorrect API key|invalid x-api-key|invalid_api_key|do not have access to this resource|API key is missing",
        "Incorrect API key provided: mock. You can find your API key at https://platform.openai.com/account/api-keys.",
        "The model `mock-model` does not exist or you do not have access to it.",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.MODEL,
        r"The model `[^`]*` does not exist|Model not found:|model_not_found",
        "Model not found: mock/nosuch.",
        "Session not found: ses_e03013ed2ffeVDfYhx98Y8wGGp",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.RATE,
        r"(?i)rate limit (?:reached|exceeded)|too many requests|exceeded your per-minute rate limit",
        "Rate limit reached for mock-model in organization org-mock on requests per min (RPM): Limit 3, Used 3.",
        "Free limit reached",
        "1.18.33 [run]",
    ),
    Text(
        Meaning.PROVIDER,
        r"(?i)Cannot connect to API|server had an error|overloaded|internal server error|unable to connect|service unavailable",
        "Cannot connect to API: Unable to connect. Is the computer able to access the url?",
        "Unexpected server error. Check server logs for details.",
        "1.18.33 [run]",
    ),
)

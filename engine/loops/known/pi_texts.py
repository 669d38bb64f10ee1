"""What the messages mean that pi passes on from a provider, and its own.  The first that matches counts."""

from __future__ import annotations

from loops.known.model import Meaning, Text

TEXTS = (
    Text(
        Meaning.RESUME,
        r"No session found matching|Session file not found",
        "No session found matching '01a1fd14-f939-75d5-bb40-8cb0059b4a03'",
        "No API key found for mock.",
        "0.73.1 [src]",
    ),
    Text(
        Meaning.BILLING,
        r"(?i)exceeded your current quota|insufficient_quota|credit balance is too low|insufficient (?:balance|credits|funds)",
        "429 You exceeded your current quota, please check your plan and billing details.",
        "429 Rate limit reached for mock-model",
        "0.73.1 [run]",
    ),
    Text(
        Meaning.LIMIT,
        r"(?i)usage_limit_reached|hit your (?:ChatGPT )?usage limit|usage limit (?:has been )?(?:reached|exceeded)",
        "You have hit your ChatGPT usage limit (plus plan). Try again in ~42 min.",
        "429 Rate limit reached for mock-model",
        "0.73.1 [src]",
    ),
    Text(
        Meaning.RATE,
        r"(?i)rate.?limit|too many requests",
        "429 Rate limit reached for mock-model in organization org-mock on requests per min (RPM): Limit 3, Used 3.",
        "429 You exceeded your current quota, please check your plan and billing details.",
        "0.73.1 [run]",
    ),
    Text(
        Meaning.CONTEXT,
        r"(?i)prompt is too long|request_too_large|exceeds the context window|input is too long for requested model"
        r"|input token count.*exceeds the maximum|maximum prompt length is \d+|reduce the length of the messages"
        r"|maximum context length is \d+ tokens|exceeds the limit of \d+|exceeds the available context size"
        r"|greater than the context length|context window exceeds limit|exceeded model token limit"
        r"|too large for model with \d+ maximum|model_context_window_exceeded|prompt too long; exceeded"
        r"|context[_ ]length[_ ]exceeded|too many tokens|token limit exceeded",
        "400 Your input exceeds the context window of this model. Please adjust your input and try again.",
        "400 The context window of this model is large.",
        "0.73.1 [run], the same patterns as its own [src]",
    ),
    Text(
        Meaning.AUTH,
        r"(?i)^40[13]\b|Incorrect API key|invalid x-api-key|No API key found|do not have access to this resource",
        "401 Incorrect API key provided: mock.",
        "404 The model `mock-model` does not exist or you do not have access to it.",
        "0.73.1 [run]",
    ),
    Text(
        Meaning.MODEL,
        r"The model `[^`]*` does not exist|Model \"[^\"]*\" not found|No models match",
        "404 The model `mock-model` does not exist or you do not have access to it.",
        "404 page not found",
        '0.73.1 [run]; Model "x" not found 0.87.1 [run]',
    ),
    Text(
        Meaning.TRUNCATED,
        r"(?i)request ended without sending any chunks|stream ended without|other side closed|^terminated$",
        "request ended without sending any chunks",
        "Connection error.",
        "0.73.1 [src]",
    ),
    Text(
        Meaning.PROVIDER,
        r"(?i)^5\d\d\b|Connection error|overloaded|server had an error|fetch failed|socket hang up|timed out",
        "Connection error.",
        "404 page not found",
        "0.73.1 [run]",
    ),
)

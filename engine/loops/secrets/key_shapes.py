"""What secret keys look like, as their makers write them.

*starts* are searched first, for they cost next to nothing; *pattern* follows one of them.  Both are ASCII, and no letter
of a key has to be escaped in JSON.  A shape is better too narrow than too wide: what is cut out is gone.
"""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """One kind of key: *pattern* (a regular expression) finds all of *sample* and nothing in *counter*."""

    name: str
    starts: tuple[str, ...]
    pattern: str
    sample: str
    counter: str


def _made_up(start: str, length: int) -> str:
    return start + ("Zq7-test_ONLY0123456789" * 20).replace("-", "x").replace("_", "y")[:length]


KEY_SHAPES = (
    Shape(
        "provider key",
        ("sk-",),
        r"sk-(?:(?:ant|proj|svcacct|admin|or-v1)-[\w-]{16,}|[A-Za-z0-9]{32,})",
        _made_up("sk-ant-api03-", 40),
        "sk-learn-and-other-names-with-dashes-in-them",
    ),
    Shape("xAI key", ("xai-",), r"xai-[A-Za-z0-9]{40,}", _made_up("xai-", 80), "xai-grok-models"),
    Shape("Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{40,}", _made_up("gsk_", 52), "gsk_short"),
    Shape("Google key", ("AIza",), r"AIza[\w-]{35}", _made_up("AIza", 35), "AIzawa"),
    Shape(
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})",
        _made_up("ghp_", 36),
        "ghp_is_the_start_of_a_token",
    ),
    Shape("GitLab token", ("glpat-",), r"glpat-[\w-]{20,}", _made_up("glpat-", 20), "glpat-xyz"),
    Shape(
        "Slack token",
        ("xox",),
        r"xox[abprs]-[A-Za-z0-9-]{20,}",
        _made_up("xoxb-", 40),
        "xoxb-",
    ),
    Shape(
        "AWS key id",
        ("AKIA", "ASIA"),
        r"A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])",
        "AKIA" + "Q7ZR" * 4,
        "ASIA is a continent",
    ),
    Shape("npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}", _made_up("npm_", 36), "npm_config_cache"),
    Shape("PyPI token", ("pypi-",), r"pypi-[\w-]{50,}", _made_up("pypi-", 60), "pypi-publish"),
    Shape("Hugging Face token", ("hf_",), r"hf_[A-Za-z0-9]{30,}", _made_up("hf_", 34), "hf_hub_download"),
    Shape(
        "age key",
        ("AGE-SECRET-KEY-",),
        r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
        "AGE-SECRET-KEY-1" + "Q7ZR" * 15,
        "AGE-SECRET-KEY-",
    ),
    Shape(
        "web token",
        ("eyJ",),
        r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
        f"{_made_up('eyJ', 20)}.{_made_up('eyJ', 40)}.{_made_up('', 43)}",
        "eyJhbGciOiJIUzI1NiJ9",
    ),
    Shape(
        "private key",
        ("-----BEGIN ",),
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[\s\S]{0,16384}?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|\Z)",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ),
)

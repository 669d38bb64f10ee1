"""Where a secret is, told from the secret itself.  Pure.

What stands in a place for locations and is a value is found by its form: known keys, assignments, long random texts.
Unlike the shapes of `loops.secrets.key_shapes`, nothing is cut out here, so that a form may rather be too wide.
"""

from __future__ import annotations

import re

from loops.secrets.redaction import redact

_KEY = re.compile(
    r"(?:sk|pk|rk|gh[pousr]|github_pat|glpat|xox[abprs]|gsk|hf|npm|pypi|xai|AIza|AKIA|ASIA|AGE-SECRET-KEY)[-_]?[\w-]{8,}",
    re.ASCII,
)
"""The start of a key and something: shorter, or otherwise written, than the shapes that are cut out."""
_NAMED = re.compile(
    r"(?:export\s+)?(?P<name>[A-Za-z_][\w-]*)\s*=\s*(?P<one>\S.*)"
    r"|(?:.*\W)?(?:password|passwd|passphrase|pwd|token|secret|bearer|api[-_ ]?key|key)(?:\s*:\s*|\s+is\s+)(?P<two>\S.*)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
"""``TOKEN=…``, ``the password is …``."""
_REFERENCE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:(?=/|\.)|(?:credential|sops|vault|pass|op|age|agenix|env|keyring|bw|file):(?=\S))", re.ASCII
)
_PATH = re.compile(r"[^\s=]*/[^\s=]*|[.~][\w./-]+|[\w-]+(?:\.[A-Za-z][\w-]*)+", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}", re.ASCII)
_CLASSES = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/@\s]*)@")


def value_in(text: str) -> str:
    """Return what kind of value *text* holds, in words that do not show it; "" when it is a location or empty."""
    text = text.strip().strip("'\"")
    if redact(text) != text or any(_looks_random(run) for run in _RUN.findall(text)):
        return "a key"
    if password_in(text):
        return "an address with a password"
    if _is_place(text):
        return ""
    if named := _NAMED.fullmatch(text):
        words = (named["one"] or named["two"]).split()
        return "" if any(map(_is_place, words)) else "a value behind its name"
    if any(re.search(r"[0-9A-Z]", key[2:]) for key in _KEY.findall(text)) or _HEX.search(text):
        return "a key"
    if not re.search(r"\s", text) and re.search(r"[^A-Za-z_-]", text):
        return "a word that is neither a path nor a reference"
    return ""


def password_in(address: str) -> bool:
    """Return whether a URL holds a password, or a token instead of a user."""
    found = _USERINFO.match(address)
    return found is not None and (":" in found[1] or redact(found[1]) != found[1] or len(found[1]) >= 20)


def _is_place(text: str) -> bool:
    return bool(_REFERENCE.match(text) or _PATH.fullmatch(text))


def _looks_random(run: str) -> bool:
    """Small and capital letters and digits, in no order: no name and no path is written so."""
    classes = _CLASSES.findall(run)
    kinds = {(each[0].isdigit(), each[0].isupper()) for each in classes}
    return len(kinds) == 3 and len(classes) > 0.3 * len(run)

"""Values in a shell command: always parameters, never text that the shell reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FOR_QUOTING = {"": '"${%d}"', '"': "${%d}", "'": "'\"${%d}\"'"}


def positional(command: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the argv that has ``sh -c`` run *command* with each ``{name}`` in it standing for its value.

    The place may be bare, in double or in single quotes: the value arrives as one word's text.  Where the quoting is
    too clever for us (nested command substitution) it may be split into words, but it is never run.
    """
    index = {name: number for number, name in enumerate(values, 1)}
    token = re.compile(r"\\.|['\"]|" + "|".join(re.escape(f"{{{name}}}") for name in values), re.DOTALL)
    quote = ""

    def replaced(found: re.Match[str]) -> str:
        nonlocal quote
        word = found[0]
        if word in ("'", '"'):
            quote = "" if quote == word else quote or word
        elif word.startswith("\\"):
            if quote == "'":  # a backslash means nothing there, and the quote may end right behind it
                quote = "" if word[1] == "'" else quote
        else:
            return _FOR_QUOTING[quote] % index[word[1:-1]]
        return word

    return ("sh", "-c", token.sub(replaced, command), "sh", *values.values())

"""What a systemd unit and its environment files say of how launchers are started.  Pure.

As systemd.exec(5), systemd.syntax(7) and systemd.service(5) have it: continued lines, comments between them, lists that an
empty value clears, quotes and escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


@dataclass(frozen=True, slots=True)
class Line:
    """One setting.  ``number``: the line that it begins on, from 1."""

    section: str
    key: str
    value: str
    number: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable.  ``value`` None: the text is no assignment, and systemd passes over it."""

    name: str
    value: str | None
    number: int


def lines(text: str) -> Iterator[Line]:
    """Yield the settings of a unit's file, in order."""
    section = ""
    for number, logical in _logical(text):
        stripped = logical.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif "=" in stripped:
            key, _, value = stripped.partition("=")
            yield Line(section, key.strip(), value.strip(), number)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """The lines without comments, continued ones put together."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip()[:1] in ("#", ";"):
            continue  # also in the middle of a continued line
        begun = begun or number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        yield begun, " ".join((*parts, line))
        begun, parts = 0, []
    if parts:
        yield begun, " ".join(parts)


def words(value: str) -> tuple[str, ...]:
    """Split a value as systemd does: quotes may stand anywhere, C escapes mean what they mean in C.

    ValueError: a quote is not closed, or an escape is none.
    """
    found, word, begun, at, quote = list[str](), list[str](), False, 0, ""
    while at < len(value):
        letter = value[at]
        at += 1
        if letter == "\\":
            text, at = _escape(value, at)
            word.append(text)
            begun = True
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word.append(letter)
        elif letter in "\"'":
            quote, begun = letter, True
        elif letter.isspace():
            if begun:
                found.append("".join(word))
            word, begun = [], False
        else:
            word.append(letter)
            begun = True
    if quote:
        raise ValueError(f"the quote {quote} is not closed")
    return (*found, "".join(word)) if begun else tuple(found)


def _escape(value: str, at: int) -> tuple[str, int]:
    """The letter that an escape stands for, and where the text goes on behind it."""
    letter = value[at : at + 1]
    if letter in ("\\", '"', "'"):
        return letter, at + 1
    if letter in _ESCAPES and letter:
        return _ESCAPES[letter], at + 1
    for mark, digits, base in (("x", 2, 16), ("u", 4, 16), ("U", 8, 16)):
        number = re.match(rf"[0-9A-Fa-f]{{{digits}}}", value[at + 1 :]) if letter == mark else None
        if number:
            return _letter(int(number[0], base)), at + 1 + digits
    octal = re.match(r"[0-7]{3}", value[at:])
    if octal:
        return _letter(int(octal[0], 8)), at + 3
    raise ValueError(f"\\{letter} is no escape")


def _letter(number: int) -> str:
    if not 0 < number < 0x110000 or 0xD800 <= number < 0xE000:
        raise ValueError("an escape for a letter that cannot be")
    return chr(number)


def assignments(value: str, number: int) -> Iterator[Assignment]:
    """Yield the variables of an ``Environment=``.  ValueError: as `words`."""
    for word in words(value):
        name, equals, rest = word.partition("=")
        yield Assignment(name, rest if equals and _NAME.match(name) else None, number)


def specifiers(value: str, unit: str) -> str:
    """Replace the specifiers that the file's name alone tells.  ValueError: there is another one."""
    name = unit.rpartition("/")[2]
    prefix, _, instance = name.rpartition(".")[0].partition("@")
    known = {"%": "%", "n": name, "N": name.rpartition(".")[0], "p": prefix, "i": instance}

    def put(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise ValueError(f"%{found[1]} is known to the service manager only")
        return known[found[1]]

    return re.sub(r"%(.?)", put, value, flags=re.DOTALL)


def environment_file(text: str) -> Iterator[Assignment]:
    """Yield the variables of an ``EnvironmentFile=``, by systemd's rules, which are not those of a shell."""
    at, number = 0, 1
    while at < len(text):
        if text[at] in " \t\n\r":
            number += text[at] == "\n"
            at += 1
            continue
        begun = number
        if text[at] in "#;":
            at = _to_end(text, at)
            continue
        name_end = at
        while name_end < len(text) and text[name_end] not in "=\n":
            name_end += 1
        if name_end == len(text) or text[name_end] == "\n":
            if text[at:name_end].strip():
                yield Assignment(text[at:name_end].strip(), None, begun)
            at = name_end
            continue
        name = text[at:name_end].strip()
        value, at = _value(text, name_end + 1)
        number += text.count("\n", name_end, at)
        yield Assignment(name, value if _NAME.match(name) else None, begun)


def _to_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value(text: str, at: int) -> tuple[str, int]:
    """The value that begins at *at*, and where it ends: at its newline."""
    value = list[str]()
    kept = 0  # letters that trailing blanks are not cut from
    state = "start"
    while at < len(text):
        letter = text[at]
        at += 1
        if state == "single":
            if letter == "'":
                state, kept = "start", len(value)
            else:
                value.append(letter)
        elif state == "double":
            if letter == '"':
                state, kept = "start", len(value)
            elif letter == "\\" and at < len(text):
                following = text[at]
                at += 1
                if following in '"\\`$':
                    value.append(following)
                elif following != "\n":
                    value += ["\\", following]
            else:
                value.append(letter)
        elif letter == "\n":
            at -= 1
            break
        elif letter == "\\":
            if at < len(text) and text[at] != "\n":
                value.append(text[at])
                kept = len(value)
                state = "bare"
            at += 1
        elif state == "start" and letter in "'\"":
            state = "single" if letter == "'" else "double"
        elif state == "start" and letter in " \t\r":
            continue
        else:
            value.append(letter)
            state = "bare"
    rest = "".join(value[kept:])
    return "".join(value[:kept]) + (rest if state in ("single", "double") else rest.rstrip()), at

"""One verb of the command line, and the kinds of words that several verbs take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

Arguments = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its words, its example, and where its code is (``module:function`` in `loops.cli`)."""

    words: str
    help: str
    example: str
    code: str
    arguments: Arguments = lambda parser: None


def seconds(word: str) -> float:
    """A number of seconds."""
    number = float(word)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds")
    return number


def setting(word: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, equals, value = word.partition("=")
    if not equals or not name.replace("_", "a").isalnum() or name[0].isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is not NAME=VALUE")
    return name, value


def count(word: str) -> int:
    """A whole number from 0."""
    number = int(word)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{word!r} is less than nothing")
    return number

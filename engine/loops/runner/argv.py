"""The command line and the environment of an agent's program, from what is known of it and what is ordered.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loops.known.model import Known
from loops.runner.order import RunOrder

HIDDEN = "(not shown)"
_SECRETS = ("key", "token", "secret", "password", "credential")
"""Parts of an option's name by which its value is not shown."""


def command(order: RunOrder, known: Known) -> tuple[str, ...]:
    """Return the whole command: sandbox, program, protocol, conversation, model, effort, permissions, user's flags.

    The user's flags stand last: where a program takes an option twice, theirs counts.
    """
    words = [*known.headless, *_conversation(order, known)]
    if order.model:
        words += known.model
    if order.effort:
        words += known.effort
    words += known.permissions.get(order.permissions, ())
    slots = slots_of(order)
    return (*order.wrap, order.bin, *(fill(word, slots) for word in words), *order.flags)


def environment(
    order: RunOrder, known: Known, inherited: Mapping[str, str], home: Mapping[str, str], root: bool
) -> dict[str, str]:
    """Return the program's environment: *inherited*, and what *home* (`loops.runner.home.prepare`) asks for.

    *root*: whether it will run as the superuser.
    """
    own = known.env_root_skips if root and order.permissions == "skip" else {}
    return {**inherited, **own, **known.permission_env.get(order.permissions, {}), **home}


def told(words: Sequence[str]) -> list[str]:
    """Return a command line as it may be written down: what looks like a secret is left out."""
    found: list[str] = []
    secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        if secret:
            found.append(HIDDEN)
        elif equals and _is_secret(name):
            found.append(f"{name}={HIDDEN}")
        else:
            found.append(word)
        secret = not secret and word.startswith("-") and not equals and _is_secret(word)
    return found


def _is_secret(name: str) -> bool:
    return any(part in name.lower() for part in _SECRETS)


def slots_of(order: RunOrder) -> dict[str, str]:
    """Return what the slots of `Known`'s words stand for in this run."""
    return {
        "{model}": order.model,
        "{effort}": order.effort,
        "{id}": order.conversation or order.fresh_id,
        "{home}": order.home,
        "{directory}": order.directory,
    }


def fill(word: str, slots: Mapping[str, str]) -> str:
    """Return *word* with its slots filled in.  Not `str.format`: words may hold braces of their own (JSON)."""
    if "{" in word:
        for slot, value in slots.items():
            word = word.replace(slot, value)
    return word


def _conversation(order: RunOrder, known: Known) -> tuple[str, ...]:
    if order.conversation:
        return known.resume
    return known.fresh if order.fresh_id else ()

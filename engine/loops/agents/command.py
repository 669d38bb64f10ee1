"""Any agent's command line, described by data in ``[backend.NAME]``."""

from __future__ import annotations

from collections.abc import Sequence

from loops.agents import events, screen
from loops.agents.keys import key_bytes
from loops.agents.port import Launch, Order, Screen, Signal, Typing
from loops.agents.shell import positional
from loops.config.model import Backend, Delivery
from loops.errors import ConfigError
from loops.sessions.send import bracketed, one_line

_LONGEST_ARGUMENT = 131_071
"""Bytes of one argument (Linux: MAX_ARG_STRLEN less the final NUL)."""


class CommandAdapter:
    """Knows of its agent what the data says, and reads the screen where no hook writes signals."""

    structured = False
    screens = True

    def __init__(self, backend: Backend) -> None:
        """Drive what *backend* describes.

        Raises:
            ConfigError: a pattern, the submit key or the program is unusable.
        """
        self._backend = backend
        self._place = f"[backend.{backend.name}]"
        if not backend.bin:
            raise ConfigError(f'{self._place} bin: names no program; write bin = "the-agent"')
        self._submit = key_bytes(backend.submit_key, f"{self._place} submit_key")
        self._patterns = screen.patterns_of(backend)

    def launch(self, order: Order) -> Launch:
        """Return what to run.

        Raises:
            ConfigError: the kickoff is too long to be an argument.
        """
        backend = self._backend
        kickoff = f"{backend.preamble}\n\n{order.kickoff}" if backend.preamble else order.kickoff
        if backend.prompt_delivery is Delivery.EXEC:
            # Upstream incident 25: as an argument the kickoff killed `sleep`; here it goes only where {kickoff} stands.
            argv = positional(backend.bin, {"session": order.session, "kickoff": self._argument(kickoff)})
            return Launch(argv, backend.env)
        words, conversation = self._conversation(order)
        if backend.prompt_delivery is Delivery.PING:
            return Launch(words, backend.env, typed=kickoff, conversation=conversation)
        return Launch((*words, self._argument(kickoff)) if kickoff else words, backend.env, conversation=conversation)

    def typing(self, text: str) -> Typing:
        """Paste and submit; a plain process (delivery "exec") reads lines and knows no paste."""
        paste = one_line(text) if self._backend.prompt_delivery is Delivery.EXEC else bracketed(text)
        return Typing(paste, self._submit)

    def read_line(self, line: bytes) -> Sequence[Signal]:
        """Read one line of the engine's own signals format: any agent's hooks may write it."""
        return events.read_line(line)

    def read_screen(self, screen_: Screen, now: float) -> Sequence[Signal]:
        """Read a screen by the backend's patterns."""
        return screen.read_screen(self._patterns, screen_, now)

    def _conversation(self, order: Order) -> tuple[tuple[str, ...], str]:
        """Return the command without the kickoff, and the conversation's id as far as it is known before the start."""
        backend = self._backend
        words = [backend.bin, *backend.flags]
        if order.model:
            words += ["--model", order.model]
        conversation, flags = "", backend.session_flags
        if order.resume and order.conversation and backend.supports_resume:
            conversation, flags = order.conversation, backend.resume_flags
        elif flags:
            conversation = order.fresh_id
        if conversation:
            words += [flag.replace("{id}", conversation) for flag in flags]
        return tuple(words), conversation

    def _argument(self, kickoff: str) -> str:
        size = len(kickoff.encode("utf-8", "replace"))
        if size > _LONGEST_ARGUMENT:
            raise ConfigError(
                f"{self._place}: the kickoff has {size} bytes, and an argument at most {_LONGEST_ARGUMENT}; "
                'shorten it, let it name a file to read, or set prompt_delivery = "ping"'
            )
        return f" {kickoff}" if kickoff.startswith("-") else kickoff  # a text is never a flag

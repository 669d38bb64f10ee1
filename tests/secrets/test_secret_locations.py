"""Where a secret is, told from the secret itself."""

from __future__ import annotations

import base64
import os

import pytest
from loops.secrets.key_shapes import KEY_SHAPES
from loops.secrets.locations import password_in, value_in

PLACES = [
    "",
    "none",
    "/run/secrets/cc-ci",
    "secrets/cc-ci.env",
    "secrets.yaml",
    "~/.config/cc-ci/key",
    "credential:anthropic",
    "sops:secrets/cc-ci.yaml",
    "vault:kv/data/cc-ci",
    "vault://kv/cc-ci",
    "https://vault.example.org/v1/kv",
    "pass:infra/ci",
    "op://vault/item/field",
    "env:ANTHROPIC_API_KEY",
    "ANTHROPIC_API_KEY=/run/keys/anthropic",
    "the token is in /run/secrets/x",
    "/srv/secrets/cc-ci.env (0600, host only)",
    "host sops-nix",
    "nixos: sops.secrets.cc-ci",
    "secrets in the operator's 1Password",
    "systemd credential anthropic",
    "/nix/store/0c9v3l5wq8x2k7rj1d4m6n8p0s2a4b6f-secrets",
    "git@git.example.org:ops/secrets.git",
]

VALUES = [
    "sk-abcd1234efgh",
    "sk-ant-api03-abc123",
    "ghp_short1234567",
    "TOKEN=abc",
    "export TOKEN=abc",
    "ANTHROPIC_API_KEY = 'abc def'",
    "password: hunter2",
    "the token is abcdef",
    "hunter2",
    "Passw0rd!",
    "https://bob:secret@example.org/x",
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83v/EjRWeJA=",
    "0123456789abcdef0123456789abcdef",
    "credential:q83vEjRWeJCrze8SNFZ4kKvN7",
]


@pytest.mark.parametrize("text", PLACES)
def test_a_place_is_no_value(text: str):
    assert value_in(text) == ""


@pytest.mark.parametrize("text", [*VALUES, *(shape.sample for shape in KEY_SHAPES)])
def test_a_value_is_told_without_being_shown(text: str):
    told = value_in(text)

    assert told
    assert not any(part in told for part in text.split())


def test_random_bytes_in_base64_are_a_value():
    missed = [text for _ in range(500) if not value_in(text := base64.b64encode(os.urandom(36)).decode())]

    assert len(missed) <= 5, missed


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://bob:secret@example.org/x", True),
        ("https://0123456789abcdef0123@example.org/x", True),
        ("ssh://git@example.org/x", False),
        ("git@example.org:x", False),
        ("https://example.org/a:b@c", False),
    ],
)
def test_a_password_in_an_address_is_seen(address: str, told: bool):
    assert password_in(address) is told

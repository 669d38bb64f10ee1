"""Credentials: found in order, for one pair of eyes, and refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.errors import LoopsError
from loops.secrets import credentials


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The three directories, empty."""
    found = {name: tmp_path / name for name in ("systemd", "named", "home")}
    for path in found.values():
        path.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(found["systemd"]))
    monkeypatch.setenv("LOOPS_CREDENTIALS", str(found["named"]))
    monkeypatch.setenv("HOME", str(found["home"]))
    found["home"] = found["home"] / ".config/loops/credentials"
    found["home"].mkdir(parents=True)
    return found


def put(directory: Path, content: str | bytes, mode: int = 0o600) -> None:
    path = directory / "key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def test_the_first_directory_that_has_it_counts(places: dict[str, Path]) -> None:
    for name in ("home", "named", "systemd"):
        put(places[name], name)
        assert credentials.value("key", "for a test") == name


@pytest.mark.parametrize("text", ["secret", "secret\n", "secret\r\n"])
def test_a_value_is_the_line_without_its_end(text: str, places: dict[str, Path]) -> None:
    put(places["named"], text)
    assert credentials.value("key", "for a test") == "secret"


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"a\0b", b"\xff\xfe"])
def test_what_is_no_single_line_of_text_is_no_value(content: bytes, places: dict[str, Path]) -> None:
    put(places["named"], content)
    with pytest.raises(LoopsError, match=r"'key', wanted as A of b: its file"):
        credentials.value("key", "as A of b")
    assert credentials.read("key", "as a file") == content


def test_a_file_that_others_may_read_is_refused_with_the_remedy(places: dict[str, Path]) -> None:
    put(places["named"], "secret", 0o640)
    with pytest.raises(LoopsError, match=r"named/key has mode 640; chmod 600 it"):
        credentials.value("key", "for a test")


def test_what_systemd_loaded_has_its_own_rights(places: dict[str, Path]) -> None:
    put(places["systemd"], "secret", 0o440)
    assert credentials.value("key", "for a test") == "secret"


def test_a_missing_one_says_where_it_was_looked_for(places: dict[str, Path]) -> None:
    with pytest.raises(LoopsError) as refused:
        credentials.read("key", "as A of b")
    assert all(str(path) in str(refused.value) for path in places.values())
    assert "`loops service install --credential key=FILE` (NixOS: credentials.key)" in str(refused.value)
    assert str(refused.value).endswith(f"put it into {places['named']}, mode 600")


def test_without_a_service_manager_the_remedy_names_none(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    monkeypatch.delenv("LOOPS_CREDENTIALS")
    with pytest.raises(LoopsError, match=rf"; put it into {places['home']}, mode 600$"):
        credentials.read("key", "as A of b")


def test_no_refusal_repeats_the_secret(places: dict[str, Path]) -> None:
    put(places["named"], "planted\nplanted\n")
    with pytest.raises(LoopsError) as refused:
        credentials.value("key", "for a test")
    assert "planted" not in str(refused.value)

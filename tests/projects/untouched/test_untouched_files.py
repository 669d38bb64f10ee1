"""Looks at real files: nothing hangs, nothing is touched, and nothing that was touched looks as before."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from loops.projects.untouched import files
from loops.projects.untouched.baseline import take
from loops.projects.untouched.check import compare
from loops.projects.untouched.model import Kind, Scope
from loops.projects.untouched.rules import known
from loops.projects.untouched.touch import Touch


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    (root / "prompts").mkdir(parents=True)
    (root / "prompts" / "builder.md").write_text("Build it.\n")
    (root / "builder.log").write_text("one\n")
    (root / "link").symlink_to("prompts/builder.md")
    for path in (root, root / "prompts", root / "prompts" / "builder.md", root / "builder.log"):
        os.utime(path, (1e9, 1e9))  # so that a change is never within the same tick of the clock
    return root


def touched(tree: Path, touch: Callable[[Path], object]) -> list[tuple[str, str, str]]:
    """What is found after *touch*."""
    return [(name, change, cause) for name, change, cause, _ in _touched(tree, touch)]


def _touched(tree: Path, touch: Callable[[Path], object]) -> list[tuple[str, str, str, Touch]]:
    scope = Scope(roots=(str(tree),))
    before = take(scope)
    touch(tree)
    found = compare(before, take(scope, before), known())
    return [(os.path.relpath(each.place, tree), each.change.value, each.cause.value, each) for each in found]


def rewritten(path: Path, text: str) -> None:
    """Another content, with the time of before."""
    about = path.stat()
    path.write_text(text)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def remade(path: Path) -> None:
    """The same content and times, deleted and made again."""
    about, content = path.stat(), path.read_bytes()
    with path.open("rb"):  # its inode stays taken until the new file has another
        path.unlink()
        path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def retargeted(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


PROMPT = "prompts/builder.md"


def test_a_directory_whose_time_was_set_back_too_is_told(tree: Path):
    def touch(tree: Path) -> None:
        remade(tree / PROMPT)
        os.utime(tree / "prompts", (1e9, 1e9))

    assert touched(tree, touch) == [("prompts", "inode", "unknown"), (PROMPT, "replaced", "unknown")]


@pytest.mark.parametrize(
    ("touch", "found"),
    [
        (lambda t: None, []),
        (lambda t: rewritten(t / PROMPT, "Break it.\n"), [(PROMPT, "content", "unknown")]),
        (lambda t: (t / PROMPT).write_text("Build it not.\n"), [(PROMPT, "content", "unknown")]),
        (lambda t: (t / PROMPT).write_text("Build it.\nNow.\n"), [(PROMPT, "appended", "unknown")]),
        (lambda t: remade(t / PROMPT), [(PROMPT, "replaced", "unknown")]),
        (lambda t: (t / PROMPT).chmod(0o600), [(PROMPT, "mode", "unknown")]),
        (lambda t: (t / "prompts").chmod(0o700), [("prompts", "mode", "unknown")]),
        (lambda t: os.utime(t / PROMPT), [(PROMPT, "time", "unknown")]),
        (lambda t: os.utime(t / PROMPT, (1e9, 1e9)), [(PROMPT, "inode", "unknown")]),
        (lambda t: os.link(t / PROMPT, t.parent / "elsewhere"), [(PROMPT, "links", "unknown")]),
        (lambda t: (t / "new").write_text(""), [("new", "added", "unknown")]),
        (lambda t: (t / "empty").mkdir(), [("empty", "added", "unknown")]),
        (lambda t: (t / PROMPT).unlink(), [(PROMPT, "removed", "unknown")]),
        (lambda t: retargeted(t / "link", "builder.log"), [("link", "target", "unknown")]),
        (lambda t: ((t / "x").write_text(""), (t / "x").unlink()), [(".", "time", "unknown")]),
        (lambda t: (t / "builder.log").write_text("one\ntwo\n"), [("builder.log", "appended", "live")]),
        (lambda t: (t / "builder.log").write_text("on"), [("builder.log", "content", "unknown")]),
        (lambda t: (t / "builder.log").write_text("two\none\n"), [("builder.log", "content", "unknown")]),
        (lambda t: ((t / PROMPT).unlink(), os.mkfifo(t / PROMPT)), [(PROMPT, "type", "unknown")]),
    ],
    ids=[
        *(
            "nothing",
            "content, time restored",
            "content",
            "appended to what is no log",
            "deleted and made again",
            "mode",
        ),
        *(
            "mode of a directory",
            "time",
            "time set to what it was",
            "hard link",
            "new file",
            "new directory",
            "deleted",
        ),
        *("symlink led elsewhere", "made and removed again", "log grew", "log truncated", "log rewritten longer"),
        "became a FIFO",
    ],
)
def test_each_touch_is_found_once(tree: Path, touch: Callable[[Path], object], found: list[tuple[str, str, str]]):
    assert touched(tree, touch) == found


def test_a_restored_time_is_told(tree: Path):
    ((*_, touch),) = _touched(tree, lambda t: rewritten(t / PROMPT, "Break it.\n"))

    assert "its time was set back" in touch.hints[0]


def test_extended_attributes_count(tree: Path):
    try:
        os.setxattr(tree / PROMPT, "user.first", b"1")
    except OSError as error:
        pytest.skip(f"this file system has no extended attributes: {error}")

    assert touched(tree, lambda t: os.setxattr(t / PROMPT, "user.first", b"2")) == [(PROMPT, "xattrs", "unknown")]


def test_what_is_no_file_is_recorded_and_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path has 107 bytes
        sock.bind("sock")
        os.chdir(here)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").symlink_to("/etc")

    found = {os.path.basename(each.path): each for each in files.look(str(tmp_path))}

    kinds = {name: each.kind for name, each in found.items() if name != tmp_path.name}
    assert kinds == {"fifo": Kind.FIFO, "sock": Kind.SOCKET, "loop": Kind.SYMLINK, "out": Kind.SYMLINK}
    assert found["out"].target == "/etc"
    assert not any(each.digest or each.unread for each in found.values())


def test_a_file_that_is_swapped_for_a_fifo_while_we_look_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_text("x")
    real = os.open

    def swapping(path: object, *rest: object, **more: object) -> int:
        if path == "a":
            (tmp_path / "a").unlink()
            os.mkfifo(tmp_path / "a")
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapping)

    found = {each.path: each for each in files.look(str(tmp_path))}

    assert found[str(tmp_path / "a")].kind is Kind.FIFO
    assert not found[str(tmp_path / "a")].digest


def test_a_link_that_is_swapped_in_while_we_look_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "a").write_text("x")
    (tmp_path / "secret").write_text("other")
    real = os.open

    def swapping(path: object, *rest: object, **more: object) -> int:
        if path == "a":
            retargeted(tmp_path / "live" / "a", str(tmp_path / "secret"))
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapping)

    found = {os.path.basename(each.path): each for each in files.look(str(tmp_path / "live"))}

    assert found["a"].unread
    assert not found["a"].digest


def test_what_may_not_be_read_is_recorded_as_such(tree: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.open

    def denying(path: object, *rest: object, **more: object) -> int:  # root may read everything
        if path == "builder.md":
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", denying)

    found = {os.path.basename(each.path): each for each in files.look(str(tree))}

    assert found["builder.md"].unread == "may not be read"
    assert found["builder.md"].mode == (tree / PROMPT).stat().st_mode & 0o7777


def test_a_look_changes_nothing_not_even_the_time_of_access(tree: Path):
    before = {path: os.lstat(path) for path in [tree, *tree.rglob("*")]}

    take(Scope(roots=(str(tree),)))

    for path, about in before.items():
        now = os.lstat(path)
        assert (now.st_mtime_ns, now.st_ctime_ns, now.st_nlink) == (
            about.st_mtime_ns,
            about.st_ctime_ns,
            about.st_nlink,
        )
        if not path.is_symlink():
            assert now.st_atime_ns == about.st_atime_ns, path


def test_a_log_that_grows_while_it_is_read_is_whole_as_far_as_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = tmp_path / "a.log"
    log.write_text("one\n")
    real = os.read

    def growing(descriptor: int, size: int) -> bytes:
        with open(log, "a") as file:
            file.write("more\n")
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", growing)
    before = files.one(str(log))
    monkeypatch.undo()

    (after,) = files.look(str(log), {str(log): before})

    assert before.size == 4
    assert not before.unread
    assert after.head is not None
    assert after.head.digest == before.digest


def test_a_file_that_is_rewritten_all_the_time_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a"
    path.write_text("one\n")
    real, moments = os.read, iter(range(100))

    def rewriting(descriptor: int, size: int) -> bytes:
        os.utime(path, (1, next(moments)))
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", rewriting)

    assert files.one(str(path)).unread == files.CHANGING


def test_a_file_that_changed_once_while_it_was_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a"
    path.write_text("one\n")
    real, texts = os.read, iter(["two\n"])

    def rewriting(descriptor: int, size: int) -> bytes:
        data = real(descriptor, size)
        for text in texts:
            path.write_text(text)
            os.utime(path, (1, 1))
        return data

    monkeypatch.setattr(os, "read", rewriting)

    assert files.one(str(path)).digest == sha256(b"two\n").hexdigest()


def test_a_tree_that_is_gone_is_removed_and_not_an_error(tree: Path):
    before = take(Scope(roots=(str(tree),)))
    tree.rename(tree.with_name("away"))

    touches = compare(before, take(before.scope, before), ())

    assert {each.change.value for each in touches} == {"removed"}
    assert len(touches) == len(before.entries)


def test_the_earlier_reach_of_a_file_is_digested_beside_the_whole(tmp_path: Path):
    path = tmp_path / "big.log"
    path.write_bytes(b"x" * 3_000_000)
    before = files.one(str(path))
    with path.open("ab") as file:
        file.write(b"y" * 3_000_000)

    (after,) = files.look(str(path), {str(path): before})

    assert after.head is not None
    assert (after.head.size, after.head.digest) == (before.size, before.digest)
    assert after.digest != before.digest
    assert replace(after, head=None) == files.one(str(path))

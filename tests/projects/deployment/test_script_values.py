"""What scripts come to without being run: constants, functions, files; and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.projects.deployment.files import Files
from loops.projects.deployment.python.scripts import Module, Scripts
from loops.projects.deployment.python.world import CannotTell, World


def script(root: Path, text: str, **environment: str) -> Module:
    (root / "launch.py").write_text(text)
    module = Scripts(World(Files(str(root)), environment)).module("launch.py")
    assert module is not None
    return module


GOOD = {
    "a text of several pieces": ("X = 'a' \"b\" + f\"{'c' * 2}{1 + 2:03d}\"", "abcc003"),
    "a variable with a default": ("import os\nX = os.environ.get('NONE', 'usual')", "usual"),
    "a variable that is set": ("import os\nX = os.environ['SET'] + (os.getenv('SET') or '')", "s s "),
    "whether one is set": ("import os\nX = str('SET' in os.environ) + str('NONE' not in os.environ)", "TrueTrue"),
    "paths": ("from pathlib import Path\nX = str(Path('/a') / 'b' / '../c') + Path('x.py').stem", "/a/b/../cx"),
    "its own place": ("import os\nX = os.path.basename(os.path.dirname(os.path.abspath(__file__)))", "live"),
    "formats": ("X = '{} {name!r}'.format(1, name='y') + '%s-%d' % ('z', 3)", "1 'y'z-3"),
    "dedent": ("from textwrap import dedent\nX = dedent('''\n  a\n   b\n''').strip()", "a\n b"),
    "slices and indices": ("L = [1, 2, 3]\nX = 'abc'[1:] + str(L[-1]) + {'k': 'v'}['k']", "bc3v"),
    "a comprehension": ("X = ','.join(f'{k}={v}' for k, v in {'a': 1, 'b': 2}.items() if v > 1)", "b=2"),
    "a condition": ("import sys\nif 1 < 2 <= 2:\n    X = 'yes'\nelse:\n    X = sys.argv[1]", "yes"),
    "a function": (
        "def f(a, *, b='2'):\n    '''doc'''\n    c = a\n    c += b\n    return c\nX = f('1') + f(a='x', b='y')",
        "12xy",
    ),
    "a loop": (
        "def f():\n    found = []\n    for n in (1, 2):\n        found.append(str(n))\n    return ''.join(found)\nX = f()",
        "12",
    ),
    "what is caught": (
        "def f():\n    try:\n        return open('none').read()\n    except OSError:\n        return 'no'\nX = f()",
        "no",
    ),
    "a file": ("from pathlib import Path\nX = Path(__file__).with_name('t.txt').read_text()", "line\nline\n"),
    "a file in a with": ("with open('t.txt', encoding='utf-8') as f:\n    X = f.read()", "line\nline\n"),
    "another script": ("import other\nfrom other import NAME as mine\nX = other.twice(mine)", "oo"),
}


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    root.mkdir()
    (root / "t.txt").write_bytes(b"line\r\nline\n")
    (root / "other.py").write_text("NAME = 'o'\ndef twice(text):\n    return text * 2\n")
    return root


RUN = """
import runpy, sys
sys.path.insert(0, "")
sys.stdout.write(runpy.run_path("launch.py")["X"])
"""


@pytest.mark.parametrize("name", GOOD)
def test_a_value_is_what_python_makes_of_it(live: Path, name: str):
    text, value = GOOD[name]

    module = script(live, text, SET="s ")

    assert module.value("X") == value
    words = [sys.executable, "-B", "-c", RUN]
    told = subprocess.run(words, cwd=live, env={"SET": "s "}, text=True, capture_output=True, check=True)
    assert told.stdout == value


BAD = {
    "a process": "import subprocess\nX = subprocess.run(['touch', 'ran'])",
    "a system call": "import os\nX = os.system('touch ran')",
    "a written file": "X = open('ran', 'w')",
    "an appended file": "X = open('ran', mode='a')",
    "a path that writes": "from pathlib import Path\nX = Path('ran').write_text('x')",
    "a removed file": "import os\nX = os.unlink('t.txt')",
    "eval": "X = eval('1')",
    "an import inside": "X = __import__('os').system('touch ran')",
    "an attribute of a class": "X = ''.__class__.__mro__",
    "a format that reaches in": "X = '{0.__class__}'.format('')",
    "a lambda": "X = (lambda: 1)()",
    "a class": "class A:\n    X = 1\nX = A.X",
    "a decorator": "import functools\n@functools.cache\ndef f():\n    return 1\nX = f()",
    "a generator": "def f():\n    yield 1\nX = list(f())",
    "a loop without end": "def f():\n    while True:\n        pass\nX = f()",
    "a call without end": "def f(n):\n    return f(n + 1)\nX = f(0)",
    "a text without end": "X = 'x' * 10**12",
    "another one": "X = 'x'\nX = '%999999999d' % 1",
    "and a third": "X = f\"{1:>{'9' * 9}}\"",
    "a list that grows": "X = [0]\ndef f(x):\n    return x + x\n" + "X = f(X)\n" * 40,
    "a replaced text that grows": "X = ('a' * 100000).replace('a', 'b' * 100000)",
    "a power": "X = 9 ** 9 ** 9",
    "the clock": "import time\nX = time.time()",
    "the home of nobody": "import os\nX = os.path.expanduser('~/x')",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_pure_value_is_not_evaluated_and_has_its_place(live: Path, name: str):
    module = script(live, BAD[name])

    with pytest.raises(CannotTell) as told:
        module.value("X")

    assert told.value.place.startswith("launch.py:")
    assert sorted(path.name for path in live.iterdir()) == ["launch.py", "other.py", "t.txt"]


def test_what_cannot_be_told_does_not_spoil_the_rest(live: Path):
    module = script(live, "import os\nA = os.getpid()\nB = 'x'\nC = A\n")

    assert module.value("B") == "x"
    with pytest.raises(CannotTell, match=r"launch\.py:2"):
        module.value("C")


def test_what_the_environment_was_asked_for_is_known(live: Path):
    module = script(live, "import os\nA = os.environ.get('ONE', '1')\nB = os.getenv('TWO')\n", TWO="2")

    asked = module.world.asked
    assert [(each.name, each.default, each.place) for each in asked.values()] == [
        ("ONE", "1", "launch.py:2"),
        ("TWO", None, "launch.py:3"),
    ]


def test_the_main_part_of_a_script_is_not_for_readers(live: Path):
    module = script(live, "X = 1\nif __name__ == '__main__':\n    X = 2\n")

    assert module.value("X") == 1


@pytest.mark.parametrize("text", ["def (", "x = '\0'", "if 1:\n\tx\n        y", "(" * 10_000])
def test_what_is_no_python_is_said(live: Path, text: str):
    (live / "launch.py").write_text(text)
    scripts = Scripts(World(Files(str(live)), {}))

    assert scripts.module("launch.py") is None
    assert len(scripts.problems) == 1


@settings(deadline=None)
@given(st.lists(st.sampled_from([text for text, _ in GOOD.values()] + list(BAD.values())), max_size=4), st.data())
def test_any_cut_of_any_script_is_read_without_an_end(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], data: st.DataObject
):
    text = "\n".join(parts)
    start = data.draw(st.integers(0, len(text)))
    root = tmp_path_factory.mktemp("cut")
    (root / "launch.py").write_text(text[start : data.draw(st.integers(start, len(text)))])

    module = Scripts(World(Files(str(root)), {})).module("launch.py")

    assert sorted(path.name for path in root.iterdir()) == ["launch.py"]
    assert module is None or module.names

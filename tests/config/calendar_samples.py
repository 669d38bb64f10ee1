"""Calendar expressions, made from their grammar; and systemd's own word on them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import strategies as st
from loops.config.recurrence import DAYS

SYSTEMD_ANALYZE = shutil.which("systemd-analyze")

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")


def members(low: int, high: int, width: int = 2) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    spelled = value.map(lambda number: f"{number:0{width}}") | value.map(str)
    every = st.integers(1, max(1, (high - low) // 2)).map(str)
    pair = st.tuples(value, value).map(sorted)
    return st.one_of(
        spelled,
        spelled,
        pair.map(lambda ends: f"{ends[0]}..{ends[1]}"),
        st.tuples(st.integers(low, low + (high - low) // 2), every).map(lambda both: f"{both[0]}/{both[1]}"),
        st.tuples(pair, every).map(lambda both: f"{both[0][0]}..{both[0][1]}/{both[1]}"),
    )


def field(low: int, high: int, width: int = 2) -> st.SearchStrategy[str]:
    return st.just("*") | st.lists(members(low, high, width), min_size=1, max_size=3).map(",".join)


_names = st.sampled_from(("Mon", "tue", "Wednesday", "Thu", "FRI", "Sat", "sunday"))
_ranges = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda ends: "..".join(DAYS[end] for end in sorted(ends)))
weekdays = st.lists(_names | _ranges, min_size=1, max_size=3).map(",".join)
dates = st.one_of(
    st.tuples(field(1, 12), field(1, 31)).map("-".join),
    st.tuples(field(2025, 2031, 4), field(1, 12), field(1, 31)).map("-".join),
    st.tuples(st.just("*"), field(1, 12), field(1, 31)).map("-".join),
    st.tuples(field(1, 12), field(1, 14)).map("~".join),
    st.tuples(field(2025, 2031, 4), field(1, 12), field(1, 14)).map(lambda each: f"{each[0]}-{each[1]}~{each[2]}"),
)
_seconds = field(0, 59) | st.sampled_from(("0/0.5", "1.25", "00.5..20", "0..59/7.5", "59.999999", "3.00000049"))
times = st.tuples(field(0, 23), field(0, 59)).map(":".join) | st.tuples(field(0, 23), field(0, 59), _seconds).map(
    ":".join
)
_parts = st.tuples(st.none() | weekdays, st.none() | dates, st.none() | times)
written = _parts.map(lambda parts: " ".join(part for part in parts if part)).filter(bool)
named = st.sampled_from(
    ("minutely", "hourly", "daily", "WEEKLY", "monthly", "quarterly", "semiannually", "yearly", "Bi-Annually")
)
expressions = st.tuples(written | written | named, st.none() | st.sampled_from(ZONES)).map(
    lambda both: " ".join(part for part in both if part)
)


@dataclass(frozen=True)
class Word:
    """What systemd makes of an expression: its normalized form, and the next times as whole epoch seconds."""

    normal: str
    times: tuple[int, ...]


def ask_systemd(texts: Sequence[str], base: int, times: int, zone: str = "UTC") -> dict[str, Word | None]:
    """Ask for many expressions at once; None: systemd refuses it.  *zone* is the machine's.

    Those of which it says that it cannot tell their next time are left out of the answer.
    """
    assert SYSTEMD_ANALYZE is not None
    start = datetime.fromtimestamp(base, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ran = subprocess.run(
        [SYSTEMD_ANALYZE, "calendar", f"--iterations={times}", f"--base-time={start}", "--", *texts],
        env={"PATH": os.environ["PATH"], "TZ": zone, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    refused = set(re.findall(r"Failed to parse calendar specification '(.*)': ", ran.stderr))
    answers = re.split(r"(?m)^(?=(?:  Original form|Normalized form))", ran.stdout)
    words: list[Word] = []
    for block in answers:
        normal = re.search(r"Normalized form: (.*)", block)
        if normal is None:
            continue
        found = [
            int(datetime.strptime(each, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
            for each in re.findall(r"(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w+ (\S+ \S+) UTC", block)
        ]
        words.append(Word(normal[1], tuple(found)))
    stuck = set(re.findall(r"Failed to determine next elapse for '(.*)': ", ran.stderr))
    accepted = [text for text in texts if text not in refused | stuck]
    assert len(words) == len(accepted), (ran.stderr, len(words), len(accepted))
    return dict.fromkeys(refused) | dict(zip(accepted, words, strict=True))

"""Calendar expressions as systemd writes them (systemd.time(7)), such as ``Sun *-*-* 03:00`` or ``weekly``: text to facts.

Whatever is accepted here systemd accepts too, and means the same by it.  Left out: moments since the epoch (``@…``) and
the abbreviated names of the machine's own zone (``CEST``), which another machine would not know.  Nothing here reads a
clock or a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from loops.config.problems import nearest, quoted
from loops.config.recurrence import (
    DAYS,
    EVERY_SECOND,
    HOURS,
    LAST_DAYS,
    MICRO,
    MINUTES,
    MONTH_DAYS,
    MONTHS,
    SECONDS,
    YEARS,
    ZERO,
    Calendar,
    Field,
    Part,
    Parts,
)
from loops.errors import ConfigError

EXAMPLE = "Sun *-*-* 03:00"

_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_NUMBERS = {name.lower(): number for names in (DAYS, _LONG_DAYS) for number, name in enumerate(names)}
_MOST_PARTS = 240
_LARGEST = 2**31 - 1


class BadCalendar(ConfigError):
    """A text that is no calendar expression; the message says why, and how it is written."""


def parse(text: str) -> Calendar:
    """Read *text*.  Raises BadCalendar."""
    expression, zone = _split_zone(text)
    named = _NAMED.get(expression.lower())
    try:
        found = named if named is not None else _parse(expression)
    except BadCalendar as error:
        raise BadCalendar(f"{quoted(text)} is no calendar expression: {error}") from None
    return replace(found, zone=zone)


# ---- zones and names ---------------------------------------------------------------------------------------------------

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_NAMED = {
    "minutely": Calendar(),
    "hourly": Calendar(minutes=ZERO),
    "daily": Calendar(hours=ZERO, minutes=ZERO),
    "weekly": Calendar(weekdays=frozenset({0}), hours=ZERO, minutes=ZERO),
    "monthly": Calendar(days=(Part(1),), hours=ZERO, minutes=ZERO),
    "quarterly": Calendar(months=tuple(map(Part, (1, 4, 7, 10))), days=(Part(1),), hours=ZERO, minutes=ZERO),
    "semiannually": Calendar(months=(Part(1), Part(7)), days=(Part(1),), hours=ZERO, minutes=ZERO),
    "yearly": Calendar(months=(Part(1),), days=(Part(1),), hours=ZERO, minutes=ZERO),
}
_NAMED |= dict.fromkeys(("annually", "anually"), _NAMED["yearly"])
_NAMED |= dict.fromkeys(("biannually", "bi-annually", "semi-annually"), _NAMED["semiannually"])


def _split_zone(text: str) -> tuple[str, str]:
    """The expression and the zone that ends it, if one does."""
    expression, space, last = text.rpartition(" ")
    if not space or not _ZONE.fullmatch(last) or last.lower() in _DAY_NUMBERS or not expression:
        return text, ""
    return expression, "UTC" if last.upper() == "UTC" else last


# ---- parsing -----------------------------------------------------------------------------------------------------------


def _parse(text: str) -> Calendar:
    _refuse_the_foreign(text)
    words = text.split()
    weekdays: frozenset[int] = frozenset()
    named = _NAMED.get(words[0].lower())
    if named is not None:
        instead = str(named).rpartition(" ")[0]
        raise BadCalendar(f'{quoted(words[0])} says the time of day too; write another as in "{instead} 03:00"')
    if words[0][0].isalpha():
        weekdays = _weekdays(words.pop(0))
    if len(words) > 2:
        raise BadCalendar(f'{quoted(" ".join(words))} is more than a date and a time; write it as in "{EXAMPLE}"')
    found = Calendar(weekdays, hours=ZERO, minutes=ZERO)
    if words and ":" not in words[0]:
        found = _date(words.pop(0), found)
    return _time(words[0], found) if words else found


def _refuse_the_foreign(text: str) -> None:
    """What people write for other programs."""
    if not text.strip():
        raise BadCalendar(f'it is empty; write it as in "{EXAMPLE}"')
    if text != text.strip() or re.search(r"[^\x21-\x7e ]", text):
        raise BadCalendar("only plain letters, digits and signs with single spaces between them can stand in it")
    if text.startswith("@"):
        word = text[1:].lower()
        raise BadCalendar(f'write "{word}" without the @' if word in _NAMED else "a single moment is no schedule")
    words = text.split(" ")
    if len(words) == 5 and all(re.fullmatch(r"[\d*/,-]+", word) for word in words):
        raise BadCalendar(f'it looks like one of cron; write it as in "{_from_cron(words)}"')


def _from_cron(words: list[str]) -> str:
    """The nearest expression; only what is plain is translated."""
    minute, hour, day, month, weekday = (word.zfill(2) if word.isdecimal() else "*" for word in words)
    names = f"{DAYS[(int(weekday) - 1) % 7]} " if weekday != "*" else ""
    return f"{names}*-{month}-{day} {hour}:{minute}"


def _weekdays(word: str) -> frozenset[int]:
    found: set[int] = set()
    for member in word.removesuffix(",").split(","):
        # "Mon-Fri" is what systemd understands besides "Mon..Fri".
        first, dots, last = member.partition(".." if ".." in member else "-")
        low = _weekday(first)
        high = _weekday(last) if dots else low
        if high < low:
            before = f"Mon..{DAYS[high]}" if high else "Mon"
            raise BadCalendar(
                f'{quoted(member)} runs backwards, and a week begins with Mon; write "{DAYS[low]}..Sun,{before}"'
            )
        found.update(range(low, high + 1))
    return frozenset(found) if len(found) < len(DAYS) else frozenset()


def _weekday(word: str) -> int:
    number = _DAY_NUMBERS.get(word.lower())
    if number is None:
        known = {name: name for name in (*_NAMED, *DAYS, *_LONG_DAYS)}
        hint = nearest(word, [name.lower() for name in known]) or f"; the days are {', '.join(DAYS)}"
        raise BadCalendar(f"{quoted(word)} is no day of the week{hint}")
    return number


def _date(word: str, found: Calendar) -> Calendar:
    """``month-day``, ``year-month-day``, and the same with ``~`` before the day."""
    shape = re.fullmatch(r"(?:([^-~]*)-)?([^-~]*)([-~])([^-~]*)", word)
    if shape is None:
        raise BadCalendar(
            f'{quoted(word)} is no date; write year-month-day as in "*-*-01", or year-month~day from the end'
        )
    year, month, sign, day = shape.groups()
    from_end = sign == "~" and day != "*"
    return replace(
        found,
        years=_parts(year, YEARS, _full_year) if year is not None else (),
        months=_parts(month, MONTHS),
        days=_parts(day, LAST_DAYS if sign == "~" else MONTH_DAYS),
        from_end=from_end,
    )


def _full_year(value: int) -> int:
    """Two digits mean the years from 1970 to 2069."""
    return value + 2000 if value < 70 else value + 1900 if value < 100 else value


def _time(word: str, found: Calendar) -> Calendar:
    pieces = word.split(":")
    if len(pieces) not in (2, 3):
        raise BadCalendar(f'{quoted(word)} is no time; write hours and minutes as in "03:00"')
    return replace(
        found,
        hours=_parts(pieces[0], HOURS),
        minutes=_parts(pieces[1], MINUTES),
        micros=_parts(pieces[2], SECONDS) if len(pieces) == 3 else ZERO,
    )


_PART = re.compile(r"(?P<start>\d+(?:\.\d+)?)(?:\.\.(?P<stop>\d+(?:\.\d+)?))?(?:/(?P<every>\d+(?:\.\d+)?))?", re.ASCII)


def _parts(text: str, field: Field, meant: Callable[[int], int] = int) -> Parts:
    if text == "*":
        return (EVERY_SECOND,) if field is SECONDS else ()
    if text.count(",") >= _MOST_PARTS:
        raise BadCalendar(f"no list of {field.name} has more than {_MOST_PARTS} members")
    found = tuple(sorted({_part(member, field, meant) for member in text.split(",")}))
    if field is SECONDS and EVERY_SECOND in found and not any(p.start % MICRO or p.every % MICRO for p in found):
        return (EVERY_SECOND,)  # the others are in it
    return found


def _part(text: str, field: Field, meant: Callable[[int], int]) -> Part:
    shape = _PART.fullmatch(text)
    if shape is None or (field is not SECONDS and "." in text.replace("..", "")):
        raise BadCalendar(f"{quoted(text)} is no value of {field.name}{_mended(text, field)}")
    start, stop, every = (None if number is None else _number(number, field) for number in shape.groups())
    assert start is not None, "the pattern has it"
    start = meant(start)
    if stop is None:
        return _checked(text, field, Part(start, every=every or 0), every)
    return _checked(text, field, Part(start, meant(stop), field.unit if every is None else every), every)


def _checked(text: str, field: Field, part: Part, every: int | None) -> Part:
    """*part* as systemd normalizes it, if it may stand in *field*."""
    if every == 0:
        raise BadCalendar(f'{quoted(text)} repeats every 0; write "{text.partition("/")[0]}"')
    if not all(field.low <= value <= field.high for value in (part.start, part.stop) if value >= 0):
        raise BadCalendar(f"{quoted(text)} is out of bounds: {field.says()}")
    if 0 <= part.stop < part.start:
        raise BadCalendar(f'{quoted(text)} runs backwards; write the lower end first, or two ranges with "," between')
    stop, again = part.stop, part.every
    if field is SECONDS and every is None and stop >= 0 and part.start + again > stop:
        raise BadCalendar(
            f"{quoted(text)} is less than a second long; say how it repeats, as in {quoted(text + '/0.1')}"
        )
    if stop > part.start and again:
        stop -= (stop - part.start) % again
        if stop == part.start:  # not even once more
            stop, again = -1, 0
    elif stop == part.start:
        stop, again = -1, 0
    end = part.start - again if field is LAST_DAYS and stop < 0 else part.start + again
    if again and not field.low <= end <= field.high:
        raise BadCalendar(
            f'{quoted(text)} repeats beyond its end: {field.says()}; write "{text.partition("/")[0]}" alone'
        )
    if again > field.high - field.low:
        raise BadCalendar(f"{quoted(text)} repeats beyond its end: {field.says()}")
    return Part(part.start, stop, again)


def _number(text: str, field: Field) -> int:
    whole, _, fraction = text.partition(".")
    value = int(whole[:12]) * field.unit
    if fraction:
        value += int(fraction[:6].ljust(6, "0")) + (fraction[6:7] >= "5" if len(fraction) > 6 else 0)
    if value > _LARGEST or len(whole.lstrip("0")) > 12:
        raise BadCalendar(f"{text} is too large: {field.says()}")
    return value


def _mended(text: str, field: Field) -> str:
    every = re.fullmatch(r"\*/(\d+)", text)
    if every:
        return f'; write "{field.mend}/{every[1]}"'
    span = re.fullmatch(r"(\d+)-(\d+)", text)
    if span:
        return f'; write a range as "{span[1]}..{span[2]}"'
    if re.fullmatch(r"\d+\.\d+", text):
        return "; only seconds have fractions"
    return f'; write "*", a number, a list "1,3", a range "1..5" or a repetition "{field.mend}/2"'

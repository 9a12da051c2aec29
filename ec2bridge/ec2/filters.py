"""Filters as EC2 documents them, run on the translated item.

CloudStack filters few fields and ORs several tags where AWS ANDs them, so every filter of a Describe runs here, on
the EC2 item, whatever the native listing already narrowed. Values within one filter are alternatives, filters are
all required, `*` and `?` are the only wildcards and a backslash takes their meaning away (AWS: "Filtering your
resources").
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.gently import gently
from ec2bridge.ids import digits_of, is_uuid

Item = dict[str, Any]
Getter = str | Callable[[Item], Iterable[Any]] | None
"""Where a filter finds its values: a dotted path, a function of the item, or None for data CloudStack lacks."""

Filters = Mapping[str, Getter]

TAGS: Filters = {"tag:*": None, "tag-key": "Tags.Key", "tag-value": "Tags.Value"}
"""The three filters of everything that carries tags."""

MOST_VALUES = (
    200  # AWS: "You can specify up to 50 filters and up to 200 values per filter in a single request"
)
MOST_FILTERS = 50
MOST_PATTERNS = 200
MOST_PATTERN_TEXT = 20_000
"""Values with wildcards in one request, and their characters: they cost time that all callers share."""


Asked = list[tuple[str, list[str]]]
"""The filters of a request, in its order: name and values."""


def wanted(request: Mapping[str, Any]) -> Asked:
    """Return the request's filters; each has to match, also of several that have one name."""
    found: Asked = []
    # DescribeNatGateways, and it alone of what is served, calls them "Filter".
    for entry in request.get("Filters") or request.get("Filter") or []:
        name = entry.get("Name")
        if not name:
            raise Ec2Error("InvalidParameterValue", "A filter must have a Name.")
        found.append((name, list(entry.get("Values") or ())))
    if len(found) > MOST_FILTERS or any(len(values) > MOST_VALUES for _, values in found):
        raise Ec2Error(
            "FilterLimitExceeded", f"At most {MOST_FILTERS} filters of {MOST_VALUES} values each are allowed."
        )
    patterns = [value for _, values in found for value in values if _has_wildcard(value)]
    if len(patterns) > MOST_PATTERNS or sum(map(len, patterns)) > MOST_PATTERN_TEXT:
        raise Ec2Error(
            "FilterLimitExceeded",
            f"At most {MOST_PATTERNS} filter values with wildcards, of {MOST_PATTERN_TEXT} characters together,"
            " are allowed.",
        )
    return found


def _has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value or "\\" in value


def check(filters: Filters, asked: Asked) -> None:
    """Refuse a filter that the action does not document; one without values is none of AWS's errors."""
    for name, _ in asked:
        known = name in filters or (name.startswith("tag:") and "tag:*" in filters)
        if not known:
            raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")


def keep(items: Iterable[Item], filters: Filters, asked: Asked) -> list[Item]:
    """Return the items that match every filter asked for; a filter without values matches nothing."""
    matches = _all_of(filters, asked)
    return [item for item in items if matches(item)]


async def kept(items: list[Item], filters: Filters, asked: Asked) -> list[Item]:
    """`keep`, for as many items as one likes: others get their turn in between."""
    if not asked:
        return items
    matches = _all_of(filters, asked)
    return [item async for some in gently(items) for item in some if matches(item)]


def _all_of(filters: Filters, asked: Asked) -> Callable[[Item], bool]:
    tests = [_test(filters, name, values) for name, values in asked]
    return lambda item: all(test(item) for test in tests)


def _test(filters: Filters, name: str, values: list[str]) -> Callable[[Item], bool]:
    matches = matcher(values)
    if name.startswith("tag:") and "tag:*" in filters:
        key = name[4:]
        return lambda item: any(
            tag["Key"] == key and matches(tag.get("Value", ""))
            for tag in item.get("Tags") or item.get("TagSet") or ()
        )
    getter = filters[name]
    if getter is None:
        return lambda item: False
    if isinstance(getter, str):
        steps = getter.split(".")
        return lambda item: any(matches(text(value)) for value in walk(item, steps))
    read = getter
    return lambda item: any(matches(text(value)) for value in read(item))


def walk(value: Any, steps: list[str]) -> Iterator[Any]:
    """Yield what lies at the end of a path, going through every element of the lists on the way."""
    if isinstance(value, list):
        for element in value:
            yield from walk(element, steps)
    elif not steps:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from walk(value.get(steps[0]), steps[1:])


def text(value: Any) -> str:
    """Return the value as AWS writes it in a filter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return str(value)


def matcher(values: list[str]) -> Callable[[str], bool]:
    """Return a predicate that is true for a text that one of the values, wildcards included, covers.

    CloudStack's uuid covers the id that is made of it, as it stands for an id everywhere else.
    """
    plain = {value for value in values if not _has_wildcard(value)}
    patterns = [_pattern(value) for value in values if value not in plain]
    digits = {digits_of("", value) for value in plain if is_uuid(value)}
    if digits:
        return lambda candidate: (
            candidate in plain
            or candidate.rpartition("-")[2] in digits
            or any(p.fullmatch(candidate) for p in patterns)
        )
    if not patterns:
        return plain.__contains__
    return lambda candidate: candidate in plain or any(p.fullmatch(candidate) for p in patterns)


@lru_cache(maxsize=512)
def _pattern(value: str) -> re.Pattern[str]:
    first, *rest = _pieces(value)
    if not rest:
        return re.compile(first, re.DOTALL)
    *between, last = rest
    # Each piece is looked for once, at its first place: going back would find nothing more, and with many stars
    # would go on for years.
    middle = "".join(f"(?>.*?{piece})" for piece in between if piece)
    return re.compile(f"{first}{middle}.*{last}", re.DOTALL)


def _pieces(value: str) -> list[str]:
    """Return what stands before, between and behind the stars, as regular expressions."""
    pieces = [""]
    for escaped, mark, rest in re.findall(r"(\\.)|([*?])|(.)", value, re.DOTALL):
        if mark == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if mark else re.escape(escaped[1:] if escaped else rest)
    return pieces

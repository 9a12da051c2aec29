"""Parameters as Python values, turned into the flat strings that CloudStack's API takes.

EC2's members arrive as nested dicts and lists; CloudStack writes lists with commas and
maps as `name[0].key=value`.
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.errors import Ec2Error


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """`{"ids": ["a", "b"], "details": {"cpu": 1}}` becomes `{"ids": "a,b", "details[0].cpu": "1"}`.

    A parameter that is None is left out, an empty list too.
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = [value]
        if isinstance(value, (list, tuple, set, frozenset)):
            flat.update(_members(name, list(value)))
        else:
            flat[name] = scalar(value)
    return flat


def _members(name: str, values: list[Any]) -> dict[str, str]:
    if values and isinstance(values[0], Mapping):
        return {
            f"{name}[{place}].{key}": scalar(value)
            for place, entry in enumerate(values)
            for key, value in entry.items()
            if value is not None
        }
    return {name: ",".join(map(_element, values))} if values else {}


def _element(value: Any) -> str:
    # CloudStack has no escape for a comma inside a list: what follows it would be read as a second value.
    text = scalar(value)
    if "," in text:
        raise Ec2Error("InvalidParameterValue", f"Value ({text}) is invalid: it may not contain a comma")
    return text


def scalar(value: Any) -> str:
    """One value as CloudStack writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)

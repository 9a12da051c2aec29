"""What a client has chosen of how a machine gets at its metadata.

CloudStack's router serves metadata to every machine, in one way only: without tokens, and never switched off. What
AWS lets a client choose is kept in a reserved tag and told again, as EbsOptimized is, or Terraform would change it for
ever. What would be missed is refused: an endpoint that is off, and one by IPv6.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags

Options = dict[str, Any]

MARK = "metadata"
"""Reserved tag on a machine (without prefix): what was chosen other than the default, as Name=value with spaces."""
DEFAULTS = MappingProxyType(
    {
        "HttpTokens": "optional",
        "HttpPutResponseHopLimit": 1,
        "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": "disabled",
    }
)
MOST_HOPS = 64
_SWITCHES = ("enabled", "disabled")
_VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "HttpTokens": ("optional", "required"),
        "HttpEndpoint": _SWITCHES,
        "HttpProtocolIpv6": _SWITCHES,
        "InstanceMetadataTags": _SWITCHES,
    }
)
_HOPS = re.compile(r"[0-9]{1,2}")
_REFUSED = MappingProxyType(
    {
        "HttpEndpoint": "CloudStack serves every machine its metadata, and cannot be told not to",
        "HttpProtocolIpv6": "CloudStack serves metadata by IPv4 alone",
    }
)


def chosen(row: Mapping[str, Any]) -> Options:
    """Return the options of a machine."""
    found: Options = dict(DEFAULTS)
    for entry in resource_tags.marked(row, MARK).split():
        name, _, value = entry.partition("=")
        if name == "HttpPutResponseHopLimit" and _HOPS.fullmatch(value):
            found[name] = int(value)
        elif value in _VALUES.get(name, ()):
            found[name] = value
    return found


def changed(present: Mapping[str, Any], request: Mapping[str, Any]) -> Options:
    """Return the options with those of the request, which is refused where it asks for what would be missed."""
    asked = {name: request[name] for name in DEFAULTS if request.get(name) not in (None, "")}
    for name, value in asked.items():
        if name == "HttpPutResponseHopLimit":
            if not 1 <= value <= MOST_HOPS:
                raise _invalid(name, value, f"It must be between 1 and {MOST_HOPS}.")
        elif value not in _VALUES[name]:
            raise _invalid(name, value, f"It must be {' or '.join(_VALUES[name])}.")
        if name in _REFUSED and value != DEFAULTS[name]:
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter {name} with the value '{value}' is not supported: {_REFUSED[name]}.",
            )
    return {**present, **asked}


def mark(options: Mapping[str, Any]) -> str:
    """Return the value of the reserved tag that keeps options; "" where all are as they are by default."""
    other = {name: value for name, value in options.items() if value != DEFAULTS[name]}
    return " ".join(f"{name}={value}" for name, value in other.items())


def _invalid(name: str, value: Any, why: str) -> Ec2Error:
    return Ec2Error("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {why}")

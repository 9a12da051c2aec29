"""The tunnel of a VPN connection: what EC2 asks of it, as CloudStack takes it, and what the customer is told of it.

AWS has two tunnels and lets the customer's side choose among many algorithms. CloudStack has one tunnel with one policy
for each phase, so the first that it has of those permitted is taken.
"""

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.errors import Ec2Error

Row = dict[str, Any]
Options = Mapping[str, Any]

HONOURED = (
    "PreSharedKey",
    *(
        f"Phase{phase}{what}"
        for phase in (1, 2)
        for what in ("EncryptionAlgorithms", "IntegrityAlgorithms", "DHGroupNumbers", "LifetimeSeconds")
    ),
    "IKEVersions",
    "StartupAction",
    "DPDTimeoutAction",
)
DEFAULTS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        # CloudStack's router has its own patience, its own window, and decides itself when it renews keys.
        "DPDTimeoutSeconds": (30, 40),
        "RekeyMarginTimeSeconds": (270, 540),
        "RekeyFuzzPercentage": (100,),
        "ReplayWindowSize": (1024,),
        "EnableTunnelLifecycleControl": (False,),
        "LogOptions.CloudWatchLogOptions.LogEnabled": (False,),
        "LogOptions.CloudWatchLogOptions.BgpLogEnabled": (False,),
    }
)

_ENCRYPTION = MappingProxyType({"AES128": "aes128", "AES256": "aes256"})
_INTEGRITY = MappingProxyType(
    {"SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512", "SHA1": "sha1"}
)
GROUPS = MappingProxyType(
    {
        2: "modp1024",
        5: "modp1536",
        14: "modp2048",
        15: "modp3072",
        16: "modp4096",
        17: "modp6144",
        18: "modp8192",
        22: "modp1024s160",
        23: "modp2048s224",
        24: "modp2048s256",
    }
)
_AMAZONS = (("AES128-GCM-16", "AES256-GCM-16"), (), (19, 20, 21))
"""Algorithms that AWS has and CloudStack has not."""
_POLICY = ("aes128", "sha256", "modp2048")
_LIFETIMES = ((1, "ikelifetime", 28800), (2, "esplifetime", 3600))
_KEY = re.compile(r"[1-9a-zA-Z._][0-9a-zA-Z._]{7,63}")
_CHARACTERS = string.ascii_letters + string.digits + "._"


def one(tunnels: Iterable[Options] | None) -> Row:
    """Return what is asked of the tunnel; two that differ cannot be."""
    asked = [{name: value for name, value in tunnel.items() if value} for tunnel in tunnels or ()]
    if len(asked) > 2:
        raise Ec2Error("InvalidParameterValue", "A VPN connection has two tunnels: more have options.")
    first, second = ({**dict(entry)} for entry in (*asked, {}, {})[:2])
    if second and second != first:
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter Options.TunnelOptions is not supported with two tunnels that differ: CloudStack has one.",
        )
    return first


def native(asked: Options) -> Row:
    """Return CloudStack's parameters for what is asked of a tunnel."""
    params = {
        "ikepolicy": ";".join((f"{_chosen(asked, 1, 0)}-{_chosen(asked, 1, 1)}", _chosen(asked, 1, 2))),
        "esppolicy": ";".join((f"{_chosen(asked, 2, 0)}-{_chosen(asked, 2, 1)}", _chosen(asked, 2, 2))),
        "dpd": _word(asked, "DPDTimeoutAction", ("clear", "restart", "none")) != "none",
        "ikeversion": _version(asked),
    }
    _word(asked, "StartupAction", ("add", "start"))
    for phase, param, most in _LIFETIMES:
        seconds = asked.get(f"Phase{phase}LifetimeSeconds") or most
        if not 900 <= seconds <= most:
            raise _invalid(f"phase{phase}LifetimeSeconds", seconds, f"It must be between 900 and {most}.")
        params[param] = seconds
    return params


def key(asked: Options) -> str:
    """Return the key that is asked for, or a new one."""
    text = asked.get("PreSharedKey")
    if not text:
        first = secrets.choice(_CHARACTERS.replace("0", ""))
        return first + "".join(secrets.choice(_CHARACTERS) for _ in range(31))
    if not _KEY.fullmatch(text):
        raise Ec2Error(
            "InvalidParameterValue",
            "The parameter preSharedKey is invalid: 8 to 64 letters, digits, periods and underscores, and no zero at"
            " the start.",
        )
    return str(text)


def _chosen(asked: Options, phase: int, place: int) -> str:
    """Return CloudStack's word for the first algorithm of those permitted that it has."""
    what, words = (
        ("EncryptionAlgorithms", _ENCRYPTION),
        ("IntegrityAlgorithms", _INTEGRITY),
        ("DHGroupNumbers", GROUPS),
    )[place]
    member = f"Phase{phase}{what}"
    permitted = [entry.get("Value") for entry in asked.get(member) or ()]
    if not permitted:
        return _POLICY[place]
    for value in permitted:
        if value not in (*words, *_AMAZONS[place]) or (value == 5 and phase == 1):
            raise _invalid(member[0].lower() + member[1:], value, "AWS has no such algorithm.")
    for value in permitted:
        if value in words:
            return str(words[value])
    named = ", ".join(map(str, permitted))
    raise Ec2Error(
        "UnsupportedOperation",
        f"The parameter TunnelOptions.{member} with the value '{named}' is not supported: CloudStack has"
        f" {', '.join(map(str, words))}.",
    )


def _version(asked: Options) -> str:
    versions = {str(entry.get("Value")) for entry in asked.get("IKEVersions") or ()}
    for version in versions - {"ikev1", "ikev2"}:
        raise _invalid("ikeVersion", version, "Expected: ikev1, ikev2.")
    return versions.pop() if len(versions) == 1 else "ike"


def _word(asked: Options, member: str, words: tuple[str, ...]) -> str:
    word = asked.get(member) or words[0]
    if word not in words:
        raise _invalid(member[0].lower() + member[1:], word, f"Expected: {', '.join(words)}.")
    return str(word)


def _invalid(name: str, value: Any, why: str) -> Ec2Error:
    return Ec2Error("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {why}")

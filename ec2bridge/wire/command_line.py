"""An awscli command line as the form that awscli would send: `run-instances --instance-type t3.small` and so on.

Names and types are the model's; the shorthand (`Name=vpc-id,Values=a,b`, `Ebs={VolumeSize=20}`), JSON, `file://`, and
what awscli adds to EC2's own parameters (`--count`, `--associate-public-ip-address`, `--protocol` …) are read as its
documentation says.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore import xform_name

from ec2bridge.wire.model import Member, Operation, Shape, operation, operation_names

Members = dict[str, Any]
Form = list[tuple[str, str]]

GLOBAL = {
    "region": True,
    "profile": True,
    "output": True,
    "query": True,
    "endpoint-url": True,
    "ca-bundle": True,
    "color": True,
    "cli-read-timeout": True,
    "cli-connect-timeout": True,
    "cli-binary-format": True,
    "max-items": True,
    "starting-token": True,
    "debug": False,
    "no-verify-ssl": False,
    "no-paginate": False,
    "no-sign-request": False,
    "no-cli-pager": False,
}
"""Options that say nothing to EC2, and whether each has a value."""
_GROUP_RULES = {
    f"{way}SecurityGroup{end}" for way in ("Authorize", "Revoke") for end in ("Ingress", "Egress")
}
_KEY = re.compile(r"\s*([A-Za-z0-9_.:/#-]+)\s*=\s*")
_SHORT = (
    "associate-public-ip-address",
    "secondary-private-ip-addresses",
    "secondary-private-ip-address-count",
)


class CommandLineError(ValueError):
    """The command line cannot be read; the text is a sentence."""


def kebab(name: str) -> str:
    """Return the name of an action or a member as awscli has it: RunInstances → run-instances."""
    return str(xform_name(name, "-"))


def action_named(text: str) -> str | None:
    """Return AWS's name of an action, however it is written; None where there is none."""
    wanted = text.lower()
    return next((name for name in operation_names() if wanted in (name.lower(), kebab(name))), None)


def read(words: Sequence[str]) -> tuple[Operation, Form]:
    """Return operation and form of a command line, with or without `aws ec2` before it; raises CommandLineError."""
    left = list(words)
    for program in ("aws", "ec2"):
        if left and left[0] == program:
            left.pop(0)
    if not left:
        raise CommandLineError("Name an action, such as run-instances.")
    name = action_named(left[0])
    op = operation(name) if name else None
    if op is None:
        raise CommandLineError(f"AWS has no action called {left[0]}.")
    options = list(_options(left[1:]))
    members = _members(op, options)
    return op, list(form(op, members))


def form(op: Operation, members: Members) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a request on the wire; raises CommandLineError for what the model does not have."""
    if op.input is not None:
        for name, value in members.items():
            yield from _flat(_member(op.input, name).shape, value, _member(op.input, name).query_name)


def _member(shape: Shape, name: str) -> Member:
    member = shape.members.get(name)
    if member is None:
        raise CommandLineError(f"There is no {name} in {shape.name}; there are {', '.join(shape.members)}.")
    return member


def _flat(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if shape.kind == "structure":
        if not isinstance(value, dict):
            raise CommandLineError(
                f"{path} is a structure: write NAME=VALUE,NAME=VALUE or JSON, not {value!r}."
            )
        for name, inner in value.items():
            member = _member(shape, name)
            yield from _flat(member.shape, inner, f"{path}.{member.query_name}")
    elif shape.kind == "list":
        for place, inner in enumerate(value if isinstance(value, list) else [value], 1):
            yield from _flat(shape.item.shape, inner, f"{path}.{place}")
    elif isinstance(value, (dict, list)):
        raise CommandLineError(f"{path} is one value of the type {shape.kind}.")
    else:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each option with its values; options that say nothing to EC2 are left out."""
    name: str | None = None
    values: list[str] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:
            if name is not None:
                yield name, values
            name, equals, value = word[2:].partition("=")
            values = [value] if equals else []
        elif name is None:
            raise CommandLineError(f"{word} stands where an option (--NAME) should.")
        else:
            values.append(word)
    if name is not None:
        yield name, values


def _members(op: Operation, options: list[tuple[str, list[str]]]) -> Members:
    known = {kebab(name): member for name, member in op.input_members.items()}
    members: Members = {}
    extra: dict[str, list[str]] = {}
    for name, values in options:
        if name in GLOBAL and name not in known:
            continue
        if name in ("cli-input-json", "cli-input-yaml"):
            members = {**_json(name, _content(_one(name, values))), **members}
        elif name == "page-size":
            members["MaxResults"] = _one(name, values)
        elif name not in known and name.removeprefix("no-") in _own(op):
            extra[name] = values
        else:
            key, negated = _known(op, known, name)
            members[known[key].name] = _value(known[key], name, values, negated=negated)
    _add_own(op, members, extra)
    return members


def _own(op: Operation) -> tuple[str, ...]:
    """The options of an action that are awscli's own."""
    if op.name == "RunInstances":
        return ("count", *_SHORT)
    if op.name in _GROUP_RULES:
        return ("protocol", "port", "cidr", "source-group", "group-owner")
    return ("reboot",) if op.name == "CreateImage" else ()


def _known(op: Operation, known: dict[str, Member], name: str) -> tuple[str, bool]:
    """Return the member's option that a word means, and whether it is switched off."""
    for text, negated in ((name, False), (name.removeprefix("no-"), name.startswith("no-"))):
        if text in known:
            return text, negated
    meant = [option for option in known if option.startswith(name)]
    if len(meant) == 1:
        return meant[0], False
    raise CommandLineError(f"{kebab(op.name)} has no option --{name}; it has --{', --'.join(known)}.")


def _value(member: Member, option: str, values: list[str], *, negated: bool) -> Any:
    shape = member.shape
    if shape.kind == "boolean":
        if values:
            return values[0].lower() == "true"
        return not negated
    if shape.kind == "structure" and not values and set(shape.members) == {"Value"}:
        return {"Value": not negated}
    if not values:
        raise CommandLineError(f"--{option} needs a value.")
    if shape.kind == "list":
        return _list(shape, option, values)
    if shape.kind == "structure":
        return _structure(shape, option, _one(option, values))
    return _scalar(member, _one(option, values))


def _scalar(member: Member, value: str) -> str:
    binary = value.startswith("fileb://")
    text = _content(value)
    # botocore packs these two for the client.
    if member.name == "UserData" or member.shape.kind == "blob":
        raw = Path(value.removeprefix("fileb://")).expanduser().read_bytes() if binary else text.encode()
        return base64.b64encode(raw).decode()
    return text


def _list(shape: Shape, option: str, values: list[str]) -> list[Any]:
    first = _content(values[0])
    if len(values) == 1 and first.lstrip().startswith("["):
        made = _json(option, first)
        return made if isinstance(made, list) else [made]
    item = shape.item.shape
    if item.kind == "structure":
        return [_structure(item, option, _content(value)) for value in values]
    return [_content(value) for value in values]


def _structure(shape: Shape, option: str, text: str) -> Any:
    text = _content(text)
    if text.lstrip().startswith("{"):
        return _json(option, text)
    if not _KEY.match(text) and len(shape.members) == 1:
        return {next(iter(shape.members)): text}
    return Shorthand(option, text).read(shape)


def _one(option: str, values: list[str]) -> str:
    if len(values) != 1:
        raise CommandLineError(f"--{option} takes one value, not {len(values)}.")
    return values[0]


def _content(value: str) -> str:
    """A value, or what the file holds that it names."""
    if not value.startswith("file://"):
        return value
    try:
        return Path(value.removeprefix("file://")).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandLineError(f"{value} cannot be read: {getattr(error, 'strerror', error)}.") from None


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandLineError(f"--{option} is no JSON: {error}.") from None


class Shorthand:
    """awscli's shorthand: `Key=value,List=a,b,Explicit=[a,b],Structure={Key=value}`, quoted where need be."""

    def __init__(self, option: str, text: str) -> None:
        self.option, self.text, self.place = option, text, 0

    def read(self, shape: Shape) -> Members:
        """Return the structure that the whole text is."""
        found = self._pairs(shape, "")
        if self.place < len(self.text):
            raise self._wrong("what comes there does not belong")
        return found

    def _pairs(self, shape: Shape, end: str) -> Members:
        found: Members = {}
        while True:
            key = _KEY.match(self.text, self.place)
            if key is None:
                raise self._wrong("NAME= is missing")
            self.place = key.end()
            member = _member(shape, key[1])
            found[member.name] = self._value(member.shape, end)
            if not self._take(","):
                break
        if end and not self._take(end):
            raise self._wrong(f"{end} is missing")
        return found

    def _value(self, shape: Shape, end: str) -> Any:
        if self._take("["):
            return self._explicit(shape)
        if self._take("{"):
            return self._pairs(shape.item.shape if shape.kind == "list" else shape, "}")
        if shape.kind != "list":
            return _content(self._word("," + end))
        words = [self._word("," + end)]
        while self._at(",") and not _KEY.match(self.text, self.place + 1):
            self.place += 1
            words.append(self._word("," + end))
        return [word for word in words if word or len(words) == 1]

    def _explicit(self, shape: Shape) -> list[Any]:
        item = shape.item.shape if shape.kind == "list" else shape
        found: list[Any] = []
        while not self._take("]"):
            found.append(self._pairs(item, "}") if self._take("{") else self._word(",]"))
            if not self._take(",") and not self._at("]"):
                raise self._wrong("] is missing")
        return found

    def _word(self, ends: str) -> str:
        if self._at("'") or self._at('"'):
            return self._quoted(self.text[self.place])
        start = self.place
        while self.place < len(self.text) and self.text[self.place] not in ends:
            self.place += 2 if self.text[self.place] == "\\" else 1
        return re.sub(r"\\(.)", r"\1", self.text[start : self.place]).strip()

    def _quoted(self, quote: str) -> str:
        found = re.compile(rf"{quote}((?:\\.|[^\\{quote}])*){quote}", re.DOTALL).match(self.text, self.place)
        if found is None:
            raise self._wrong(f"the closing {quote} is missing")
        self.place = found.end()
        return found[1].replace(f"\\{quote}", quote).replace("\\\\", "\\")

    def _at(self, text: str) -> bool:
        return self.text.startswith(text, self.place)

    def _take(self, text: str) -> bool:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1
        if not self._at(text):
            return False
        self.place += len(text)
        return True

    def _wrong(self, what: str) -> CommandLineError:
        return CommandLineError(f"--{self.option}: {what} (at character {self.place + 1} of {self.text!r}).")


def _add_own(op: Operation, members: Members, extra: dict[str, list[str]]) -> None:
    """Put what only awscli has where EC2 has it."""
    if op.name == "RunInstances":
        _add_counts(members, extra.pop("count", None))
        _add_interface(members, extra)
    elif "reboot" in extra:
        members["NoReboot"] = False
    elif extra:
        _add_rule(members, extra)


def _add_counts(members: Members, count: list[str] | None) -> None:
    least, _, most = _one("count", count).partition(":") if count else ("1", "", "")
    if not (least.isdigit() and (most or "1").isdigit()):
        raise CommandLineError("--count takes a number, or LEAST:MOST.")
    members.setdefault("MinCount", least)
    members.setdefault("MaxCount", most or least)


def _add_interface(members: Members, extra: dict[str, list[str]]) -> None:
    """These options are of the first network interface, and what else is said of it goes with them."""
    if not extra:
        return
    if "NetworkInterfaces" in members:
        raise CommandLineError(f"--{next(iter(extra))} and --network-interfaces say the same thing.")
    made: Members = {"DeviceIndex": 0}
    if "associate-public-ip-address" in extra or "no-associate-public-ip-address" in extra:
        made["AssociatePublicIpAddress"] = "associate-public-ip-address" in extra
    if count := extra.get("secondary-private-ip-address-count"):
        made["SecondaryPrivateIpAddressCount"] = _one("secondary-private-ip-address-count", count)
    if addresses := extra.get("secondary-private-ip-addresses"):
        made["PrivateIpAddresses"] = [
            {"PrivateIpAddress": address, "Primary": False} for address in addresses
        ]
    for ours, theirs in (
        ("SubnetId", "SubnetId"),
        ("SecurityGroupIds", "Groups"),
        ("PrivateIpAddress", "PrivateIpAddress"),
    ):
        if ours in members:
            made[theirs] = members.pop(ours)
    members["NetworkInterfaces"] = [made]


def _add_rule(members: Members, extra: dict[str, list[str]]) -> None:
    """One rule of a group, by --protocol, --port, --cidr and --source-group."""
    given = {name: _one(name, values) for name, values in extra.items()}
    protocol = {"all": "-1"}.get(given.get("protocol", ""), given.get("protocol", ""))
    if not protocol:
        raise CommandLineError("--protocol is missing: tcp, udp, icmp, all, or a number.")
    rule: Members = {"IpProtocol": protocol}
    if port := given.get("port"):
        first, _, last = port.partition("-") if not port.startswith("-") else (port, "", "")
        rule |= {
            "FromPort": "-1" if port == "all" else first,
            "ToPort": "-1" if port == "all" else last or first,
        }
    if cidr := given.get("cidr"):
        rule["IpRanges"] = [{"CidrIp": cidr}]
    if source := given.get("source-group"):
        named = "GroupId" if source.startswith("sg-") else "GroupName"
        owner = {"UserId": given["group-owner"]} if "group-owner" in given else {}
        rule["UserIdGroupPairs"] = [{named: source, **owner}]
    members["IpPermissions"] = [rule]

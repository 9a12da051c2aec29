"""`ec2bridge init`: look at the cloud, and write a commented file of settings that fits it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ec2bridge import server
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.config import Settings, SettingsError
from ec2bridge.mapping import load_mappings
from ec2bridge.operator import lookup_account
from ec2bridge.operator.cloud import refused
from ec2bridge.operator.offerings import match, size_text
from ec2bridge.operator.standing import reached
from ec2bridge.resources.places.zones import letters

Row = dict[str, Any]

MOST_TYPES = 8
"""Types of an offering that the file names."""


class Looked:
    """What was found in the cloud."""

    def __init__(self) -> None:
        self.version = ""
        self.lists: dict[str, list[Row]] = {}
        self.unseen: dict[str, str] = {}

    @classmethod
    async def at(cls, account: Account) -> "Looked":
        """List what the settings are about; raises SettingsError when not even zones can be listed."""
        found = cls()
        try:
            found.version = str((await account.capabilities()).get("cloudstackversion", ""))
            found.lists["zones"] = sorted(await account.list("listZones"), key=lambda row: row["name"])
        except CloudStackUnavailable as error:
            raise SettingsError(f"The zones cannot be listed: {error.errortext}.") from None
        except CloudStackError as error:
            raise SettingsError(f"The zones cannot be listed: {refused(error)}.") from None
        for name, command, params in (
            ("networks", "listNetworks", {"listall": True}),
            (
                "network offerings",
                "listNetworkOfferings",
                {"state": "Enabled", "guestiptype": "Isolated", "forvpc": False},
            ),
            ("service offerings", "listServiceOfferings", {}),
            ("disk offerings", "listDiskOfferings", {}),
            ("templates", "listTemplates", {"templatefilter": "featured"}),
        ):
            try:
                found.lists[name] = await account.list(command, **params)
            except CloudStackError as error:
                found.lists[name] = []
                found.unseen[name] = error.errortext
        return found


@dataclass(frozen=True, slots=True)
class Done:
    """The file, the keys that were made, and what to tell besides."""

    text: str
    made: Credentials | None
    told: tuple[str, ...]


async def looked(
    settings: Settings, administrator: Credentials | None, account_name: str, users_role: str
) -> Done:
    """Look at the cloud, make the look-up account if an administrator's keys are given, and return the file."""
    async with reached(settings) as cloud:
        found = await Looked.at(Account(cloud, administrator or server.looking(settings)))
        if administrator is None or settings.credentials_file is not None:
            return Done(text(settings, found, None), None, ())
        made = await lookup_account.make(Account(cloud, administrator), account_name, users_role)
    told = f"Made the account {made.account} with a role {made.role} of {made.rules} rules; its keys stand in the file."
    return Done(text(settings, found, made.keys), made.keys, (told,))


def without_secrets(done: Done) -> str:
    """Return the file for a terminal."""
    return done.text.replace(done.made.secret_key, "…") if done.made else done.text


def text(settings: Settings, found: Looked, made: Credentials | None) -> str:
    """Return the file."""
    return "\n".join(_lines(settings, found, made)) + "\n"


def _lines(settings: Settings, found: Looked, made: Credentials | None) -> Iterator[str]:
    yield f"# ec2bridge: settings for CloudStack {found.version} at {settings.cloudstack_url},"
    yield "# as `ec2bridge init` found it."
    yield "# docs/operators.md has all settings; `ec2bridge check --config THIS-FILE` looks at them and at the cloud."
    yield ""
    yield f"cloudstack_url = {quoted(settings.cloudstack_url)}"
    if settings.cloudstack_ca:
        yield f"cloudstack_ca = {quoted(str(settings.cloudstack_ca.absolute()))}"
    yield ""
    yield "# What clients give as their region. Terraform and others take only names of AWS's own."
    yield f"region = {quoted(settings.region)}"
    yield "# Where the bridge listens, and the URL that clients reach it by (behind a proxy, by a name)."
    yield f"listen = {quoted(settings.listen)}"
    yield _or_comment("public_endpoint", settings.public_endpoint, "https://ec2.cloud.example")
    yield "# What CloudStack has no place for. A PostgreSQL if several bridges are to run:"
    yield '# store = "postgresql+asyncpg://ec2bridge:password@db.example/ec2bridge"'
    yield f"store = {quoted(settings.store)}"
    yield ""
    yield from _keys(settings, made)
    yield from _offering(settings, found)
    yield from _types(settings, found)
    yield from _disks(settings, found)
    yield from _parameters(settings, found)
    yield from _zones(settings, found)
    yield from _networks(settings, found)


def _keys(settings: Settings, made: Credentials | None) -> Iterator[str]:
    if settings.credentials_file is not None:
        yield "# Whose keys are accepted: the profiles of this file."
        yield f"credentials_file = {quoted(str(settings.credentials_file.absolute()))}"
    elif made is not None:
        yield "# The account that looks up users' keys. Keep this file to yourself: before CloudStack 4.23 these keys"
        yield "# read every user's secret."
        yield f"service_api_key = {quoted(made.api_key)}"
        yield f"service_secret_key = {quoted(made.secret_key)}"
    else:
        yield "# The account that looks up users' keys: EC2BRIDGE_SERVICE_API_KEY and EC2BRIDGE_SERVICE_SECRET_KEY, or"
        yield '# service_api_key = "…" and service_secret_key = "…" here, in a file that only the bridge can read.'
    yield ""


def _offering(settings: Settings, found: Looked) -> Iterator[str]:
    rows = sorted(found.lists["network offerings"], key=lambda row: (row.get("created", ""), row["id"]))
    fit = [row for row in rows if {"SourceNat", "StaticNat", "Dhcp", "UserData"} <= _services(row)]
    yield "# The offering of the isolated network that a user's first launch makes, where there is none."
    if not fit:
        why = found.unseen.get(
            "network offerings", "none is enabled that has SourceNat, StaticNat, Dhcp and UserData"
        )
        yield f"# There is none to choose from ({why}): launches must name a subnet until there is one."
    else:
        yield f"# Enabled and fit: {', '.join(row['name'] for row in fit)}. Without this line, the oldest."
    chosen = settings.network_offering or (fit[0]["name"] if fit else None)
    yield _or_comment("network_offering", chosen, "NAME")
    yield ""


def _types(settings: Settings, found: Looked) -> Iterator[str]:
    rows = found.lists["service offerings"]
    matched = match(load_mappings(settings.mappings), rows)
    yield "# Instance types, as this cloud's service offerings serve them (nothing here need be changed):"
    for row in rows:
        types = matched.serving.get(row["name"])
        if types:
            more = f" and {len(types) - MOST_TYPES} more" if len(types) > MOST_TYPES else ""
            yield f"#   {row['name']} ({size_text(row)}): {', '.join(types[:MOST_TYPES])}{more}"
    if not matched.types:
        yield "#   none: no offering has the size of a type of AWS's."
    if matched.unmatched:
        yield "# These are launched by their own names alone, since no type of AWS's has their size:"
        for row in matched.unmatched:
            yield f"#   {row['name']} ({size_text(row)})"
        yield "# To have clients know one by a type's name, make an offering of that type's size, or copy"
        yield "# instance-types.yaml into a folder of your own, add a family with its size there, and name the folder:"
    yield _or_comment(
        "mappings", str(settings.mappings) if settings.mappings else None, "/etc/ec2bridge/mappings"
    )
    yield ""


def _disks(settings: Settings, found: Looked) -> Iterator[str]:
    table = load_mappings(settings.mappings).volume_types
    yield "# Volume types, by name or storage tag of the disk offerings (volume-types.yaml):"
    rows = found.lists["disk offerings"]
    for row in rows:
        size = "any size" if row.get("iscustomized") else f"{row.get('disksize', '?')} GiB"
        yield f"#   {row['name']} ({size}): {table.type_of(row)}"
    if not any(row.get("iscustomized") for row in rows):
        yield "# None takes any size: CreateVolume is refused but for those sizes. Make a customised one named gp2."
    yield ""


def _parameters(settings: Settings, found: Looked) -> Iterator[str]:
    table = load_mappings(settings.mappings).parameters
    names = sorted({row["name"] for row in found.lists["templates"]})
    yield "# Featured templates, and AWS's public parameters that they stand for (parameters.yaml):"
    for name in names:
        standing = (told for row in table.parameters if table.stands_for(row, name) for told in row.names)
        yield f"#   {name}: {', '.join(standing) or 'none'}"
    if not names:
        yield f"#   {found.unseen.get('templates', 'there are none, and so these parameters tell no image')}."
    yield ""


def _zones(settings: Settings, found: Looked) -> Iterator[str]:
    rows = found.lists["zones"]
    names = settings.zones or letters(settings.region, rows)
    known = {name: row for row in rows for name in (row["id"], row["name"])}
    yield "# Availability zone = CloudStack zone. Clients keep these names in their states: add, never rename."
    yield "[zones]"
    for name, target in names.items():
        row = known.get(target)
        yield f"{quoted(name)} = {quoted(target)} # {_zone_text(row) if row else 'NOT IN THIS CLOUD'}"
    yield ""


def _zone_text(row: Row) -> str:
    groups = bool(row.get("securitygroupsenabled"))
    if row.get("networktype") == "Basic":
        kind = "basic: one flat network, no VPCs"
    else:
        kind = "advanced with security groups: no VPCs" if groups else "advanced: isolated networks and VPCs"
    off = "" if row.get("allocationstate", "Enabled") == "Enabled" else "; disabled"
    return f"{row['name']}, {kind}{off}"


def _networks(settings: Settings, found: Looked) -> Iterator[str]:
    yield "# CloudStack zone = uuid of the network for launches without a subnet; without a line, a zone's oldest."
    yield "[default_networks]"
    rows = [
        row
        for row in found.lists["networks"]
        if row.get("type") == "Shared" and row.get("traffictype", "Guest") == "Guest"
    ]
    for zone in found.lists["zones"]:
        here = sorted(
            (row for row in rows if row["zoneid"] == zone["id"]), key=lambda row: row.get("created", "")
        )
        chosen = settings.default_networks.get(zone["id"]) or settings.default_networks.get(zone["name"])
        for place, row in enumerate(here):
            mark = "" if row["id"] == chosen or (not chosen and place == 0) else "# "
            yield f"{mark}{quoted(zone['id'])} = {quoted(row['id'])} # {zone['name']}: {_in_words(row)}"
        if not here:
            yield f"# {zone['name']}: no shared network; each user's first launch makes an isolated one"


def _in_words(network: Row) -> str:
    return f"{network['name']}, {network['cidr']}" if network.get("cidr") else str(network["name"])


def _or_comment(name: str, value: str | None, example: str) -> str:
    return f"{name} = {quoted(value)}" if value else f"# {name} = {quoted(example)}"


def _services(row: Row) -> set[str]:
    return {service["name"] for service in row.get("service") or ()}


def quoted(value: str) -> str:
    """Return a text as TOML writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write(path: Path, content: str, *, secret: bool) -> None:
    """Write a new file, which its owner alone reads if keys are in it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if secret else 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(content)

"""DHCP options: sets that clients make and associate with VPCs, and those that say what CloudStack does by itself.

What a set may hold is checked as AWS does; what CloudStack can make true of it, when it is associated
(`ec2bridge/resources/vpcs/dhcp_options.py`).
"""

import ipaddress
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS, wanted
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, own_uuid
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import dhcp_options
from ec2bridge.resources.vpcs.dhcp_options import DOMAIN, KIND, ROUTER, SERVERS, OptionsSet
from ec2bridge.resources.vpcs.items import NO_OPTIONS

_NODE_TYPE, _LEASE = "netbios-node-type", "ipv6-address-preferred-lease-time"
_ADDRESSES = MappingProxyType({SERVERS: (4, 4), "ntp-servers": (4, 4), "netbios-name-servers": (4, 0)})
"""The options that are addresses → how many of IPv4 and of IPv6 AWS takes."""
_KEYS = (DOMAIN, *_ADDRESSES, _NODE_TYPE, _LEASE)
_LONGEST = 255


@describe(
    "DescribeDhcpOptions",
    items="DhcpOptions",
    ids={"DhcpOptionsIds": Ids("DhcpOptionsId", KIND, word=NO_OPTIONS)},
    filters={
        **TAGS,
        "dhcp-options-id": "DhcpOptionsId",
        "key": "_Keys",
        "value": "_Values",
        "owner-id": "OwnerId",
    },
    native=("listVPCs", "listNetworks"),
)
async def describe_dhcp_options(ctx: Context, request: Request) -> list[Item]:
    """Return the account's default set, those of VPCs that were given something else, and those that were made."""
    found = await dhcp_options.sets(ctx)
    tags = await resource_tags.merged(ctx, KIND, [{"id": each.key} for each in found])
    items = [_found_item(ctx, each, tags[each.key]) for each in found]
    by_filter = [value for name, values in wanted(request) if name == "dhcp-options-id" for value in values]
    if NO_OPTIONS in (*(request.get("DhcpOptionsIds") or ()), *by_filter):
        # What a VPC tells after this was associated with it: the account's default set, by AWS's word.
        items.append({**items[0], "DhcpOptionsId": NO_OPTIONS})
    return items


def _item(each: OptionsSet, tags: list[dict[str, str]]) -> Item:
    return {
        "DhcpOptionsId": each.id,
        "OwnerId": each.owner,
        "DhcpConfigurations": [
            {"Key": key, "Values": [{"Value": value} for value in values]}
            for key, values in each.options.items()
        ],
        "Tags": tags,
    }


def _found_item(ctx: Context, each: OptionsSet, tags: list[dict[str, str]]) -> Item:
    keys = list(each.options)
    values = [value for values in each.options.values() for value in values]
    if each.key == ctx.owner_id:
        # Clients find AWS's default set by the domain name that it has in each region.
        keys, values = [*keys, DOMAIN], [*values, _regional_domain(ctx.settings.region)]
    return {**_item(each, tags), "_Keys": keys, "_Values": values}


def _regional_domain(region: str) -> str:
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


@action("CreateDhcpOptions", honours=("DhcpConfigurations", "TagSpecifications"))
async def create_dhcp_options(ctx: Context, request: Request) -> Answer:
    """Make a set that no VPC has yet."""
    tags = resource_tags.specified(request, KIND)
    options = _options(request)
    await quotas.check(ctx, KIND, "DhcpOptionsLimitExceeded", "DHCP options sets")
    made = OptionsSet(own_uuid(), options, ctx.owner_id)
    await ctx.store.put(ctx.owner_id, KIND, made.key, options)
    await resource_tags.attach(ctx, KIND, made.key, tags)
    return {"DhcpOptions": _item(made, resource_tags.as_list(tags))}


def _options(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in request.get("DhcpConfigurations") or ():
        key = entry.get("Key") or ""
        if key not in _KEYS:
            raise _invalid(key, "key", f"Expected one of {', '.join(_KEYS)}.")
        if key in found:
            raise _invalid(key, "key", "It is specified more than once.")
        # Older Terraform sends what its file leaves out as empty, and AWS takes that as absent.
        values = list(_words(key, entry.get("Values") or ()))
        if values:
            found[key] = _checked(key, values)
    if request.get("DhcpConfigurations") and not found:
        raise _invalid("", "dhcpConfiguration", "None of its options has a value.")
    if not found:
        raise Ec2Error("MissingParameter", "The request must contain the parameter dhcpConfiguration")
    return found


def _words(key: str, values: Any) -> Iterator[str]:
    """Yield the values of an option; several addresses may stand in one, with commas between."""
    for value in values:
        parts = value.split(",") if key in _ADDRESSES else [value]
        yield from (part.strip() for part in parts if part.strip())


def _checked(key: str, values: list[str]) -> list[str]:
    if key in _ADDRESSES:
        return _addresses(key, values)
    if key == DOMAIN:
        return _domains(values)
    if len(values) > 1:
        raise _invalid(", ".join(values), key, "It has one value.")
    [value] = values
    if key == _NODE_TYPE and value not in ("1", "2", "4", "8"):
        raise _invalid(value, key, "Expected 1, 2, 4 or 8.")
    if key == _LEASE and not (value.isdecimal() and 140 <= int(value) <= 2**31 - 1):
        raise _invalid(value, key, f"Expected seconds between 140 and {2**31 - 1}.")
    return values


def _domains(values: list[str]) -> list[str]:
    for value in values:
        if len(value) > _LONGEST:
            raise _invalid(value, DOMAIN, f"It is longer than {_LONGEST} characters.")
    return values


def _addresses(key: str, values: list[str]) -> list[str]:
    counts = {4: 0, 6: 0}
    most = dict(zip(counts, _ADDRESSES[key], strict=True))
    for value in values:
        if key == SERVERS and value == ROUTER:
            continue
        try:
            version = ipaddress.ip_address(value).version
        except ValueError:
            raise _invalid(value, key, "It is not a valid IP address.") from None
        counts[version] += 1
        if counts[version] > most[version]:
            raise _invalid(
                ", ".join(values), key, f"At most {most[version]} IPv{version} addresses are taken."
            )
    return values


def _invalid(value: str, name: str, why: str) -> Ec2Error:
    return Ec2Error("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {why}")


@action("DeleteDhcpOptions", honours=("DhcpOptionsId",), native=("listVPCs", "listNetworks"))
async def delete_dhcp_options(ctx: Context, request: Request) -> None:
    """Delete a set that no VPC has; those that say what CloudStack does by itself stay."""
    ident = request.get("DhcpOptionsId") or ""
    try:
        await dhcp_options.delete(ctx, ident)
    except Ec2Error as error:
        if error.code != KINDS[KIND].not_found:
            raise
        # Of all actions this one has the plural in its code.
        sentence = f"The dhcpOptions ID '{ident}' does not exist"
        raise Ec2Error("InvalidDhcpOptionsID.NotFound", sentence) from None


@action(
    "AssociateDhcpOptions",
    honours=("VpcId", "DhcpOptionsId"),
    native=("listVPCs", "listNetworks", "updateNetwork"),
)
async def associate_dhcp_options(ctx: Context, request: Request) -> None:
    """Have a VPC's subnets do what a set says, or refuse what they cannot do."""
    row = await resolve_vpc(ctx, request.get("VpcId") or "")
    ident = request.get("DhcpOptionsId") or ""
    wanted = None if ident == NO_OPTIONS else await dhcp_options.named(ctx, ident)
    await dhcp_options.associate(ctx, row, wanted)

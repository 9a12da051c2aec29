"""Regions and availability zones.

An EC2 client expects several regions with an endpoint each; a bridge is one region, and its endpoint is the address
that the client already talks to. An operator with several clouds runs a bridge for each, and the setting `regions` has
every one of them know the others (`ec2bridge/serving/regions.py` hands on what was signed for another). CloudStack's
zones are the availability zones, under AWS-shaped names.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.resources.places.zones import Zone, zones

OPT_IN = "opt-in-not-required"


@describe(
    "DescribeRegions",
    items="Regions",
    ids={
        "RegionNames": Ids("RegionName", code="InvalidParameterValue", sentence="Invalid region names: [{}]")
    },
    filters={"endpoint": "Endpoint", "opt-in-status": "OptInStatus", "region-name": "RegionName"},
    ignores={"AllRegions": "everybody may use every region"},
)
async def describe_regions(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the region that this bridge is, and those of the operator's other bridges that the settings name."""
    endpoints = {**ctx.settings.regions, ctx.settings.region: ctx.endpoint}
    return [
        # A host without scheme, as on AWS: jclouds puts "https://" before it and calls that from then on.
        {"RegionName": name, "Endpoint": url.partition("://")[2].partition("/")[0], "OptInStatus": OPT_IN}
        for name, url in sorted(endpoints.items())
    ]


# Eucalyptus' tools put `verbose` among the names to be told of free capacity too; that is for its administrator, and
# everybody else is answered as if they had not.
_UNKNOWN_ZONE = Ids(
    "_Names", code="InvalidParameterValue", sentence="Invalid availability zone: [{}]", keyword="verbose"
)


@describe(
    "DescribeAvailabilityZones",
    items="AvailabilityZones",
    ids={"ZoneNames": _UNKNOWN_ZONE, "ZoneIds": _UNKNOWN_ZONE},
    key="ZoneName",
    filters={
        "group-long-name": "GroupLongName",
        "group-name": "GroupName",
        "message": "Messages.Message",
        "opt-in-status": "OptInStatus",
        "parent-zone-id": None,
        "parent-zone-name": None,
        "region-name": "RegionName",
        "state": "State",
        "zone-id": "_Names",
        "zone-name": "_Names",
        "zone-type": "ZoneType",
    },
    ignores={"AllAvailabilityZones": "every zone is one that the caller has opted into"},
    native=("listZones",),
)
async def describe_availability_zones(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the zones that the caller may use."""
    return [zone_item(ctx.settings.region, zone) for zone in await zones(ctx)]


def zone_item(region: str, zone: Zone) -> Item:
    """Return an availability zone; the long name of its group is CloudStack's name of the zone."""
    return {
        "ZoneName": zone.name,
        "ZoneId": zone.id,
        "RegionName": region,
        "GroupName": region,
        "GroupLongName": zone.native_name,
        "NetworkBorderGroup": region,
        "ZoneType": "availability-zone",
        "OptInStatus": OPT_IN,
        "State": "available" if zone.row.get("allocationstate", "Enabled") == "Enabled" else "unavailable",
        "Messages": [],
        "_Names": list(zone.names),
    }

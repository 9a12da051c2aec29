"""Zones, regions, hypervisors: where machines may run."""

from __future__ import annotations

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row


@command("listZones", id="zones")
def list_zones(call: Call) -> Answer:
    rows = call.matching(call.cloud.tables["zones"], "name", "networktype")

    def render(zone: Row) -> Row:
        return {**zone, **zone["_dns"]} if call.caller.is_admin else zone

    return call.page("zone", rows, render)


@command("listRegions")
def list_regions(call: Call) -> Answer:
    region = {
        "id": 1,
        "name": "Local",
        "endpoint": "http://localhost:8080/client/",
        "gslbserviceenabled": True,
        "portableipserviceenabled": False,
    }
    return call.page("region", call.matching([region], "name"))


@command("listHypervisors")
def list_hypervisors(call: Call) -> Answer:
    zone = call.entity("zoneid")
    names = ["Simulator"] if zone else call.cloud.facts["hypervisors"]
    return call.page("hypervisor", [{"name": name} for name in names])


@command("listHypervisorCapabilities", id="hypervisorcapabilities")
def list_hypervisor_capabilities(call: Call) -> Answer:
    rows = call.matching(call.cloud.facts["hypervisorcapabilities"], "hypervisor", keyword="hypervisor")
    return call.page("hypervisorCapabilities", [public(row) for row in rows])

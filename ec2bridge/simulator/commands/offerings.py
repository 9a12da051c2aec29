"""Offerings and operating systems: lists that only an operator changes."""

from __future__ import annotations

from ec2bridge.simulator.call import Call
from ec2bridge.simulator.registry import Answer, command


@command("listServiceOfferings", id="serviceofferings")
def list_service_offerings(call: Call) -> Answer:
    rows = call.matching(call.cloud.tables["serviceofferings"], "name", "cpunumber", "memory", "issystem")
    return call.page("serviceoffering", rows)


@command("listDiskOfferings", id="diskofferings")
def list_disk_offerings(call: Call) -> Answer:
    return call.page("diskoffering", call.matching(call.cloud.tables["diskofferings"], "name"))


@command("listOsTypes", id="ostypes")
def list_os_types(call: Call) -> Answer:
    return call.page("ostype", call.matching(call.cloud.tables["ostypes"], "oscategoryid", "description"))


@command("listOsCategories", id="oscategories")
def list_os_categories(call: Call) -> Answer:
    return call.page("oscategory", call.matching(call.cloud.tables["oscategories"], "name"))

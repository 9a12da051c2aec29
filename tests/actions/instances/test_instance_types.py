"""Which types there are, and what CloudStack offering each one is."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.mapping import Size
from ec2bridge.resources.instance_types import TYPE_DETAIL, TypeTable, type_of
from tests.conftest import REGION, Place
from tests.launching import described, launch
from tests.native import Native


def names(ec2: Any, **asked: Any) -> set[str]:
    pages = ec2.get_paginator("describe_instance_types").paginate(**asked)
    return {item["InstanceType"] for page in pages for item in page["InstanceTypes"]}


def test_aws_types_and_offerings_stand_side_by_side(ec2: Any) -> None:
    found = names(ec2)

    assert {"t2.micro", "m5.large"} <= found  # offerings that are called like types
    assert {"t3.small", "r5.large"} <= found  # served by the customised offering
    assert {"Small Instance", "Medium Instance"} <= found


def test_a_type_has_the_size_that_its_machines_get(ec2: Any) -> None:
    [item] = ec2.describe_instance_types(InstanceTypes=["c5.xlarge"])["InstanceTypes"]

    assert item["VCpuInfo"]["DefaultVCpus"] == 4
    assert item["MemoryInfo"]["SizeInMiB"] == 8192
    assert item["ProcessorInfo"] == {"SupportedArchitectures": ["x86_64"], "SustainedClockSpeedInGhz": 1.0}
    assert item["BareMetal"] is False
    assert item["CurrentGeneration"] is True
    assert item["SupportedVirtualizationTypes"] == ["hvm"]
    assert item["BurstablePerformanceSupported"] is False
    cores = {"DefaultCores": 4, "DefaultThreadsPerCore": 1, "ValidCores": [4], "ValidThreadsPerCore": [1]}
    assert item["VCpuInfo"] == {"DefaultVCpus": 4, **cores}


def test_a_type_says_what_a_launch_takes(place: Place, ec2: Any) -> None:
    [item] = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"]
    # A launch with a CreditSpecification, EbsOptimized or a placement group of either kind is taken.
    assert item["BurstablePerformanceSupported"] is True
    assert item["EbsInfo"]["EbsOptimizedSupport"] == "supported"
    assert item["PlacementGroupInfo"]["SupportedStrategies"] == ["cluster", "spread"]
    assert item["EbsInfo"]["EncryptionSupport"] == "unsupported"
    row = place.sim.cloud.tables["diskofferings"].first(name="gp2")
    assert row is not None
    row["encrypt"] = True
    place.bridge.site.caches.clear()
    [item] = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"]
    assert item["EbsInfo"]["EncryptionSupport"] == "supported"


@pytest.mark.parametrize(
    ("name", "current"), [("t1.micro", False), ("m1.small", False), ("t2.micro", True), ("m4.large", True)]
)
def test_generations_are_awss(ec2: Any, name: str, current: bool) -> None:
    [item] = ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"]
    assert item["CurrentGeneration"] is current
    wanted = [{"Name": "current-generation", "Values": ["true"]}]
    assert (name in {one["InstanceType"] for one in found(ec2, wanted)}) is current


def found(ec2: Any, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_instance_types").paginate(Filters=filters)
    return [item for page in pages for item in page["InstanceTypes"]]


@pytest.mark.since("4.20")
def test_a_type_of_another_architecture_than_any_images_is_not_offered(place: Place, ec2: Any) -> None:
    assert "t4g.small" not in names(ec2)
    template = place.sim.cloud.tables["templates"].first(isfeatured=True)
    assert template is not None
    template["arch"] = "aarch64"
    place.bridge.site.caches.clear()

    [item] = ec2.describe_instance_types(InstanceTypes=["t4g.small"])["InstanceTypes"]

    assert item["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]


def test_clients_find_the_structures_that_they_look_into(ec2: Any) -> None:
    for page in ec2.get_paginator("describe_instance_types").paginate():
        for item in page["InstanceTypes"]:
            assert {"EbsInfo", "NetworkInfo", "PlacementGroupInfo", "ProcessorInfo"} <= item.keys()


def test_an_offering_answers_to_its_uuid(place: Place, ec2: Any) -> None:
    uuid = Native(place).offering("listServiceOfferings", "Medium Instance")

    assert names(ec2, InstanceTypes=[uuid]) == {"Medium Instance"}
    by_filter = [{"Name": "instance-type", "Values": [uuid]}]
    assert names(ec2, Filters=by_filter) == {"Medium Instance"}
    [offered] = ec2.describe_instance_type_offerings(Filters=by_filter)["InstanceTypeOfferings"]
    assert offered["InstanceType"] == "Medium Instance"
    [launched] = launch(ec2, InstanceType=uuid)
    assert [one["InstanceId"] for one in described(ec2, Filters=by_filter)] == [launched["InstanceId"]]


def test_a_customised_offering_goes_by_its_name_with_its_smallest_size(ec2: Any) -> None:
    [item] = ec2.describe_instance_types(InstanceTypes=["custom-constrained"])["InstanceTypes"]

    assert item["VCpuInfo"]["DefaultVCpus"] == 1
    assert item["MemoryInfo"]["SizeInMiB"] == 512


def test_an_unknown_type_is_refused_by_name(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        names(ec2, InstanceTypes=["t2.micro", "z9.huge"])

    assert refused.value.response["Error"] == {
        "Code": "InvalidInstanceType",
        "Message": "The following supplied instance types do not exist: [z9.huge]",
    }


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("instance-type", "t2.mi*", {"t2.micro"}),
        ("memory-info.size-in-mib", "512", {"Small Instance", "custom-constrained"}),
        ("vcpu-info.default-vcpus", "3", set()),
        ("bare-metal", "true", set()),
        ("hypervisor", "nitro", set()),
        ("network-info.efa-supported", "true", set()),
    ],
)
def test_types_are_filtered(ec2: Any, name: str, value: str, hits: set[str]) -> None:
    found = names(ec2, Filters=[{"Name": name, "Values": [value]}])

    assert {name for name in found if not name.endswith(".nano")} == hits


def test_pages_add_up(ec2: Any) -> None:
    assert names(ec2, PaginationConfig={"PageSize": 7}) == names(ec2)


def test_a_machines_type_is_found_when_its_offering_is_gone(place: Place, ec2: Any) -> None:
    Native(place).machine("old", offering="Small Instance")
    offerings = place.sim.cloud.tables["serviceofferings"]
    [offering] = offerings.where(name="Small Instance")
    offerings.remove(offering)

    [item] = ec2.describe_instance_types(InstanceTypes=["Small Instance"])["InstanceTypes"]

    assert "Small Instance" not in names(ec2)
    assert item["CurrentGeneration"] is False
    assert item["VCpuInfo"]["DefaultVCpus"] == 1
    assert item["MemoryInfo"]["SizeInMiB"] == 512


def test_offerings_are_listed_about_once_a_minute(place: Place, ec2: Any) -> None:
    names(ec2)

    assert place.commands(lambda: names(ec2)) == []


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("region", {REGION}),
        ("availability-zone", {f"{REGION}a", f"{REGION}b", f"{REGION}c"}),
        ("outpost", set()),
    ],
)
def test_types_are_offered_in_places(ec2: Any, kind: str, places: set[str]) -> None:
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType=kind)
    found = [item for page in pages for item in page["InstanceTypeOfferings"]]

    assert {item["Location"] for item in found} == places
    assert {item["LocationType"] for item in found} == ({kind} if places else set())


def test_offerings_are_filtered_by_type_and_place(ec2: Any) -> None:
    found = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[
            {"Name": "instance-type", "Values": ["t2.micro"]},
            {"Name": "location", "Values": ["sim-sg"]},
        ],
    )["InstanceTypeOfferings"]

    assert found == [
        {"InstanceType": "t2.micro", "LocationType": "availability-zone", "Location": f"{REGION}c"}
    ]


# --- which offering serves a type ------------------------------------------------------------------------------


def offering(name: str, cpus: int | None = None, memory: int | None = None, **more: Any) -> dict[str, Any]:
    fixed = {"cpunumber": cpus, "memory": memory} if cpus else {"iscustomized": True}
    return {"id": f"uuid-of-{name}", "name": name, "created": "2026-01-01", **fixed, **more}


@pytest.fixture
def table() -> Callable[..., TypeTable]:
    def make(*rows: dict[str, Any]) -> TypeTable:
        aws = {"t3.small": Size(2, 2048), "t3.nano": Size(2, 512), "c5.large": Size(2, 4096)}
        return TypeTable(aws, rows, 1000, {row["id"]: row for row in rows}, frozenset({"x86_64"}))

    return make


def test_an_offering_of_the_types_name_outranks_one_of_its_size(table: Callable[..., TypeTable]) -> None:
    types = table(offering("two", 2, 2048), offering("t3.small", 1, 1024))

    assert types.serving("t3.small") == (types.offerings[1], {})


def test_an_offering_of_the_size_outranks_a_customised_one(table: Callable[..., TypeTable]) -> None:
    types = table(offering("any"), offering("two", 2, 2048))

    assert types.serving("t3.small") == (types.offerings[1], {})


def test_a_customised_offering_is_told_the_size_and_the_speed_that_it_leaves_open(
    table: Callable[..., TypeTable],
) -> None:
    assert table(offering("any")).serving("t3.small") == (
        offering("any"),
        {"cpuNumber": 2, "memory": 2048, "cpuSpeed": 1000},
    )
    fast = offering("fast", cpuspeed=3000)
    assert table(fast).serving("t3.small") == (fast, {"cpuNumber": 2, "memory": 2048})


def test_a_customised_offering_serves_only_what_lies_within_its_limits(
    table: Callable[..., TypeTable],
) -> None:
    limits = {"mincpunumber": "1", "maxcpunumber": "4", "minmemory": "1024", "maxmemory": "2048"}
    types = table(offering("some", serviceofferingdetails=limits))

    assert types.serving("t3.small") is not None
    assert types.serving("t3.nano") is None
    assert types.serving("c5.large") is None


def test_an_offering_elsewhere_does_not_serve_a_zone(table: Callable[..., TypeTable]) -> None:
    types = table(offering("two", 2, 2048, zoneid="zone-1,zone-2"))

    assert types.serving("t3.small", "zone-2") is not None
    assert types.serving("t3.small", "zone-3") is None


def test_graphics_are_no_part_of_a_size(table: Callable[..., TypeTable]) -> None:
    types = table(offering("games", 2, 2048, gpucount=1))

    assert types.serving("t3.small") is None
    assert types.serving("games") is not None


def test_a_machine_is_of_the_type_that_its_launch_asked_for(table: Callable[..., TypeTable]) -> None:
    types = table(offering("any"), offering("two", 2, 2048))
    machine = {
        "serviceofferingid": "uuid-of-two",
        "serviceofferingname": "two",
        "cpunumber": 2,
        "memory": 2048,
    }

    assert type_of(types, {**machine, "details": {TYPE_DETAIL: "t3.small"}}) == "t3.small"
    assert type_of(types, machine) == "two"
    # Resized in CloudStack since then: what the launch asked for is no longer true.
    assert type_of(types, {**machine, "memory": 4096, "details": {TYPE_DETAIL: "t3.small"}}) == "two"


def test_a_machine_of_a_customised_offering_has_the_type_of_its_size(table: Callable[..., TypeTable]) -> None:
    types = table(offering("any"))
    machine = {"serviceofferingid": "uuid-of-any", "serviceofferingname": "any", "cpunumber": 2}

    assert type_of(types, {**machine, "memory": 4096}) == "c5.large"
    assert type_of(types, {**machine, "memory": 5000}) == "any"


ANY = {"VCpuCount": {"Min": 0}, "MemoryMiB": {"Min": 0}}


def with_requirements(ec2: Any, *architectures: str, kind: str = "hvm", **wanted: Any) -> list[str]:
    answer = ec2.get_instance_types_from_instance_requirements(
        ArchitectureTypes=list(architectures) or ["x86_64"],
        VirtualizationTypes=[kind],
        InstanceRequirements={**ANY, **wanted},
    )
    return [item["InstanceType"] for item in answer["InstanceTypes"]]


def test_types_that_have_what_is_required(ec2: Any) -> None:
    size = {"VCpuCount": {"Min": 2, "Max": 4}, "MemoryMiB": {"Min": 4096, "Max": 16384}}
    known = {
        item["InstanceType"]: (item["VCpuInfo"]["DefaultVCpus"], item["MemoryInfo"]["SizeInMiB"])
        for page in ec2.get_paginator("describe_instance_types").paginate()
        for item in page["InstanceTypes"]
        if not item["BurstablePerformanceSupported"]
    }
    found = with_requirements(ec2, **size)
    assert set(found) == {
        name for name, (cpus, memory) in known.items() if 2 <= cpus <= 4 and 4096 <= memory <= 16384
    }
    assert [known[name] for name in found] == sorted(known[name] for name in found)
    assert {"m5.large", "c5.xlarge"} <= set(found)
    assert with_requirements(ec2, **size, AllowedInstanceTypes=["c5.*"]) == ["c5.large", "c5.xlarge"]
    assert not {"m5.large", "m5a.large"} & set(with_requirements(ec2, **size, ExcludedInstanceTypes=["m5*"]))
    twice = with_requirements(ec2, **size, MemoryGiBPerVCpu={"Min": 2, "Max": 2})
    assert "c5.large" in twice
    assert "m5.large" not in twice


@pytest.mark.parametrize(
    ("wanted", "inside", "outside"),
    [
        ({}, "m5.large", "t2.micro"),
        ({"BurstablePerformance": "included", "ExcludedInstanceTypes": ["m5*"]}, "t2.micro", "m5.large"),
        ({"BurstablePerformance": "required"}, "t2.micro", "m5.large"),
        ({"InstanceGenerations": ["previous"]}, "m1.small", "m5.large"),
        ({"InstanceGenerations": ["current"]}, "m5.large", "m1.small"),
        ({"LocalStorage": "excluded", "BareMetal": "included"}, "m5.large", "t2.micro"),
        ({"AcceleratorCount": {"Max": 0}, "TotalLocalStorageGB": {"Min": 0}}, "m5.large", "t2.micro"),
        # What CloudStack has no price for cannot be too dear; these bounds are none.
        ({"OnDemandMaxPricePercentageOverLowestPrice": 10}, "m5.large", "t2.micro"),
        ({"NetworkInterfaceCount": {"Min": 1}, "NetworkBandwidthGbps": {"Min": 0.0}}, "m5.large", "t2.micro"),
    ],
)
def test_each_requirement_takes_and_leaves(
    ec2: Any, wanted: dict[str, Any], inside: str, outside: str
) -> None:
    found = with_requirements(ec2, **wanted)
    assert inside in found
    assert outside not in found


@pytest.mark.parametrize(
    "wanted",
    [
        {"BareMetal": "required"},
        {"LocalStorage": "required"},
        {"LocalStorageTypes": ["ssd"]},
        {"TotalLocalStorageGB": {"Min": 10.0}},
        {"RequireHibernateSupport": True},
        {"RequireEncryptionInTransit": True},
        {"AcceleratorTypes": ["gpu"]},
        {"AcceleratorCount": {"Min": 1}},
        {"VCpuCount": {"Min": 100_000}},
    ],
)
def test_what_no_type_has(ec2: Any, wanted: dict[str, Any]) -> None:
    assert with_requirements(ec2, **wanted) == []


def test_a_gpu_is_a_requirement(place: Place, ec2: Any) -> None:
    row = place.sim.cloud.tables["serviceofferings"].first(name="Small Instance")
    assert row is not None
    row["serviceofferingdetails"] = {"pciDevice": "Group of NVIDIA GPUs"}
    place.bridge.site.caches.clear()
    assert with_requirements(ec2, AcceleratorTypes=["gpu", "fpga"]) == ["Small Instance"]
    assert with_requirements(ec2, AcceleratorCount={"Min": 1, "Max": 1}) == ["Small Instance"]
    assert with_requirements(ec2, AcceleratorTypes=["fpga"]) == []
    assert "Small Instance" not in with_requirements(ec2, AcceleratorCount={"Max": 0})


def test_an_architecture_without_images_has_no_types(ec2: Any) -> None:
    assert with_requirements(ec2, "arm64") == []
    assert with_requirements(ec2, kind="paravirtual") == []
    assert with_requirements(ec2, "arm64", "x86_64")


@pytest.mark.parametrize(
    "wanted",
    [
        {"CpuManufacturers": ["amd"]},
        {"NetworkInterfaceCount": {"Min": 2}},
        {"BaselineEbsBandwidthMbps": {"Min": 100}},
        {"NetworkBandwidthGbps": {"Max": 10.0}},
        {"AcceleratorManufacturers": ["nvidia"]},
        {"AcceleratorNames": ["t4"]},
        {"BaselinePerformanceFactors": {"Cpu": {"References": [{"InstanceFamily": "m5"}]}}},
    ],
)
def test_what_cloudstack_cannot_tell_of_a_type_is_refused_by_name(ec2: Any, wanted: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=f"InstanceRequirements.{next(iter(wanted))}") as refused:
        with_requirements(ec2, **wanted)
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"


def test_types_may_be_allowed_or_excluded(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        with_requirements(ec2, AllowedInstanceTypes=["m5.*"], ExcludedInstanceTypes=["c5.*"])
    assert refused.value.response["Error"]["Code"] == "InvalidParameterCombination"

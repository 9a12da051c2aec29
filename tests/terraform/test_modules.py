"""docs/terraform-modules.md: its example is applied with the real modules, and each sentence is what the bridge says.

Nothing of the modules is kept here, and the tests reach no host that has them: the example is applied where
`TF_MODULES` names a folder with `vpc`, `ec2-instance` and `security-group`, each in the newest version that the page
names, and `TF_PLUGINS` one with a provider that they take, as `terraform providers mirror` leaves it.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.launching import tags
from tests.test_store_terraform import AWS_REGION, EMPTY, Terraform
from tests.walk.blocks import marked

PAGE = Path(__file__).parent.parent.parent / "docs" / "terraform-modules.md"
MODULES, PLUGINS = os.environ.get("TF_MODULES", ""), os.environ.get("TF_PLUGINS", "")
SOURCE = re.compile(r'source  = "terraform-aws-modules/([\w-]+)/aws"\n  version = "[\d.]+"')
ROW = re.compile(r"^\| .* \| .* \| ([\w.]+): (.*) \|$", re.MULTILINE)
ID = re.compile(r"\b(vpc|nat|pl|dopt)-[0-9a-f]{17}\b")
PROVIDER = """
variable "endpoint" { type = string }

provider "aws" {
  endpoints {
    ec2 = var.endpoint
    sts = var.endpoint
    ssm = var.endpoint
  }
}
"""

pytestmark = pytest.mark.since("4.19")

Call = tuple[str, dict[str, Any]]


def refused(place: Place) -> Iterator[Call]:
    """What the modules ask for with inputs that the page tells not to use: operation and request."""
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.101.0/24")["Subnet"]["SubnetId"]
    addresses = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2)]
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=addresses[0])
    image = ec2.describe_images()["Images"][0]["ImageId"]

    yield (
        "create_subnet",
        {"VpcId": vpc, "CidrBlock": "10.0.102.0/24", "AvailabilityZone": f"{AWS_REGION}b"},
    )
    chosen = [tags("vpc", **{"availability-zone": f"{AWS_REGION}b"})]
    yield "create_vpc", {"CidrBlock": "10.1.0.0/16", "TagSpecifications": chosen}
    yield "create_nat_gateway", {"SubnetId": subnet, "AllocationId": addresses[1]}
    yield "create_subnet", {"VpcId": vpc, "CidrBlock": "10.0.0.0/20"}
    yield "associate_vpc_cidr_block", {"VpcId": vpc, "CidrBlock": "10.1.0.0/16"}
    yield "create_vpc", {"CidrBlock": "10.1.0.0/16", "AmazonProvidedIpv6CidrBlock": True}
    clocks = [{"Key": "ntp-servers", "Values": ["192.0.2.1"]}]
    options = ec2.create_dhcp_options(DhcpConfigurations=clocks)["DhcpOptions"]["DhcpOptionsId"]
    yield "associate_dhcp_options", {"VpcId": vpc, "DhcpOptionsId": options}
    yield (
        "create_flow_logs",
        {"ResourceIds": [vpc], "ResourceType": "VPC", "LogDestinationType": "s3", "TrafficType": "ALL"},
    )
    yield "modify_vpc_attribute", {"VpcId": vpc, "EnableDnsSupport": {"Value": False}}
    yield "modify_vpc_attribute", {"VpcId": vpc, "EnableNetworkAddressUsageMetrics": {"Value": True}}
    yield "create_vpc", {"CidrBlock": "10.1.0.0/16", "InstanceTenancy": "dedicated"}
    record = {"EnableResourceNameDnsARecordOnLaunch": {"Value": True}}
    yield "modify_subnet_attribute", {"SubnetId": subnet, **record}

    launch = {"ImageId": image, "InstanceType": "t2.micro", "SubnetId": subnet, "MinCount": 1, "MaxCount": 1}
    for changed in (
        disk(Encrypted=True),
        disk(VolumeType="gp3", Throughput=200),
        {"IamInstanceProfile": {"Name": "web"}},
        {"CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}},
        {"HibernationOptions": {"Configured": True}},
        {"EnclaveOptions": {"Enabled": True}},
        {"Placement": {"Tenancy": "dedicated"}},
        {"PrivateDnsNameOptions": {"HostnameType": "resource-name"}},
    ):
        yield "run_instances", {**launch, **changed}
    wanted = {"ImageId": image, "InstanceType": "t2.micro", "SubnetId": subnet}
    yield "request_spot_instances", {"Type": "persistent", "LaunchSpecification": wanted}


def disk(**ebs: Any) -> dict[str, Any]:
    return {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, **ebs}}]}


def test_the_sentences_of_the_page_are_those_of_the_bridge(make_place: Callable[..., Place]) -> None:
    place = make_place({"region": AWS_REGION})
    ec2, told = place.client(), []
    for operation, request in refused(place):
        with pytest.raises(ClientError) as refusal:
            getattr(ec2, operation)(**request)
        error = refusal.value.response["Error"]
        told.append((error["Code"], ID.sub(r"\1-…", error["Message"])))

    assert ROW.findall(PAGE.read_text(encoding="utf-8")) == told


@pytest.mark.skipif(
    not (MODULES and PLUGINS and shutil.which("terraform")),
    reason="needs terraform, its provider for AWS, and the modules",
)
@pytest.mark.timeout(900)
def test_the_example_is_applied_and_destroyed(make_place: Callable[..., Place], tmp_path: Path) -> None:
    [example] = marked("docs/terraform-modules.md", "tests/terraform/test_modules.py")
    local, count = SOURCE.subn(lambda found: f'source = "{Path(MODULES).resolve()}/{found[1]}"', example)
    assert count == 3
    place = make_place({"region": AWS_REGION})
    terraform = Terraform(tmp_path / "terraform", place, local + PROVIDER, Path(PLUGINS))
    parameters = place.client(service="ssm").get_parameters_by_path(Path="/ec2bridge/image")["Parameters"]
    terraform.environment["TF_VAR_image"] = parameters[0]["Name"].rpartition("/")[2]
    terraform.run(place.url, "apply", [EMPTY], "-auto-approve")
    terraform.plan(place.url, EMPTY)
    terraform.run(place.url, "destroy", [EMPTY], "-auto-approve")
    assert [vpc["IsDefault"] for vpc in place.client().describe_vpcs()["Vpcs"]] == [True]

"""What scenarios find in place: machines, volumes, networks and the like, made through the bridge."""

from typing import Any

from tests.faults.lab import Lab

ADVANCED, BASIC, GROUPED = "cloudstacka", "cloudstackb", "cloudstackc"
ANYWHERE = "0.0.0.0/0"
DOMAIN = [{"Key": "domain-name", "Values": ["example.com"]}]


def tags(kind: str, **values: str) -> dict[str, Any]:
    """TagSpecifications of one kind."""
    pairs = [{"Key": key, "Value": value} for key, value in (values or {"Name": "made", "Empty": ""}).items()]
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs}]}


def permission(port: int = 22, cidr: str = ANYWHERE, **more: Any) -> dict[str, Any]:
    """One entry of IpPermissions."""
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr, **more}],
    }


async def image(lab: Lab) -> str:
    return str((await lab.do("DescribeImages"))["Images"][0]["ImageId"])


async def launch(lab: Lab, **more: Any) -> dict[str, Any]:
    """The request of a launch."""
    place = (
        {}
        if "SubnetId" in more or "NetworkInterfaces" in more
        else {"Placement": {"AvailabilityZone": ADVANCED}}
    )
    one = {"ImageId": await image(lab), "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1}
    return {**one, **place, **more}


async def machines(lab: Lab, **more: Any) -> list[str]:
    """Running machines."""
    made = await lab.do("RunInstances", **await launch(lab, **more))
    await lab.quiet()
    return [entry["InstanceId"] for entry in made["Instances"]]


async def machine(lab: Lab, **more: Any) -> str:
    return (await machines(lab, **more))[0]


async def stopped(lab: Lab, **more: Any) -> str:
    """A machine that has been stopped."""
    ident = await machine(lab, **more)
    await lab.do("StopInstances", InstanceIds=[ident])
    await lab.quiet()
    return ident


async def described(lab: Lab, ident: str) -> dict[str, Any]:
    answer = await lab.do("DescribeInstances", InstanceIds=[ident])
    found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return found


async def volume(lab: Lab, **more: Any) -> str:
    made = await lab.do("CreateVolume", **{"AvailabilityZone": ADVANCED, "Size": 5, **more})
    await lab.quiet()
    return str(made["VolumeId"])


async def attached(lab: Lab) -> tuple[str, str]:
    """A machine and a volume attached to it."""
    ident, data = await machine(lab), await volume(lab)
    await lab.do("AttachVolume", InstanceId=ident, VolumeId=data, Device="/dev/sdf")
    await lab.quiet()
    return ident, data


async def snapshot(lab: Lab) -> str:
    _, data = await attached(lab)
    made = await lab.do("CreateSnapshot", VolumeId=data)
    await lab.quiet()
    return str(made["SnapshotId"])


async def own_image(lab: Lab) -> str:
    made = await lab.do("CreateImage", InstanceId=await stopped(lab), Name="mine")
    await lab.quiet()
    return str(made["ImageId"])


async def vpc(lab: Lab, cidr: str = "10.50.0.0/16") -> str:
    return str((await lab.do("CreateVpc", CidrBlock=cidr))["Vpc"]["VpcId"])


async def dhcp_options(lab: Lab) -> str:
    """A set that VPCs may have."""
    made = await lab.do("CreateDhcpOptions", DhcpConfigurations=DOMAIN)
    return str(made["DhcpOptions"]["DhcpOptionsId"])


async def subnet(lab: Lab, of: str, cidr: str = "10.50.1.0/24") -> str:
    made = await lab.do("CreateSubnet", VpcId=of, CidrBlock=cidr, AvailabilityZone=ADVANCED)
    return str(made["Subnet"]["SubnetId"])


async def tier(lab: Lab) -> tuple[str, str]:
    """A VPC and a subnet of it."""
    of = await vpc(lab)
    return of, await subnet(lab, of)


async def group(lab: Lab, of: str | None = None, name: str = "web") -> str:
    more = {"VpcId": of} if of else {}
    return str((await lab.do("CreateSecurityGroup", GroupName=name, Description="web", **more))["GroupId"])


async def address(lab: Lab) -> str:
    return str((await lab.do("AllocateAddress", Domain="vpc"))["AllocationId"])


async def associated(lab: Lab) -> dict[str, Any]:
    """An address that a machine has, as described."""
    ident, allocation = await machine(lab), await address(lab)
    await lab.do("AssociateAddress", InstanceId=ident, AllocationId=allocation)
    await lab.quiet()
    found: dict[str, Any] = (await lab.do("DescribeAddresses", AllocationIds=[allocation]))["Addresses"][0]
    return found


async def table(lab: Lab, of: str) -> str:
    return str((await lab.do("CreateRouteTable", VpcId=of))["RouteTable"]["RouteTableId"])


async def gateway(lab: Lab, of: str | None = None) -> str:
    made = str((await lab.do("CreateInternetGateway"))["InternetGateway"]["InternetGatewayId"])
    if of:
        await lab.do("AttachInternetGateway", InternetGatewayId=made, VpcId=of)
    return made


async def acl(lab: Lab, of: str) -> str:
    return str((await lab.do("CreateNetworkAcl", VpcId=of))["NetworkAcl"]["NetworkAclId"])


async def interface(lab: Lab, of: str) -> str:
    return str(
        (await lab.do("CreateNetworkInterface", SubnetId=of))["NetworkInterface"]["NetworkInterfaceId"]
    )


async def key(lab: Lab, name: str = "laptop") -> dict[str, Any]:
    made: dict[str, Any] = await lab.do("CreateKeyPair", KeyName=name)
    return made


async def template(lab: Lab) -> str:
    data = {"ImageId": await image(lab), "InstanceType": "t2.micro"}
    made = await lab.do("CreateLaunchTemplate", LaunchTemplateName="small", LaunchTemplateData=data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def ranges() -> dict[str, Any]:
    """The request for a prefix list with one range."""
    return {
        "PrefixListName": "us",
        "AddressFamily": "IPv4",
        "MaxEntries": 5,
        "Entries": [{"Cidr": "192.0.2.0/24"}],
        **tags("prefix-list"),
    }


async def prefix_list(lab: Lab) -> str:
    """The id of a prefix list with one range."""
    return str((await lab.do("CreateManagedPrefixList", **ranges()))["PrefixList"]["PrefixListId"])

"""Groups' rules on the tiers of VPCs: the list that CloudStack has for a tier after what clients do."""

import asyncio
import ipaddress
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ec2bridge.resources.enforcement.tiers import settle
from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import code_of, described, ids, launch, started, until
from tests.native import Native

EVERYWHERE = "0.0.0.0/0"
SHUT = ("deny", "all", None, None, "0.0.0.0/0,::/0")
"""How each direction of a list of the bridge's ends."""
OUT = [("allow", "all", None, None, EVERYWHERE), SHUT]
"""What a group lets out by default."""
Rules = list[tuple[Any, ...]]


def tcp(first: int, last: int, *cidrs: str, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp",
        "FromPort": first,
        "ToPort": last,
        "IpRanges": [{"CidrIp": cidr} for cidr in cidrs],
        "UserIdGroupPairs": [{"GroupId": group} for group in groups],
    }


def opened(first: int, last: int, *cidrs: str) -> tuple[Any, ...]:
    return ("allow", "tcp", str(first), str(last), ",".join(cidrs))


class Vpc:
    """A VPC of alice's, looked at through EC2 and through CloudStack's own API."""

    def __init__(self, place: Place, ec2: Any) -> None:
        self.place, self.ec2, self.native = place, ec2, Native(place)
        self.id = str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])

    def subnet(self, number: int = 1) -> str:
        made = self.ec2.create_subnet(VpcId=self.id, CidrBlock=f"10.42.{number}.0/24")
        return str(made["Subnet"]["SubnetId"])

    def group(self, name: str, *permissions: dict[str, Any]) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description="d", VpcId=self.id)
        group = str(made["GroupId"])
        if permissions:
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))
        return group

    def machine(self, subnet: str, *groups: str) -> dict[str, Any]:
        request = {"SecurityGroupIds": list(groups)} if groups else {}
        [machine] = started(self.ec2, SubnetId=subnet, **request)
        return machine

    def end(self, *machines: dict[str, Any]) -> None:
        self.ec2.terminate_instances(InstanceIds=ids(list(machines)))
        until(self.ec2, "terminated", *ids(list(machines)))

    def network(self, subnet: str) -> dict[str, Any]:
        [row] = [
            row for row in self.native.list("listNetworks") if row["id"].replace("-", "")[:17] == subnet[7:]
        ]
        return row

    def list_name(self, subnet: str) -> str:
        """The name of the list that the tier has."""
        return str(self.network(subnet)["aclname"])

    def rules(self, subnet: str, way: str = "Ingress") -> Rules:
        """The rules that the tier's own router applies, in order."""
        rows = self.native.list("listNetworkACLs", aclid=self.network(subnet)["aclid"], traffictype=way)
        return [
            (
                row["action"].lower(),
                row["protocol"],
                row.get("startport"),
                row.get("endport"),
                row["cidrlist"],
            )
            for row in sorted(rows, key=lambda row: row["number"])
        ]

    def lists(self) -> list[str]:
        """The names of all lists that are the VPC's own."""
        return sorted(row["name"] for row in self.native.list("listNetworkACLLists") if row.get("vpcid"))

    def associations(self) -> dict[str, str]:
        """Subnet → network ACL, as EC2 shows it."""
        acls = self.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [self.id]}])[
            "NetworkAcls"
        ]
        return {a["SubnetId"]: acl["NetworkAclId"] for acl in acls for a in acl["Associations"]}

    def default_acl(self) -> str:
        filters = [{"Name": "vpc-id", "Values": [self.id]}, {"Name": "default", "Values": ["true"]}]
        [acl] = self.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
        return str(acl["NetworkAclId"])

    def acl(self, *ports: int, allow: str = EVERYWHERE) -> str:
        """A network ACL that lets these ports in and everything out."""
        acl = str(self.ec2.create_network_acl(VpcId=self.id)["NetworkAcl"]["NetworkAclId"])
        for number, port in enumerate(ports, start=100):
            self.entry(acl, number, port, allow)
        everything = {"Protocol": "-1", "RuleAction": "allow", "CidrBlock": EVERYWHERE}
        self.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=True, **everything)
        return acl

    def entry(self, acl: str, number: int, port: int, cidr: str = EVERYWHERE, action: str = "allow") -> None:
        self.ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=number,
            Egress=False,
            Protocol="6",
            RuleAction=action,
            CidrBlock=cidr,
            PortRange={"From": port, "To": port},
        )

    def associate(self, subnet: str, acl: str) -> None:
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        [old] = self.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
        [found] = [a for a in old["Associations"] if a["SubnetId"] == subnet]
        self.ec2.replace_network_acl_association(
            AssociationId=found["NetworkAclAssociationId"], NetworkAclId=acl
        )


@pytest.fixture
def vpc(place: Place, ec2: Any) -> Vpc:
    return Vpc(place, ec2)


# --- machines come and go --------------------------------------------------------------------------------------


def test_a_tier_lets_in_what_the_groups_of_its_machines_do(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    web = vpc.group("web", tcp(80, 80, EVERYWHERE), tcp(443, 443, EVERYWHERE))
    admin = vpc.group("admin", tcp(22, 22, "192.0.2.0/24", "198.51.100.0/24"))
    assert vpc.list_name(subnet) == "default_allow"

    vpc.machine(subnet, web, admin)

    assert vpc.rules(subnet) == [
        opened(22, 22, "192.0.2.0/24", "198.51.100.0/24"),
        opened(80, 80, EVERYWHERE),
        opened(443, 443, EVERYWHERE),
        SHUT,
    ]
    assert vpc.rules(subnet, "Egress") == OUT


def test_a_default_acl_that_is_changed_counts_where_machines_are(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE), tcp(22, 22, EVERYWHERE))
    vpc.machine(subnet, web)
    filters = [{"Name": "vpc-id", "Values": [vpc.id]}]
    [acl] = vpc.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    entry = {"NetworkAclId": acl["NetworkAclId"], "Egress": False, "Protocol": "6", "CidrBlock": EVERYWHERE}
    ssh = {"PortRange": {"From": 22, "To": 22}, "RuleAction": "deny"}

    vpc.ec2.create_network_acl_entry(**entry, RuleNumber=50, **ssh)

    assert vpc.rules(subnet)[0] == ("deny", "tcp", "22", "22", EVERYWHERE)
    assert opened(80, 80, EVERYWHERE) in vpc.rules(subnet)
    [found] = vpc.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    assert found["NetworkAclId"] == acl["NetworkAclId"]
    assert [one["SubnetId"] for one in found["Associations"]] == [subnet]


def test_the_rules_are_there_before_the_machine_is(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    commands = vpc.place.commands(lambda: launch(vpc.ec2, SubnetId=subnet, SecurityGroupIds=[web]))
    assert commands.index("replaceNetworkACLList") < commands.index("deployVirtualMachine")


def test_what_one_machine_opens_is_open_to_its_tier_and_no_other(vpc: Vpc) -> None:
    first, second = vpc.subnet(1), vpc.subnet(2)
    web, data = vpc.group("web", tcp(80, 80, EVERYWHERE)), vpc.group("data", tcp(5432, 5432, "10.42.0.0/16"))
    vpc.machine(first, web)
    vpc.machine(first, data)
    vpc.machine(second, data)
    assert vpc.rules(first) == [opened(80, 80, EVERYWHERE), opened(5432, 5432, "10.42.0.0/16"), SHUT]
    assert vpc.rules(second) == [opened(5432, 5432, "10.42.0.0/16"), SHUT]


def test_a_machine_in_the_default_group_lets_nothing_in(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    vpc.machine(subnet)
    assert vpc.rules(subnet) == [SHUT]
    assert vpc.rules(subnet, "Egress") == OUT


def test_the_default_groups_members_reach_each_other_across_tiers(vpc: Vpc) -> None:
    front, back = vpc.subnet(1), vpc.subnet(2)
    first, second = vpc.machine(front), vpc.machine(back)
    for subnet, other in ((front, second), (back, first)):
        peer = ("allow", "all", None, None, f"{other['PrivateIpAddress']}/32")
        assert vpc.rules(subnet) == [peer, SHUT]


def test_a_second_machine_of_the_same_groups_changes_nothing(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.machine(subnet, web)
    before = vpc.network(subnet)["aclid"]
    commands = vpc.place.commands(lambda: vpc.machine(subnet, web))
    assert vpc.network(subnet)["aclid"] == before
    assert "createNetworkACLList" not in commands


def test_the_tier_has_its_acls_own_list_again_after_the_last_machine(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    web, admin = vpc.group("web", tcp(80, 80, EVERYWHERE)), vpc.group("admin", tcp(22, 22, EVERYWHERE))
    first, second = vpc.machine(subnet, web), vpc.machine(subnet, admin)

    vpc.end(first)
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), SHUT]
    vpc.end(second)
    assert vpc.list_name(subnet) == "default_allow"
    assert vpc.lists() == []

    vpc.ec2.delete_subnet(SubnetId=subnet)
    for group in (web, admin):
        vpc.ec2.delete_security_group(GroupId=group)
    vpc.ec2.delete_vpc(VpcId=vpc.id)
    assert vpc.native.list("listVPCs") == []


def test_a_stopped_machine_keeps_its_rules(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    machine = vpc.machine(subnet, web)
    vpc.ec2.stop_instances(InstanceIds=ids([machine]))
    until(vpc.ec2, "stopped", *ids([machine]))
    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(81, 81, EVERYWHERE)])
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), opened(81, 81, EVERYWHERE), SHUT]


def test_a_launch_that_is_refused_leaves_the_tier_as_it_was(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.place.sim.cloud.default_limits["user_vm"] = 0
    with pytest.raises(vpc.ec2.exceptions.ClientError) as error:
        launch(vpc.ec2, SubnetId=subnet, SecurityGroupIds=[web])
    assert code_of(error) == "InstanceLimitExceeded"
    in_time(lambda: vpc.list_name(subnet) == "default_allow" and vpc.lists() == [])


def in_time(check: Callable[[], bool]) -> None:
    """Wait for what is done after the answer."""
    for _ in range(1200):
        if check():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come about")


# --- groups change ---------------------------------------------------------------------------------------------


def test_rules_open_and_close_the_tier(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    vpc.machine(subnet, web)
    office = [tcp(22, 22, "192.0.2.0/24")]
    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=office)
    assert vpc.rules(subnet) == [opened(22, 22, "192.0.2.0/24"), SHUT]
    vpc.ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=office)
    assert vpc.rules(subnet) == [SHUT]
    assert len(vpc.lists()) == 1


def test_egress_is_what_the_groups_let_out(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    vpc.machine(subnet, web)
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}]
    vpc.ec2.revoke_security_group_egress(GroupId=web, IpPermissions=everything)
    assert vpc.rules(subnet, "Egress") == [SHUT]
    vpc.ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[tcp(443, 443, EVERYWHERE)])
    assert vpc.rules(subnet, "Egress") == [opened(443, 443, EVERYWHERE), SHUT]
    assert vpc.rules(subnet) == [SHUT]


def test_a_machine_that_changes_groups_changes_its_tier(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    web, admin = vpc.group("web", tcp(80, 80, EVERYWHERE)), vpc.group("admin", tcp(22, 22, EVERYWHERE))
    machine = vpc.machine(subnet, web)
    vpc.ec2.modify_instance_attribute(InstanceId=machine["InstanceId"], Groups=[admin])
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), SHUT]
    nic = machine["NetworkInterfaces"][0]["NetworkInterfaceId"]
    vpc.ec2.modify_network_interface_attribute(NetworkInterfaceId=nic, Groups=[web, admin])
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), opened(80, 80, EVERYWHERE), SHUT]


def test_a_group_that_is_named_stands_for_its_machines_in_other_tiers(vpc: Vpc) -> None:
    front, back = vpc.subnet(1), vpc.subnet(2)
    web = vpc.group("web", tcp(80, 80, EVERYWHERE))
    data = vpc.group("data", tcp(5432, 5432, groups=(web,)))
    vpc.machine(back, data)
    vpc.machine(back, web)
    assert vpc.rules(back) == [opened(80, 80, EVERYWHERE), SHUT]

    first, second = vpc.machine(front, web), vpc.machine(front, web)
    addresses = {f"{machine['PrivateIpAddress']}/32" for machine in (first, second)}
    [http, postgres, last] = vpc.rules(back)
    assert (http, last) == (opened(80, 80, EVERYWHERE), SHUT)
    assert postgres[:4] == ("allow", "tcp", "5432", "5432")
    assert expanded(postgres[4]) == addresses

    vpc.ec2.modify_instance_attribute(InstanceId=second["InstanceId"], Groups=[data])
    assert opened(5432, 5432, f"{first['PrivateIpAddress']}/32") in vpc.rules(back)
    vpc.end(first)
    assert vpc.rules(back) == [opened(80, 80, EVERYWHERE), SHUT]


def expanded(cidrlist: str) -> set[str]:
    """The single addresses of ranges: two that are neighbours may have become one range."""
    nets = [ipaddress.ip_network(cidr) for cidr in cidrlist.split(",")]
    return {f"{address}/32" for net in nets for address in net}


def test_a_group_of_a_vpc_without_machines_costs_one_look(vpc: Vpc) -> None:
    web = vpc.group("web")
    commands = vpc.place.commands(
        lambda: vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    )
    assert commands.count("listTags") == 1
    assert not {"listNetworks", "listNetworkACLLists", "listVirtualMachines"} & set(commands)


def test_outside_vpcs_nothing_is_asked_of_cloudstack_for_their_sake(place: Place, ec2: Any) -> None:
    web = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]

    def work() -> None:
        [machine] = started(ec2, SecurityGroupIds=[web])
        ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
        ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
        until(ec2, "terminated", machine["InstanceId"])

    assert not [command for command in place.commands(work) if "ACL" in command]


# --- network ACLs ----------------------------------------------------------------------------------------------


def test_an_acl_and_groups_both_have_to_let_a_packet_through(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    acl = vpc.acl(80, 443)
    vpc.entry(acl, 50, 443, "192.0.2.0/24", "deny")
    vpc.associate(subnet, acl)
    assert not vpc.list_name(subnet).startswith("ec2bridge:"), "no machine is in the subnet yet"

    web = vpc.group("web", tcp(22, 443, EVERYWHERE))
    machine = vpc.machine(subnet, web)

    assert vpc.rules(subnet) == [
        ("deny", "tcp", "443", "443", "192.0.2.0/24"),
        opened(80, 80, EVERYWHERE),
        opened(443, 443, EVERYWHERE),
        SHUT,
    ]
    assert vpc.associations() == {subnet: acl}
    assert refusal(lambda: vpc.ec2.delete_network_acl(NetworkAclId=acl)) == "DependencyViolation"
    vpc.end(machine)
    assert vpc.rules(subnet)[0] == ("deny", "tcp", "443", "443", "192.0.2.0/24")
    assert len(vpc.lists()) == 1


def test_entries_of_an_acl_come_into_force_where_it_is(vpc: Vpc) -> None:
    subnet, acl = vpc.subnet(), vpc.acl(80)
    vpc.associate(subnet, acl)
    vpc.machine(subnet, vpc.group("web", tcp(1, 1000, EVERYWHERE)))
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), SHUT]

    vpc.entry(acl, 200, 443)
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), opened(443, 443, EVERYWHERE), SHUT]
    vpc.ec2.replace_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=200,
        Egress=False,
        Protocol="6",
        RuleAction="allow",
        CidrBlock="10.0.0.0/8",
        PortRange={"From": 22, "To": 22},
    )
    assert vpc.rules(subnet) == [opened(22, 22, "10.0.0.0/8"), opened(80, 80, EVERYWHERE), SHUT]
    vpc.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    assert vpc.rules(subnet) == [opened(22, 22, "10.0.0.0/8"), SHUT]


def test_a_subnet_with_machines_gets_another_acl_and_the_default_one_back(vpc: Vpc) -> None:
    subnet, acl = vpc.subnet(), vpc.acl(80)
    vpc.machine(subnet, vpc.group("web", tcp(1, 1000, EVERYWHERE)))
    assert vpc.associations() == {subnet: vpc.default_acl()}

    commands = vpc.place.commands(lambda: vpc.associate(subnet, acl))
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), SHUT]
    assert vpc.associations() == {subnet: acl}
    assert commands.count("replaceNetworkACLList") == 1, "at no time it has the ACL without the groups"

    vpc.associate(subnet, vpc.default_acl())
    assert vpc.rules(subnet) == [opened(1, 1000, EVERYWHERE), SHUT]
    vpc.ec2.delete_network_acl(NetworkAclId=acl)
    assert vpc.lists() == [vpc.list_name(subnet)]


def test_lists_of_the_bridges_are_no_acls(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    vpc.machine(subnet, vpc.group("web", tcp(80, 80, EVERYWHERE)))
    [acl] = vpc.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc.id]}])["NetworkAcls"]
    assert acl["IsDefault"]
    hidden = f"acl-{vpc.network(subnet)['aclid'].replace('-', '')[:17]}"
    gone = refusal(lambda: vpc.ec2.describe_network_acls(NetworkAclIds=[hidden]))
    assert gone == "InvalidNetworkAclID.NotFound"


@pytest.mark.parametrize("name", ["default_deny", "by-hand"])
def test_a_tier_whose_list_somebody_chose_in_cloudstack_is_left_alone(vpc: Vpc, name: str) -> None:
    subnet = vpc.subnet()
    network = vpc.network(subnet)
    if name == "by-hand":
        vpc.native.do("createNetworkACLList", name=name, vpcid=network["vpcid"])
    [chosen] = vpc.native.list("listNetworkACLLists", name=name)
    vpc.native.do("replaceNetworkACLList", aclid=chosen["id"], networkid=network["id"])
    web = vpc.group("web")
    vpc.machine(subnet, web)
    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    assert vpc.list_name(subnet) == name


def test_machines_made_in_cloudstack_change_nothing_alone(vpc: Vpc) -> None:
    subnet, other = vpc.subnet(1), vpc.subnet(2)
    vpc.native.machine("by-hand", zone="sim-adv", networkids=[vpc.network(subnet)["id"]])
    vpc.machine(other, vpc.group("web", tcp(80, 80, EVERYWHERE)))
    assert vpc.list_name(subnet) == "default_allow"


# --- the end of it, and what goes wrong ------------------------------------------------------------------------


def test_a_deleted_subnet_takes_its_list_with_it(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    machine = vpc.machine(subnet, web)
    # As another bridge would, which ended the machine and died: the tier still has the list.
    [row] = vpc.native.list("listVirtualMachines")
    vpc.native.do("destroyVirtualMachine", id=row["id"])
    vpc.place.run(vpc.place.bridge.site.service.job("expungeVirtualMachine", id=row["id"]))
    assert machine["SubnetId"] == subnet
    assert vpc.list_name(subnet).startswith("ec2bridge:")

    vpc.ec2.delete_subnet(SubnetId=subnet)
    assert vpc.lists() == []
    vpc.ec2.delete_security_group(GroupId=web)
    vpc.ec2.delete_vpc(VpcId=vpc.id)


def test_lists_that_nobody_works_on_any_more_are_removed(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    vpc.machine(subnet, web)
    [row] = [row for row in vpc.native.list("listNetworkACLLists") if row.get("vpcid")]
    text, _, stamp = row["description"].rpartition(" ")
    for name, at in (("abandoned", int(stamp) - 10_000), ("in-the-making", int(stamp))):
        vpc.native.do("createNetworkACLList", name=name, description=f"{text} {at}", vpcid=row["vpcid"])

    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])

    assert [name for name in vpc.lists() if name in ("abandoned", "in-the-making")] == ["in-the-making"]
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), SHUT]


def test_lists_in_the_making_do_not_hold_a_vpc(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    machine = vpc.machine(subnet, web)
    [row] = [row for row in vpc.native.list("listNetworkACLLists") if row.get("vpcid")]
    vpc.native.do("createNetworkACLList", name="x", description=row["description"], vpcid=row["vpcid"])
    vpc.end(machine)
    vpc.ec2.delete_subnet(SubnetId=subnet)
    vpc.ec2.delete_security_group(GroupId=web)
    vpc.ec2.delete_vpc(VpcId=vpc.id)


def test_what_somebody_changes_in_a_list_of_the_bridges_is_mended(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    vpc.machine(subnet, web)
    aclid = vpc.network(subnet)["aclid"]
    vpc.native.do("createNetworkACL", aclid=aclid, protocol="tcp", startport=1, endport=9, number=9)
    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), SHUT]


def test_two_bridges_agree(place: Place, vpc: Vpc, make_place: Any) -> None:
    """Another bridge, with a store of its own, sees the lists of the first for what they are."""
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.machine(subnet, web)
    keys = place.sim.accounts["keylookup"]
    service = {"service_api_key": keys.api_key, "service_secret_key": keys.secret_key}
    second = make_place({"cloudstack_url": place.sim.url, **service})
    ec2 = place.client(endpoint_url=second.url)
    before = vpc.network(subnet)["aclid"]
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), opened(80, 80, EVERYWHERE), SHUT]
    assert vpc.network(subnet)["aclid"] != before
    assert len(vpc.lists()) == 1
    commands = place.commands(lambda: vpc.machine(subnet, web))
    assert "createNetworkACLList" not in commands


def test_a_rule_that_the_router_does_not_take_is_taken_back(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.machine(subnet, web)
    before = vpc.network(subnet)["aclid"]
    vpc.place.sim.cloud.settings["router.fails"] = True
    ssh = [tcp(22, 22, EVERYWHERE)]
    refused = refusal(lambda: vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=ssh))
    assert refused == "InternalError"
    assert vpc.network(subnet)["aclid"] == before, "or it would be taken for settled ever after"
    [group] = vpc.ec2.describe_security_groups(GroupIds=[web])["SecurityGroups"]
    assert [permission["FromPort"] for permission in group["IpPermissions"]] == [80]
    assert len(vpc.lists()) == 1
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), SHUT]

    vpc.place.sim.cloud.settings["router.fails"] = False
    vpc.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=ssh)
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), opened(80, 80, EVERYWHERE), SHUT]


def test_a_machine_keeps_its_groups_when_the_router_does_not_take_others(vpc: Vpc) -> None:
    subnet, web, admin = vpc.subnet(), vpc.group("web"), vpc.group("admin", tcp(22, 22, EVERYWHERE))
    machine = vpc.machine(subnet, web)
    change = {"InstanceId": machine["InstanceId"], "Groups": [admin]}
    vpc.place.sim.cloud.settings["router.fails"] = True
    assert refusal(lambda: vpc.ec2.modify_instance_attribute(**change)) == "InternalError"
    [shown] = described(vpc.ec2)
    assert [group["GroupId"] for group in shown["SecurityGroups"]] == [web]
    vpc.place.sim.cloud.settings["router.fails"] = False
    vpc.ec2.modify_instance_attribute(**change)
    assert vpc.rules(subnet) == [opened(22, 22, EVERYWHERE), SHUT]


def test_an_entry_that_the_router_does_not_take_is_taken_back(vpc: Vpc) -> None:
    subnet, acl = vpc.subnet(), vpc.acl(80)
    vpc.associate(subnet, acl)
    vpc.machine(subnet, vpc.group("web", tcp(1, 1000, EVERYWHERE)))
    vpc.place.sim.cloud.settings["router.fails"] = True
    assert refusal(lambda: vpc.entry(acl, 200, 443)) == "InternalError"
    [shown] = vpc.ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert {entry["RuleNumber"] for entry in shown["Entries"]} == {100, 32767}


def test_a_machine_is_not_launched_into_a_tier_that_cannot_be_closed(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    vpc.place.sim.cloud.settings["router.fails"] = True
    with pytest.raises(vpc.ec2.exceptions.ClientError):
        launch(vpc.ec2, SubnetId=subnet, SecurityGroupIds=[web])
    assert vpc.native.list("listVirtualMachines") == []


def test_a_termination_ends_though_the_router_fails(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    machine, other = vpc.machine(subnet, web), vpc.machine(subnet, vpc.group("other"))
    vpc.place.sim.cloud.settings["router.fails"] = True
    vpc.end(machine)
    assert vpc.rules(subnet) == [opened(80, 80, EVERYWHERE), SHUT]
    vpc.place.sim.cloud.settings["router.fails"] = False
    vpc.end(other)
    assert vpc.list_name(subnet) == "default_allow"


def test_a_dry_run_touches_no_tier(vpc: Vpc) -> None:
    subnet, web = vpc.subnet(), vpc.group("web")
    refused = refusal(lambda: launch(vpc.ec2, SubnetId=subnet, SecurityGroupIds=[web], DryRun=True))
    assert refused == "DryRunOperation"
    assert vpc.list_name(subnet) == "default_allow"


def test_who_waits_for_the_same_vpc_is_served_together(vpc: Vpc) -> None:
    subnet = vpc.subnet()
    site = vpc.place.bridge.site
    who = SimpleNamespace(domain_id="domain", account="alice")
    ctx: Any = SimpleNamespace(site=site, account=vpc.native.account, settings=site.settings, identity=who)
    uuid = vpc.network(subnet)["vpcid"]

    async def five() -> None:
        await asyncio.gather(*(settle(ctx, uuid) for _ in range(5)))

    commands = vpc.place.commands(lambda: vpc.place.run(five()))
    assert commands.count("listNetworkACLLists") == 2, "one may have looked before the others asked"


# --- turned off ------------------------------------------------------------------------------------------------


def test_the_operator_may_leave_tiers_to_their_acls(make_place: Any) -> None:
    place = make_place({"enforce_groups_in_vpcs": False})
    vpc = Vpc(place, place.client())
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.machine(subnet, web)
    acl = vpc.acl(443)
    vpc.associate(subnet, acl)
    assert [rule[:3] for rule in vpc.rules(subnet)] == [("allow", "tcp", "443"), ("deny", "all", None)]
    assert vpc.associations() == {subnet: acl}


def test_turned_off_later_tiers_get_their_acls_own_lists_back(
    place: Place, vpc: Vpc, make_place: Any
) -> None:
    subnet, web = vpc.subnet(), vpc.group("web", tcp(80, 80, EVERYWHERE))
    vpc.machine(subnet, web)
    keys = place.sim.accounts["keylookup"]
    service = {"service_api_key": keys.api_key, "service_secret_key": keys.secret_key}
    second = make_place({"cloudstack_url": place.sim.url, "enforce_groups_in_vpcs": False, **service})
    place.client(endpoint_url=second.url).authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)]
    )
    assert vpc.list_name(subnet) == "default_allow"
    assert vpc.lists() == []

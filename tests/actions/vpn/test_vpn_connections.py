"""Site-to-site VPN: customer gateways, VPN gateways and connections, as clients of AWS set them up."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import quotas
from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import tags
from tests.native import Native

FAR = "198.51.100.77"
BEHIND = "172.16.25.0/24"
POLICY = {"ikepolicy": "aes128-sha256;modp2048", "esppolicy": "aes128-sha256;modp2048"}


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def customer(ec2: Any) -> str:
    made = ec2.create_customer_gateway(Type="ipsec.1", IpAddress=FAR, BgpAsn=65000)
    return str(made["CustomerGateway"]["CustomerGatewayId"])


@pytest.fixture
def gateway(ec2: Any) -> str:
    return str(ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"])


def connect(ec2: Any, customer: str, gateway: str, **options: Any) -> dict[str, Any]:
    ends = {"CustomerGatewayId": customer, "VpnGatewayId": gateway}
    made = ec2.create_vpn_connection(Type="ipsec.1", **ends, Options={"StaticRoutesOnly": True, **options})
    return dict(made["VpnConnection"])


def shown(ec2: Any, connection: str) -> dict[str, Any]:
    [item] = ec2.describe_vpn_connections(VpnConnectionIds=[connection])["VpnConnections"]
    return dict(item)


def attachments(ec2: Any, gateway: str) -> list[dict[str, str]]:
    [item] = ec2.describe_vpn_gateways(VpnGatewayIds=[gateway])["VpnGateways"]
    return list(item["VpcAttachments"])


# --- customer gateways -------------------------------------------------------------------------------------------


def test_a_customer_gateway(ec2: Any) -> None:
    request = {"Type": "ipsec.1", "PublicIp": FAR, "BgpAsn": 65010, "DeviceName": "edge"}
    made = ec2.create_customer_gateway(
        **request, TagSpecifications=[tags("customer-gateway", Name="office")]
    )["CustomerGateway"]
    ident = made["CustomerGatewayId"]

    assert (made["State"], made["Type"], made["IpAddress"]) == ("available", "ipsec.1", FAR)
    assert (made["BgpAsn"], made["DeviceName"]) == ("65010", "edge")
    assert ec2.create_customer_gateway(**request)["CustomerGateway"] == made
    by_address = [{"Name": "ip-address", "Values": [FAR]}, {"Name": "tag:Name", "Values": ["office"]}]
    assert ec2.describe_customer_gateways(Filters=by_address)["CustomerGateways"] == [made]

    ec2.delete_customer_gateway(CustomerGatewayId=ident)
    [item] = ec2.describe_customer_gateways(CustomerGatewayIds=[ident])["CustomerGateways"]
    assert item["State"] == "deleted"
    missing = "InvalidCustomerGatewayID.NotFound"
    assert refusal(lambda: ec2.delete_customer_gateway(CustomerGatewayId=ident)) == missing


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"IpAddress": "office.example"}, "InvalidParameterValue"),
        ({"IpAddress": ""}, "MissingParameter"),
        ({"PublicIp": "198.51.100.1"}, "InvalidParameterCombination"),
        ({"BgpAsn": 65010, "BgpAsnExtended": 4200000000}, "InvalidParameterCombination"),
        ({"BgpAsn": 0}, "InvalidParameterValue"),
        ({"BgpAsnExtended": 5}, "InvalidParameterValue"),
        ({"Type": "ipsec.2"}, "InvalidParameterValue"),
        ({"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x"}, "UnsupportedOperation"),
        ({"DeviceName": "d" * 256}, "InvalidParameterValue"),
    ],
)
def test_a_customer_gateway_that_cannot_be(ec2: Any, changed: dict[str, Any], code: str) -> None:
    request = {"Type": "ipsec.1", "IpAddress": FAR, **changed}
    assert refusal(lambda: ec2.create_customer_gateway(**request)) == code
    assert ec2.describe_customer_gateways()["CustomerGateways"] == []


def test_what_was_made_in_cloudstack_is_there(place: Place, ec2: Any, vpc: str) -> None:
    native = Native(place)
    own = {"gateway": FAR, "cidrlist": BEHIND, "ipsecpsk": "s3cretpsk", **POLICY}
    far = native.do("createVpnCustomerGateway", name="office", **own)
    [row] = native.list("listVPCs")
    # CloudStack's VPN gateway has the source NAT address, which a VPC has from its first address or machine on.
    with pytest.raises(CloudStackError, match="530"):
        native.do("createVpnGateway", vpcid=row["id"])
    native.do("associateIpAddress", vpcid=row["id"])
    near = native.do("createVpnGateway", vpcid=row["id"])
    native.do("createVpnConnection", s2svpngatewayid=near["id"], s2scustomergatewayid=far["id"])

    [customer] = ec2.describe_customer_gateways()["CustomerGateways"]
    [gateway] = ec2.describe_vpn_gateways()["VpnGateways"]
    [connection] = ec2.describe_vpn_connections()["VpnConnections"]
    assert (customer["IpAddress"], customer["DeviceName"]) == (FAR, "office")
    assert gateway["VpcAttachments"] == [{"State": "attached", "VpcId": vpc}]
    assert connection["CustomerGatewayId"] == customer["CustomerGatewayId"]
    assert connection["VpnGatewayId"] == gateway["VpnGatewayId"]
    assert [route["DestinationCidrBlock"] for route in connection["Routes"]] == [BEHIND]

    used = {"CustomerGatewayId": customer["CustomerGatewayId"]}
    assert refusal(lambda: ec2.delete_customer_gateway(**used)) == "IncorrectState"
    away = {"VpnGatewayId": gateway["VpnGatewayId"], "VpcId": vpc}
    assert refusal(lambda: ec2.detach_vpn_gateway(**away)) == "IncorrectState"
    route = {"VpnConnectionId": connection["VpnConnectionId"], "DestinationCidrBlock": BEHIND}
    assert refusal(lambda: ec2.delete_vpn_connection_route(**route)) == "UnsupportedOperation"
    ec2.delete_vpn_connection(VpnConnectionId=connection["VpnConnectionId"])
    ec2.detach_vpn_gateway(**away)
    ec2.delete_vpn_gateway(VpnGatewayId=gateway["VpnGatewayId"])
    ec2.delete_customer_gateway(**used)
    for command in ("listVpnConnections", "listVpnGateways", "listVpnCustomerGateways"):
        assert native.list(command) == []


def test_an_account_has_so_many_ends(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST", 1)

    def far(asn: int) -> str:
        made = ec2.create_customer_gateway(Type="ipsec.1", IpAddress=FAR, BgpAsn=asn)
        return str(made["CustomerGateway"]["CustomerGatewayId"])

    def near() -> str:
        return str(ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"])

    one, gateway = far(1), near()
    assert refusal(lambda: far(2)) == "CustomerGatewayLimitExceeded"
    assert refusal(near) == "VpnGatewayLimitExceeded"
    assert far(1) == one
    made = connect(ec2, one, gateway)["VpnConnectionId"]
    # What is gone does not count.
    ec2.delete_vpn_connection(VpnConnectionId=made)
    ec2.delete_customer_gateway(CustomerGatewayId=one)
    one = far(2)
    connect(ec2, one, gateway)
    monkeypatch.setattr(quotas, "MOST", 2)
    other = far(3)
    monkeypatch.setattr(quotas, "MOST", 1)
    assert refusal(lambda: connect(ec2, other, gateway)) == "VpnConnectionLimitExceeded"


# --- VPN gateways ------------------------------------------------------------------------------------------------


def test_the_life_of_a_vpn_gateway(place: Place, ec2: Any, vpc: str) -> None:
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    made = ec2.create_vpn_gateway(
        Type="ipsec.1",
        AvailabilityZone=zone,
        AmazonSideAsn=64999,
        TagSpecifications=[tags("vpn-gateway", Name="v")],
    )["VpnGateway"]
    ident = made["VpnGatewayId"]
    assert (made["State"], made["AvailabilityZone"], made["AmazonSideAsn"]) == ("available", zone, 64999)
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "env", "Value": "x"}])

    ends = {"VpnGatewayId": ident, "VpcId": vpc}
    assert ec2.attach_vpn_gateway(**ends)["VpcAttachment"] == {"State": "attaching", "VpcId": vpc}
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc]}, {"Name": "tag:env", "Values": ["x"]}]
    [item] = ec2.describe_vpn_gateways(Filters=attached)["VpnGateways"]
    assert item["VpcAttachments"] == [{"State": "attached", "VpcId": vpc}]
    assert len(Native(place).list("listVpnGateways")) == 1
    ec2.attach_vpn_gateway(**ends)
    assert refusal(lambda: ec2.delete_vpn_gateway(VpnGatewayId=ident)) == "IncorrectState"
    assert refusal(lambda: ec2.delete_vpc(VpcId=vpc)) == "DependencyViolation"

    ec2.detach_vpn_gateway(**ends)
    assert attachments(ec2, ident) == [{"State": "detached", "VpcId": vpc}]
    assert Native(place).list("listVpnGateways") == []
    assert refusal(lambda: ec2.detach_vpn_gateway(**ends)) == "InvalidVpnGatewayAttachment.NotFound"
    ec2.delete_vpc(VpcId=vpc)
    ec2.delete_vpn_gateway(VpnGatewayId=ident)
    [item] = ec2.describe_vpn_gateways(VpnGatewayIds=[ident])["VpnGateways"]
    assert item["State"] == "deleted"
    assert refusal(lambda: ec2.delete_vpn_gateway(VpnGatewayId=ident)) == "InvalidVpnGatewayID.NotFound"


def test_one_vpn_gateway_a_vpc(ec2: Any, vpc: str, gateway: str) -> None:
    second = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    other = ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    [default] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    for ident, place, code in (
        (gateway, other, "VpnGatewayAttachmentLimitExceeded"),
        (second, vpc, "InvalidVpcState"),
        (second, default["VpcId"], "UnsupportedOperation"),
        (second, "vpc-00000000000000000", "InvalidVpcID.NotFound"),
        ("vgw-00000000000000000", vpc, "InvalidVpnGatewayID.NotFound"),
    ):
        ends = {"VpnGatewayId": ident, "VpcId": place}
        assert refusal(lambda ends=ends: ec2.attach_vpn_gateway(**ends)) == code
    assert refusal(lambda: ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=7)) == "InvalidParameterValue"


# --- connections -------------------------------------------------------------------------------------------------


def test_a_connection_is_made_with_its_first_route(
    place: Place, ec2: Any, vpc: str, customer: str, gateway: str
) -> None:
    native = Native(place)
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    made = connect(ec2, customer, gateway)
    ident = made["VpnConnectionId"]
    assert made["State"] == "pending"
    assert (made["CustomerGatewayId"], made["VpnGatewayId"]) == (customer, gateway)
    assert connect(ec2, customer, gateway)["VpnConnectionId"] == ident
    assert native.list("listVpnConnections") == []

    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=BEHIND)
    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=BEHIND)
    [link] = native.list("listVpnConnections")
    assert (link["cidrlist"], link["passive"]) == (BEHIND, True)
    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock="172.16.26.0/24")
    item = shown(ec2, ident)
    assert item["State"] == "available"
    assert [route["DestinationCidrBlock"] for route in item["Routes"]] == [BEHIND, "172.16.26.0/24"]
    [telemetry] = item["VgwTelemetry"]
    assert (telemetry["Status"], telemetry["OutsideIpAddress"]) == ("DOWN", link["publicip"])
    by_route = [{"Name": "route.destination-cidr-block", "Values": [BEHIND]}]
    assert ec2.describe_vpn_connections(Filters=by_route)["VpnConnections"] == [item]

    for to in (BEHIND, "172.16.26.0/24"):
        ec2.delete_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=to)
    assert shown(ec2, ident)["Routes"] == []
    assert native.list("listVpnConnections") == []
    gone = {"VpnConnectionId": ident, "DestinationCidrBlock": BEHIND}
    assert refusal(lambda: ec2.delete_vpn_connection_route(**gone)) == "InvalidRoute.NotFound"

    assert refusal(lambda: ec2.delete_customer_gateway(CustomerGatewayId=customer)) == "IncorrectState"
    ec2.delete_vpn_connection(VpnConnectionId=ident)
    assert shown(ec2, ident)["State"] == "deleted"
    assert native.list("listVpnCustomerGateways") == []
    assert (
        refusal(lambda: ec2.delete_vpn_connection(VpnConnectionId=ident)) == "InvalidVpnConnectionID.NotFound"
    )
    ec2.delete_customer_gateway(CustomerGatewayId=customer)


def test_a_connection_follows_its_vpn_gateway(
    place: Place, ec2: Any, vpc: str, customer: str, gateway: str
) -> None:
    native = Native(place)
    ident = connect(ec2, customer, gateway)["VpnConnectionId"]
    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=BEHIND)
    assert native.list("listVpnConnections") == []
    assert refusal(lambda: ec2.delete_vpn_gateway(VpnGatewayId=gateway)) == "IncorrectState"

    ends = {"VpnGatewayId": gateway, "VpcId": vpc}
    ec2.attach_vpn_gateway(**ends)
    assert len(native.list("listVpnConnections")) == 1
    ec2.detach_vpn_gateway(**ends)
    assert native.list("listVpnConnections") == []
    assert [route["DestinationCidrBlock"] for route in shown(ec2, ident)["Routes"]] == [BEHIND]


def test_a_connection_that_cloudstack_took_away_is_forgotten(
    place: Place, ec2: Any, customer: str, gateway: str
) -> None:
    native = Native(place)
    connect(ec2, customer, gateway)
    [row] = native.list("listVpnCustomerGateways")
    native.do("deleteVpnCustomerGateway", id=row["id"])
    assert ec2.describe_vpn_connections()["VpnConnections"] == []
    connect(ec2, customer, gateway)
    [row] = native.list("listVpnCustomerGateways")
    entries = place.run(place.bridge.site.store.list(place.store_owner(), "vpn-connection"))
    assert [entry.key for entry in entries] == [row["id"]]


def test_routes_do_not_overlap(ec2: Any, place: Place, vpc: str, customer: str, gateway: str) -> None:
    ident = connect(ec2, customer, gateway)["VpnConnectionId"]
    ends = {"VpnGatewayId": gateway, "VpcId": vpc}

    def add(to: str) -> Any:
        return ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=to)

    add("10.42.3.0/24")
    assert refusal(lambda: add("10.42.0.0/16")) == "InvalidParameterValue"
    assert refusal(lambda: ec2.attach_vpn_gateway(**ends)) == "InvalidParameterValue"
    assert attachments(ec2, gateway) == []
    assert Native(place).list("listVpnGateways") == []
    ec2.delete_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock="10.42.3.0/24")
    ec2.attach_vpn_gateway(**ends)
    assert refusal(lambda: add("10.42.3.0/24")) == "InvalidParameterValue"
    assert refusal(lambda: add("somewhere")) == "InvalidParameterValue"
    for number in range(10):
        add(f"172.16.{number}.0/24")
    assert refusal(lambda: add("172.17.0.0/16")) == "RouteLimitExceeded"
    assert len(shown(ec2, ident)["Routes"]) == 10


def test_the_customer_is_told_key_and_policy(ec2: Any, vpc: str, customer: str, gateway: str) -> None:
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    text = connect(ec2, customer, gateway)["CustomerGatewayConfiguration"]

    root = ElementTree.fromstring(text)
    tunnels = root.findall("ipsec_tunnel")
    # Terraform reads two, and takes no fewer.
    assert [ElementTree.tostring(tunnel) for tunnel in tunnels[1:]] == [ElementTree.tostring(tunnels[0])]
    read = tunnels[0].findtext
    assert read("customer_gateway/tunnel_outside_address/ip_address") == FAR
    assert read("vpn_gateway/tunnel_outside_address/ip_address")
    assert len(str(read("ike/pre_shared_key"))) == 32
    assert (read("ike/encryption_protocol"), read("ike/authentication_protocol")) == ("aes-128-cbc", "sha256")
    assert (read("ike/perfect_forward_secrecy"), read("ike/lifetime")) == ("group14", "28800")
    assert read("ipsec/lifetime") == "3600"


def test_what_is_asked_of_the_tunnel(place: Place, ec2: Any, vpc: str, customer: str, gateway: str) -> None:
    asked = {
        "PreSharedKey": "abc_def.123",
        "Phase1EncryptionAlgorithms": [{"Value": "AES256-GCM-16"}, {"Value": "AES256"}],
        "Phase1IntegrityAlgorithms": [{"Value": "SHA2-512"}],
        "Phase1DHGroupNumbers": [{"Value": 20}, {"Value": 15}],
        "Phase2DHGroupNumbers": [{"Value": 5}],
        "Phase1LifetimeSeconds": 3600,
        "IKEVersions": [{"Value": "ikev2"}],
        "StartupAction": "start",
        "DPDTimeoutAction": "none",
    }
    ident = connect(ec2, customer, gateway, TunnelOptions=[asked, asked])["VpnConnectionId"]
    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=BEHIND)
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)

    [link] = Native(place).list("listVpnConnections")
    assert (link["ipsecpsk"], link["passive"], link["dpd"]) == ("abc_def.123", False, False)
    assert (link["ikepolicy"], link["esppolicy"]) == ("aes256-sha512;modp3072", "aes128-sha256;modp1536")
    assert (link["ikeversion"], link["ikelifetime"], link["esplifetime"]) == ("ikev2", 3600, 3600)
    [tunnel] = shown(ec2, ident)["Options"]["TunnelOptions"]
    assert (tunnel["PreSharedKey"], tunnel["OutsideIpAddress"]) == ("abc_def.123", link["publicip"])
    assert tunnel["Phase1EncryptionAlgorithms"] == asked["Phase1EncryptionAlgorithms"]
    assert (tunnel["StartupAction"], tunnel["DpdTimeoutAction"]) == ("start", "none")

    changed = {"PreSharedKey": "another.key", "StartupAction": "add"}
    request = {"VpnConnectionId": ident, "VpnTunnelOutsideIpAddress": link["publicip"]}
    answer = ec2.modify_vpn_tunnel_options(**request, TunnelOptions=changed)["VpnConnection"]
    assert answer["Options"]["TunnelOptions"][0]["PreSharedKey"] == "another.key"
    [link] = Native(place).list("listVpnConnections")
    assert (link["ipsecpsk"], link["passive"], link["ikeversion"]) == ("another.key", True, "ikev2")
    request["VpnTunnelOutsideIpAddress"] = "192.0.2.1"
    changed = {"PreSharedKey": "third.key"}
    code = refusal(lambda: ec2.modify_vpn_tunnel_options(**request, TunnelOptions=changed))
    assert code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Options": {"StaticRoutesOnly": False}}, "UnsupportedOperation"),
        ({"Options": {"TunnelOptions": [{"PreSharedKey": "0bcdefgh"}]}}, "InvalidParameterValue"),
        ({"Options": {"TunnelOptions": [{"PreSharedKey": "short"}]}}, "InvalidParameterValue"),
        ({"Options": {"TunnelOptions": [{"TunnelInsideCidr": "169.254.10.0/30"}]}}, "UnsupportedOperation"),
        ({"Options": {"TunnelOptions": [{"IKEVersions": [{"Value": "ikev3"}]}]}}, "InvalidParameterValue"),
        ({"Options": {"TunnelOptions": [{"StartupAction": "perhaps"}]}}, "InvalidParameterValue"),
        ({"Options": {"TunnelOptions": [{"Phase1DHGroupNumbers": [{"Value": 5}]}]}}, "InvalidParameterValue"),
        ({"Options": {"TunnelOptions": [{"Phase2LifetimeSeconds": 86400}]}}, "InvalidParameterValue"),
        (
            {"Options": {"TunnelOptions": [{"Phase1EncryptionAlgorithms": [{"Value": "AES128-GCM-16"}]}]}},
            "UnsupportedOperation",
        ),
        (
            {"Options": {"TunnelOptions": [{"StartupAction": "add"}, {"StartupAction": "start"}]}},
            "UnsupportedOperation",
        ),
        ({"TransitGatewayId": "tgw-00000000000000000"}, "InvalidParameterValue"),
        ({"VpnGatewayId": ""}, "UnsupportedOperation"),
        ({"VpnGatewayId": "vgw-00000000000000000"}, "InvalidVpnGatewayID.NotFound"),
        ({"CustomerGatewayId": "cgw-00000000000000000"}, "InvalidCustomerGatewayID.NotFound"),
        ({"Type": ""}, "MissingParameter"),
    ],
)
def test_a_connection_that_cannot_be(
    ec2: Any, customer: str, gateway: str, changed: dict[str, Any], code: str
) -> None:
    request = {"Type": "ipsec.1", "CustomerGatewayId": customer, "VpnGatewayId": gateway, **changed}
    request["Options"] = {"StaticRoutesOnly": True, **request.get("Options", {})}
    assert refusal(lambda: ec2.create_vpn_connection(**request)) == code
    assert ec2.describe_vpn_connections()["VpnConnections"] == []


def test_a_connection_to_a_transit_gateway_is_one_to_none(ec2: Any, customer: str) -> None:
    request = {"Type": "ipsec.1", "CustomerGatewayId": customer, "TransitGatewayId": "tgw-00000000000000000"}
    assert refusal(lambda: ec2.create_vpn_connection(**request)) == "InvalidTransitGatewayID.NotFound"


def test_without_static_routes_there_is_no_connection(ec2: Any, customer: str, gateway: str) -> None:
    ends = {"CustomerGatewayId": customer, "VpnGatewayId": gateway}
    assert refusal(lambda: ec2.create_vpn_connection(Type="ipsec.1", **ends)) == "UnsupportedOperation"
    dynamic = {"Type": "ipsec.1", **ends, "Options": {"StaticRoutesOnly": False}}
    assert refusal(lambda: ec2.create_vpn_connection(**dynamic)) == "UnsupportedOperation"
    assert ec2.describe_vpn_connections()["VpnConnections"] == []


# --- route tables ------------------------------------------------------------------------------------------------


def test_routes_are_shown_in_tables(ec2: Any, vpc: str, customer: str, gateway: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    both = {"RouteTableId": table, "GatewayId": gateway}
    assert refusal(lambda: ec2.enable_vgw_route_propagation(**both)) == "Gateway.NotAttached"
    to_gateway = {**both, "DestinationCidrBlock": "172.16.0.0/12"}
    assert refusal(lambda: ec2.create_route(**to_gateway)) == "InvalidParameterValue"
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    ident = connect(ec2, customer, gateway)["VpnConnectionId"]
    ec2.create_vpn_connection_route(VpnConnectionId=ident, DestinationCidrBlock=BEHIND)

    def read() -> tuple[list[str], list[tuple[str, str, str]]]:
        [item] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        routes = [(r["DestinationCidrBlock"], r["Origin"], r["State"]) for r in item["Routes"][1:]]
        return [entry["GatewayId"] for entry in item["PropagatingVgws"]], routes

    ec2.enable_vgw_route_propagation(**both)
    assert read() == ([gateway], [(BEHIND, "EnableVgwRoutePropagation", "active")])
    ec2.disable_vgw_route_propagation(**both)
    ec2.disable_vgw_route_propagation(**both)
    assert read() == ([], [])

    ec2.create_route(**to_gateway)
    assert read() == ([], [("172.16.0.0/12", "CreateRoute", "active")])
    everything = {**both, "DestinationCidrBlock": "0.0.0.0/0"}
    assert refusal(lambda: ec2.create_route(**everything)) == "UnsupportedOperation"
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    assert read() == ([], [("172.16.0.0/12", "CreateRoute", "blackhole")])

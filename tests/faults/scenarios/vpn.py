"""Site-to-site VPN."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import table, tags, vpc

CUSTOMERS, GATEWAYS = "DescribeCustomerGateways", "DescribeVpnGateways"
CONNECTIONS = "DescribeVpnConnections"


async def customer(lab: Lab) -> str:
    asked = {"BgpAsn": 65000, "PublicIp": "198.51.100.7", "Type": "ipsec.1"}
    made = await lab.do("CreateCustomerGateway", **asked)
    return str(made["CustomerGateway"]["CustomerGatewayId"])


async def gateway(lab: Lab, of: str | None = None) -> str:
    made = str((await lab.do("CreateVpnGateway", Type="ipsec.1"))["VpnGateway"]["VpnGatewayId"])
    if of:
        await lab.do("AttachVpnGateway", VpnGatewayId=made, VpcId=of)
    return made


async def connection(lab: Lab) -> str:
    made = await lab.do("CreateVpnConnection", **await connect(lab))
    await lab.quiet()
    return str(made["VpnConnection"]["VpnConnectionId"])


@scenario("CreateCustomerGateway", describe=CUSTOMERS)
async def create_customer(lab: Lab) -> Request:
    return {"BgpAsn": 65000, "PublicIp": "198.51.100.7", "Type": "ipsec.1", **tags("customer-gateway")}


@scenario("DeleteCustomerGateway", describe=CUSTOMERS)
async def delete_customer(lab: Lab) -> Request:
    return {"CustomerGatewayId": await customer(lab)}


@scenario("CreateVpnGateway", describe=GATEWAYS)
async def create_gateway(lab: Lab) -> Request:
    return {"Type": "ipsec.1", **tags("vpn-gateway")}


@scenario("AttachVpnGateway", describe=GATEWAYS)
async def attach_gateway(lab: Lab) -> Request:
    return {"VpnGatewayId": await gateway(lab), "VpcId": await vpc(lab)}


@scenario("DetachVpnGateway", describe=GATEWAYS)
async def detach_gateway(lab: Lab) -> Request:
    of = await vpc(lab)
    return {"VpnGatewayId": await gateway(lab, of), "VpcId": of}


@scenario("DeleteVpnGateway", describe=GATEWAYS)
async def delete_gateway(lab: Lab) -> Request:
    return {"VpnGatewayId": await gateway(lab)}


@scenario("CreateVpnConnection", describe=CONNECTIONS)
async def connect(lab: Lab) -> Request:
    return {
        "Type": "ipsec.1",
        "CustomerGatewayId": await customer(lab),
        "VpnGatewayId": await gateway(lab, await vpc(lab)),
        "Options": {"StaticRoutesOnly": True, "TunnelOptions": [{"StartupAction": "start"}]},
        **tags("vpn-connection"),
    }


@scenario("DeleteVpnConnection", describe=CONNECTIONS)
async def disconnect(lab: Lab) -> Request:
    return {"VpnConnectionId": await connection(lab)}


@scenario("CreateVpnConnectionRoute", describe=CONNECTIONS)
async def create_route(lab: Lab) -> Request:
    return {"VpnConnectionId": await connection(lab), "DestinationCidrBlock": "172.20.0.0/16"}


@scenario("DeleteVpnConnectionRoute", describe=CONNECTIONS)
async def delete_route(lab: Lab) -> Request:
    request = await create_route(lab)
    await lab.do("CreateVpnConnectionRoute", **request)
    return request


@scenario("ModifyVpnTunnelOptions", describe=CONNECTIONS)
async def modify_tunnel(lab: Lab) -> Request:
    made = await connection(lab)
    found = await lab.do("DescribeVpnConnections", VpnConnectionIds=[made])
    outside = found["VpnConnections"][0]["Options"]["TunnelOptions"][0]["OutsideIpAddress"]
    options = {"Phase1LifetimeSeconds": 14400}
    return {"VpnConnectionId": made, "VpnTunnelOutsideIpAddress": outside, "TunnelOptions": options}


@scenario("EnableVgwRoutePropagation", describe="DescribeRouteTables")
async def propagate(lab: Lab) -> Request:
    of = await vpc(lab)
    return {"GatewayId": await gateway(lab, of), "RouteTableId": await table(lab, of)}


@scenario("DisableVgwRoutePropagation", describe="DescribeRouteTables")
async def withdraw(lab: Lab) -> Request:
    request = await propagate(lab)
    await lab.do("EnableVgwRoutePropagation", **request)
    return request

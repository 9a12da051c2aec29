"""Which networks a machine may be put into, and what its start does to them."""

from __future__ import annotations

from ec2bridge.simulator import apis
from ec2bridge.simulator.call import Call, account_label
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import networks
from ec2bridge.simulator.errors import invalid
from ec2bridge.simulator.tables import Row


def usable(call: Call, network: Row) -> bool:
    """One's own, a project's one is in, or one of the whole domain."""
    return network["acltype"] == "Domain" or call.may_use(network)


def default_network(call: Call, zone: Row) -> Row:
    """The owner's only isolated network of the zone, where a deploy names none; made when there is none."""
    owner = call.owner()
    found = call.cloud.tables["networks"].where(zoneid=zone["id"], type="Isolated", **owner)
    own = [network for network in found if "vpcid" not in network]
    if len(own) > 1:
        account = call.cloud.tables["accounts"].first(name=owner.get("account")) or call.caller.account
        raise invalid(
            f"More than 1 default Isolated networks are found for Account {account_label(account)}; "
            "please specify networkIds"
        )
    return own[0] if own else _create(call, zone)


def _create(call: Call, zone: Row) -> Row:
    """An owner without a network gets one with the first deploy."""
    table = call.cloud.tables["networkofferings"]
    offering = table.first(name="DefaultIsolatedNetworkOfferingWithSourceNatService")
    api = apis.find("createNetwork", call.cloud.release)
    if offering is None or api is None:
        raise invalid(
            f"Unable to find a network to deploy into in zone {zone['name']}; please specify networkIds"
        )
    name = f"{call.owner().get('account', 'project')}-network"
    params = {"name": name, "displaytext": name, "zoneid": zone["id"], "networkofferingid": offering["id"]}
    for key in ("account", "domainid", "projectid"):
        if key in call.params:
            params[key] = call.params[key]
    answer = networks.create_network(Call(call.cloud, call.caller, api, params, {}))
    return call.cloud.tables["networks"].known(answer["network"]["id"]) or {}


def implement(cloud: Cloud, network: Row) -> None:
    """The first machine to start brings the network up."""
    networks.implement(cloud, network)

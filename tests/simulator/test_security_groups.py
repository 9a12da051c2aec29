"""Groups, key pairs and tags: what belongs to one account, and what holds on to what."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives import serialization

from tests.simulator.conftest import Clients, refusal


async def test_a_created_key_is_a_real_one_with_cloudstacks_fingerprint(clients: Clients) -> None:
    made = (await clients.alice.call("createSSHKeyPair", name="k"))["keypair"]
    key = serialization.load_pem_private_key(made["privatekey"].encode(), None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    digest = hashlib.md5(base64.b64decode(public.split()[1])).hexdigest()
    assert made["fingerprint"].replace(":", "") == digest
    assert await clients.bob.list("listSSHKeyPairs") == []


async def test_a_group_lives_as_long_as_a_rule_or_a_machine_names_it(clients: Clients) -> None:
    alice = clients.alice
    web = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    other = (await alice.call("createSecurityGroup", name="other"))["securitygroup"]
    source = {"account": "alice", "group": "web"}
    rule = {"protocol": "tcp", "startport": 80, "endport": 80}
    added = await alice.job(
        "authorizeSecurityGroupIngress", securitygroupid=other["id"], usersecuritygrouplist=[source], **rule
    )
    assert (await refusal(alice.call("deleteSecurityGroup", id=web["id"])))[0] == 536
    await alice.job("revokeSecurityGroupIngress", id=added["ingressrule"][0]["ruleid"])
    machine = await clients.machine(alice, "m1", "sim-sg", securitygroupids=[web["id"]])
    assert (await refusal(alice.call("deleteSecurityGroup", id=web["id"])))[0] == 536
    await alice.job("destroyVirtualMachine", id=machine["id"])
    assert (await refusal(alice.call("deleteSecurityGroup", id=web["id"])))[0] == 536
    await clients.keylookup.job("expungeVirtualMachine", id=machine["id"])
    assert await alice.call("deleteSecurityGroup", id=web["id"]) == {"success": True}


async def test_a_rule_that_exists_is_passed_over_and_fails_only_alone(clients: Clients) -> None:
    alice = clients.alice
    group = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    rule = {"securitygroupid": group["id"], "protocol": "tcp", "startport": 22, "endport": 22}
    await alice.job("authorizeSecurityGroupIngress", cidrlist=["10.0.0.0/8"], **rule)
    added = await alice.job("authorizeSecurityGroupIngress", cidrlist=["10.0.0.0/8", "10.1.0.0/16"], **rule)
    assert [entry["cidr"] for entry in added["ingressrule"]] == ["10.1.0.0/16"]
    code, text = await refusal(alice.job("authorizeSecurityGroupIngress", cidrlist=["10.0.0.0/8"], **rule))
    assert (code, text) == (530, "Failed to authorize security group ingress rule(s)")


async def test_accounts_neither_see_nor_touch_each_others_groups(clients: Clients) -> None:
    group = (await clients.alice.call("createSecurityGroup", name="web"))["securitygroup"]
    assert await clients.bob.list("listSecurityGroups", id=group["id"]) == []
    assert (await refusal(clients.bob.call("deleteSecurityGroup", id=group["id"])))[0] == 531
    assert (await clients.bob.call("createSecurityGroup", name="WEB"))["securitygroup"]["name"] == "WEB"


async def test_tags_that_the_database_takes_for_one_are_refused(clients: Clients) -> None:
    alice = clients.alice
    group = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    where = {"resourceids": [group["id"]], "resourcetype": "SecurityGroup"}
    await alice.job("createTags", tags=[{"key": "Name", "value": "a"}], **where)
    for key in ("name", "Name ", "Námë"):
        code, text = await refusal(alice.job("createTags", tags=[{"key": key, "value": "b"}], **where))
        assert (code, text) == (530, f"tag {key} already on SecurityGroup with id {group['id']}")
    await alice.job("deleteTags", tags=[{"key": "Name"}], **where)
    assert await alice.list("listTags", resourceid=group["id"]) == []


async def test_the_tags_of_a_groups_rules_outlive_the_group(clients: Clients) -> None:
    alice = clients.alice
    group = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    rule = {"securitygroupid": group["id"], "protocol": "all", "cidrlist": ["10.0.0.0/8"]}
    (made,) = (await alice.job("authorizeSecurityGroupIngress", **rule))["ingressrule"]
    where = {"resourceids": [made["ruleid"]], "resourcetype": "SecurityGroupRule"}
    await alice.job("createTags", tags=[{"key": "why", "value": "ssh"}], **where)
    await alice.call("deleteSecurityGroup", id=group["id"])
    assert [tag["key"] for tag in await alice.list("listTags")] == ["why"]

    assert await refusal(clients.bob.job("deleteTags", **where)) == (
        530,
        "Caller does not have permission to operate with provided resource.",
    )
    failed = (530, "Failed to delete tags")
    assert await refusal(alice.job("deleteTags", **{**where, "resourcetype": "SecurityGroup"})) == failed
    await alice.job("deleteTags", **where)
    assert await alice.list("listTags") == []
    assert await refusal(alice.job("deleteTags", **where)) == failed


async def test_a_tag_that_fails_leaves_none_of_its_call_behind(clients: Clients) -> None:
    alice = clients.alice
    group = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    where = {"resourceids": [group["id"]], "resourcetype": "SecurityGroup"}
    pairs = [{"key": "a", "value": "1"}, {"key": "b", "value": "\N{GRINNING FACE}"}]
    assert (await refusal(alice.job("createTags", tags=pairs, **where)))[0] == 530
    assert await alice.list("listTags", resourceid=group["id"]) == []

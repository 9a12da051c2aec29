"""What attackers try: each test is an attack that must come to nothing."""

import asyncio
import gzip
import logging
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ec2bridge import demo, server
from ec2bridge.actions.network import route_tables, routes
from ec2bridge.app import LARGE_BODIES, LARGE_BODY
from ec2bridge.auth import query
from ec2bridge.cloudstack.directory import MOST_MISSES, Known
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import account_ids, context, quotas
from ec2bridge.ec2.filters import matcher
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall, tiers
from ec2bridge.resources.instances import facts as instance_facts
from ec2bridge.resources.instances.facts import ImageFacts
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.launches import plan
from ec2bridge.resources.machines.records import ENDING, KIND
from ec2bridge.resources.network_acls import tier_rules
from ec2bridge.serving import application
from ec2bridge.serving.logs import OneLine
from tests.actions.access.test_key_pairs import ssh_line
from tests.conftest import REGION, Place
from tests.launching import ADVANCED, ids, launch, placed, started, until
from tests.native import Native
from tests.sockets import until_closed


def code_of(work: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def send(place: Place, body: str, **headers: str) -> tuple[int, str]:
    """Sign a body, and headers, as alice and send it."""
    keys = place.sim.accounts["alice"]
    request = AWSRequest(
        "POST",
        f"{place.url}/",
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
    )
    SigV4Auth(Credentials(keys.api_key, keys.secret_key), "ec2", REGION).add_auth(request)
    try:
        with urlopen(Request(request.url, body.encode(), dict(request.headers))) as answer:
            return answer.status, answer.read().decode()
    except OSError as error:
        return error.code, error.read().decode()  # type: ignore[attr-defined]


# --- another's data ------------------------------------------------------------------------------------------------


def test_accounts_whose_digits_are_alike_share_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "account_id", lambda domain, account: "123456789012")
    alice, bob = place.client("alice"), place.client("bob")
    assert alice.describe_security_groups()["SecurityGroups"][0]["OwnerId"] == "123456789012"
    zone = alice.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    wanted = {"AvailabilityZone": zone, "Size": 1, "ClientToken": "same"}
    first, second = alice.create_volume(**wanted), bob.create_volume(**wanted)
    assert first["VolumeId"] != second["VolumeId"]
    # An empty value lies in the store.
    alice.create_tags(Resources=[first["VolumeId"]], Tags=[{"Key": "secret", "Value": ""}])
    assert [tag["Key"] for tag in alice.describe_tags()["Tags"]] == ["secret"]
    assert bob.describe_tags()["Tags"] == []


def test_digits_of_two_accounts_lead_to_neither(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_ids, "account_id", lambda domain, account: "123456789012")
    site = place.bridge.site
    ctx: Any = SimpleNamespace(site=site)
    place.run(account_ids.remember(site, "domain", "alice"))
    assert place.run(account_ids.find(ctx, "123456789012")) == {"domain": "domain", "account": "alice"}
    place.run(account_ids.remember(site, "domain", "mallory"))
    assert place.run(account_ids.find(ctx, "123456789012")) is None


def test_the_look_up_account_expunges_no_machine_of_another(place: Place) -> None:
    bobs = Native(place, "bob")
    ident = ids(started(place.client("bob")))[0]
    row = next(row for row in bobs.list("listVirtualMachines"))
    bobs.do("destroyVirtualMachine", id=row["id"])
    # What alice's bridge would hold had the machine been hers when she terminated it, and bob's since.
    record: dict[str, Any] = {
        "phase": ENDING,
        "row": row,
        "reason": None,
        "job": None,
        "destroying": False,
        "destroyed": False,
        "address": None,
        "static": None,
        "volumes": [],
        "detach": [],
        "expunge": "service",
        "careful": False,
        "grouped": False,
    }
    place.run(place.bridge.site.store.put(place.store_owner("alice"), KIND, row["id"], record))

    assert "expungeVirtualMachine" not in place.commands(
        lambda: until(place.client("alice"), "terminated", ident)
    )


def test_nobody_holds_up_the_tiers_of_anothers_vpc(place: Place) -> None:
    alice = place.client("alice")
    vpc = alice.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = alice.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    uuid = Native(place).list("listVPCs")[0]["id"]
    bobs = SimpleNamespace(site=place.bridge.site, identity=SimpleNamespace(domain_id="d", account="bob"))

    async def hold() -> Any:
        flight = tiers._flight(bobs, uuid)  # type: ignore[arg-type]
        await flight.lock.acquire()
        return flight

    held = place.run(hold())
    launch(alice, SubnetId=subnet)
    held.lock.release()


def test_the_lists_of_anothers_vpc_stay_hidden(place: Place) -> None:
    place.client("alice").create_vpc(CidrBlock="10.42.0.0/16")
    uuid = Native(place).list("listVPCs")[0]["id"]
    with pytest.raises(CloudStackError) as refused:
        Native(place, "bob").list("listNetworkACLLists", vpcid=uuid)
    assert (refused.value.errorcode, refused.value.cserrorcode) == (531, 4365)


def test_ids_of_another_are_unknown(place: Place) -> None:
    bob, alice = place.client("bob"), place.client("alice")
    ident = ids(started(bob))[0]
    uuid = Native(place, "bob").list("listVirtualMachines")[0]["id"]
    for name in (ident, uuid):
        for action in ("terminate", "stop", "start", "reboot", "describe"):
            call = getattr(alice, f"{action}_instances")
            assert code_of(partial(call, InstanceIds=[name])) == "InvalidInstanceID.NotFound"
    assert Native(place, "bob").list("listVirtualMachines")[0]["state"] == "Running"


@pytest.mark.parametrize("mark", ["deprecated-at", "snapshot", "protected", "source-instance"])
def test_marks_of_anothers_public_image_spoil_no_listing(place: Place, mark: str) -> None:
    alice, bobs = place.client("alice"), Native(place, "bob")
    before = len(alice.describe_images()["Images"])
    image = bobs.do(
        "registerTemplate",
        name="evil",
        displaytext="evil",
        format="QCOW2",
        hypervisor="KVM",
        ostypeid=bobs.list("listOsTypes")[0]["id"],
        url="http://example.com/evil.qcow2",
        zoneid=bobs.zone("sim-adv"),
    )
    uuid = image["id"] if "id" in image else image["template"][0]["id"]
    bobs.do("updateTemplatePermissions", id=uuid, ispublic=True)
    for value in ("rubbish", "2026-13-01T00:00:00.000Z", "2026-01-01", "x y z", f"{'9' * 200} {'9' * 50}"):
        tag = {"resourceids": [uuid], "resourcetype": "Template"}
        bobs.do("createTags", **tag, tags=[{"key": f"ec2bridge:{mark}", "value": value}])
        assert len(alice.describe_images()["Images"]) == before + 1
        bobs.do("deleteTags", **tag, tags=[{"key": f"ec2bridge:{mark}"}])


def test_what_stands_on_machines_and_rules_natively_spoils_no_listing(place: Place) -> None:
    """An image of anybody's hands its details on; tags can be written by all users of an account."""
    ec2, native = place.client(), Native(place)
    machine = native.machine("odd", details={"ec2bridge.index": "first", "ec2bridge.reservation": "<r>"})
    group = ec2.create_security_group(GroupName="odd", Description="odd")["GroupId"]
    ping = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ping])
    [rule] = [rule for row in native.list("listSecurityGroups") for rule in row["ingressrule"]]
    code = {"resourceids": [rule["ruleid"]], "resourcetype": "SecurityGroupRule"}
    native.do("deleteTags", **code, tags=[{"key": "ec2bridge:icmp-code"}])
    for kind, uuid in (("UserVm", machine["id"]), ("SecurityGroupRule", rule["ruleid"])):
        for value in ("rubbish", "9" * 255, "2026-01-01", "-1 x", "a HttpPutResponseHopLimit=99999999999"):
            tag = {"resourceids": [uuid], "resourcetype": kind}
            marks = ("icmp-code", "instance-profile", "metadata", "shutdown", "groups", "volume-type")
            native.do("createTags", **tag, tags=[{"key": f"ec2bridge:{m}", "value": value} for m in marks])
            [found] = ec2.describe_instances()["Reservations"]
            [rules] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
            ec2.describe_iam_instance_profile_associations()
            assert found["Instances"][0]["AmiLaunchIndex"] == 0
            assert found["Instances"][0]["MetadataOptions"]["HttpPutResponseHopLimit"] < 65
            assert rules["IpPermissions"][0]["FromPort"] == 8
            native.do("deleteTags", **tag, tags=[{"key": f"ec2bridge:{mark}"} for mark in marks])


# --- time and memory -----------------------------------------------------------------------------------------------


def test_stars_in_a_filter_cost_no_time() -> None:
    # With backtracking it would not come to an end before the time limit of tests.
    assert not matcher(["*a" * 100 + "b"])("a" * 256)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*b?c*", "axxbxc1", True),
        ("*", "", True),
        ("?", "", False),
        ("a**b", "ab", True),
        ("*ab", "abab", True),
        ("a*a", "a", False),
        ("*a?*?b", "xaybb", True),
        ("*a*b*", "ba", False),
        (r"\*x*", "*xy", True),
    ],
)
def test_stars_still_mean_anything(pattern: str, text: str, matches: bool) -> None:
    assert matcher([pattern])(text) is matches


def test_wildcards_of_one_request_are_limited(ec2: Any) -> None:
    many = [{"Name": "key-name", "Values": [f"*{number}?" for number in range(150)]}]
    more = [{"Name": "fingerprint", "Values": [f"*{number}?" for number in range(150)]}]
    assert ec2.describe_key_pairs(Filters=many)["KeyPairs"] == []
    assert code_of(lambda: ec2.describe_key_pairs(Filters=many + more)) == "FilterLimitExceeded"
    long = [{"Name": "key-name", "Values": ["*a" * 15_000]}]
    assert code_of(lambda: ec2.describe_key_pairs(Filters=long)) == "FilterLimitExceeded"


def test_too_many_parameters_are_refused_before_they_are_read() -> None:
    with pytest.raises(Ec2Error, match="MalformedQueryString"):
        query.parse("a=1&" * (query.MOST_PARAMETERS + 1))
    assert len(query.parse("a=1&" * 20_000)) == 20_000


def test_made_up_ids_are_remembered_within_bounds() -> None:
    known = Known("instance")
    for number in range(50_000):
        known.miss(f"{number:017x}")
    assert len(known.misses) == MOST_MISSES
    assert known.missed(f"{49_999:017x}")


def test_made_up_ids_share_one_listing(place: Place) -> None:
    ec2 = place.client()
    made_up = [f"i-{number:017x}" for number in range(1, 200)]
    native = place.commands(lambda: code_of(lambda: ec2.terminate_instances(InstanceIds=made_up)))
    assert native.count("listVirtualMachines") == 1


def test_made_up_projects_fetch_commands_once(place: Place) -> None:
    keys = place.sim.accounts["alice"]

    def ask() -> None:
        for number in range(5):
            project = f"00000000-0000-0000-0000-{number:012d}"
            ec2 = place.client(aws_access_key_id=f"{keys.api_key}:{project}")
            assert code_of(ec2.describe_instances) == "AuthFailure"

    assert place.commands(ask).count("listApis") <= 2  # the caller's and the look-up account's


def test_rules_are_put_together_beside_other_requests(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    served = []

    def beside(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        # The loop can do this only while it does not do that itself.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), place.loop).result(5)
        served.append(work)
        return work(*arguments, **options)

    for module, name in ((tier_rules, "effective"), (firewall, "openings")):
        monkeypatch.setattr(module, name, partial(beside, getattr(module, name)))
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    launch(ec2, SubnetId=ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"])
    assert served
    served.clear()
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    [machine] = started(ec2, SecurityGroupIds=[group], **placed(ADVANCED))
    address = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(InstanceId=machine["InstanceId"], AllocationId=address)
    assert served


def test_callers_who_left_are_forgotten(place: Place) -> None:
    async def templates(command: str, **params: Any) -> list[dict[str, Any]]:
        return [{"id": "template", "arch": "x86_64"}]

    async def ask(key: str) -> Any:
        account = SimpleNamespace(cache_key=(key, None), list=templates)
        ctx: Any = SimpleNamespace(site=place.bridge.site, account=account)
        return await instance_facts._images(ctx, {"template"})

    for number in range(1500):
        assert place.run(ask(str(number))) == {"template": ImageFacts("x86_64", "hvm")}
    assert len(place.bridge.site.caches["image-facts"]._entries) <= 1024


def test_a_client_token_is_limited(ec2: Any) -> None:
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    token = "x" * 5000
    refused = code_of(lambda: ec2.create_volume(AvailabilityZone=zone, Size=1, ClientToken=token))
    assert refused == "InvalidParameterValue"


def test_the_machines_of_one_launch_are_limited() -> None:
    assert plan._counts({"MinCount": 1, "MaxCount": 2_000_000_000}) == (1, plan.MOST)
    with pytest.raises(Ec2Error, match="InstanceLimitExceeded"):
        plan._counts({"MinCount": 5000, "MaxCount": 5000})


def test_launch_templates_fill_no_store(ec2: Any) -> None:
    name, big = "big", {"UserData": "A" * 1_900_000}
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=big)

    def grow() -> None:
        # A few hundred bytes that add two megabytes.
        for _ in range(5):
            ec2.create_launch_template_version(
                LaunchTemplateName=name, SourceVersion="1", LaunchTemplateData={"KeyName": "k"}
            )

    assert code_of(grow) == "MaxTemplateVersionLimitExceeded"
    another = partial(ec2.create_launch_template, LaunchTemplateName="more", LaunchTemplateData=big)
    assert code_of(another) == "MaxTemplateLimitExceeded"
    ec2.modify_launch_template(LaunchTemplateName=name, DefaultVersion="2")
    ec2.delete_launch_template_versions(LaunchTemplateName=name, Versions=["1"])
    another()


def test_what_lies_in_the_store_alone_is_counted(
    place: Place, ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MOST", 1)
    monkeypatch.setattr(network_interfaces, "MOST", 1)
    monkeypatch.setattr(route_tables, "MOST_TABLES", 2)
    monkeypatch.setattr(routes, "MOST_ROUTES", 1)
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    public = ec2.create_key_pair(KeyName="made")["KeyMaterial"]
    public = ssh_line(load_pem_private_key(public.encode(), None))

    def import_under(name: str) -> None:
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public)

    import_under("first")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    route = partial(ec2.create_route, RouteTableId=table, GatewayId=gateway)
    route(DestinationCidrBlock="0.0.0.0/0")
    ec2.create_network_interface(SubnetId=subnet)
    ec2.create_snapshot(VolumeId=volume)

    assert code_of(ec2.create_internet_gateway) == "InternetGatewayLimitExceeded"
    assert code_of(partial(ec2.create_route_table, VpcId=vpc)) == "RouteTableLimitExceeded"
    assert code_of(partial(route, DestinationCidrBlock="192.0.2.0/24")) == "RouteLimitExceeded"
    assert code_of(partial(import_under, "second")) == "KeyPairLimitExceeded"
    assert code_of(partial(ec2.create_network_interface, SubnetId=subnet)) == "NetworkInterfaceLimitExceeded"
    assert code_of(partial(ec2.create_snapshot, VolumeId=volume)) == "SnapshotLimitExceeded"


def test_the_rules_of_a_group_are_limited(place: Place, ec2: Any) -> None:
    def permissions(count: int) -> list[dict[str, Any]]:
        ranges = [{"CidrIp": f"10.{number // 256}.{number % 256}.0/24"} for number in range(count)]
        return [
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges} for port in (1, 2)
        ]

    codes: list[str] = []

    authorize = partial(ec2.authorize_security_group_ingress, GroupName="default")
    native = place.commands(lambda: codes.append(code_of(partial(authorize, IpPermissions=permissions(501)))))
    assert codes == ["RulesPerSecurityGroupLimitExceeded"]
    assert "authorizeSecurityGroupIngress" not in native


def test_numbers_that_int_cannot_read_are_refused(ec2: Any) -> None:
    ec2.create_launch_template(LaunchTemplateName="one", LaunchTemplateData={"KeyName": "k"})
    for number in ("²", "9" * 5000):
        modify = partial(ec2.modify_launch_template, LaunchTemplateName="one", DefaultVersion=number)
        assert code_of(modify) == "InvalidParameterValue"
        permission = {"IpProtocol": number, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}
        authorize = partial(ec2.authorize_security_group_ingress, GroupName="default")
        assert code_of(partial(authorize, IpPermissions=[permission])) == "InvalidParameterValue"


def test_a_body_that_does_not_come_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ec2bridge.app.BODY_TIMEOUT", 0.2)
    host, port = place.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction")
        assert b"RequestTimeout" in connection.recv(4096)


def test_large_bodies_of_strangers_take_turns(place: Place) -> None:
    """A thousand of two megabytes, signed by nobody, were in memory together for as long as they were on their way."""
    host, port = place.url.removeprefix("http://").split(":")
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    turns = place.bridge.large_bodies
    body = b"Action=".ljust(LARGE_BODY + 1, b"x")
    with ExitStack() as others, socket.create_connection((host, int(port))) as last:
        for _ in range(LARGE_BODIES):
            connection = others.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(head + f"Content-Length: {len(body)}\r\n\r\nAction=".encode())
        until_true(turns.locked)
        last.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert place.client().describe_regions()["Regions"]  # whose request is small
        assert turns.locked()
        others.close()
        assert b"MissingAuthenticationToken" in last.recv(4096)
    until_true(lambda: not turns.locked())


def until_true(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_packed_body_is_not_unpacked(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    host, port = place.url.removeprefix("http://").split(":")
    for body in (b"no gzip", gzip.compress(b"Action=DescribeRegions&Version=2016-11-15")):
        with socket.create_connection((host, int(port)), 5) as connection:
            head = (
                f"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 4")
    assert [record.levelname for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_store_is_purged(make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PURGE_EVERY", 0.05)
    place = make_place()
    store = place.bridge.site.store
    place.run(store.put("a", "b", "c", 1, ttl=0.01))
    deadline = time.monotonic() + 60
    while place.run(_rows(store)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def _rows(store: Any) -> int:
    query = "select count(*) from entries where kind = 'b'"
    return int(await store.database.run(lambda connection: connection.exec_driver_sql(query).scalar_one()))


# --- logs, answers and files ---------------------------------------------------------------------------------------


def test_an_action_with_line_breaks_writes_one_line(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge.access")
    status, _ = send(place, f"Action={quote('Foo' + chr(10) + 'forged')}&Version=2016-11-15")
    assert status == 400
    lines = [record.getMessage() for record in caplog.records if record.name == "ec2bridge.access"]
    assert len(lines) == 1
    assert "action=Foo?forged " in lines[0]


def test_log_records_stay_on_one_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "name %s", ("a\nb\r\x1b[2J\u2028",), None)
    assert OneLine("%(message)s").format(record) == r"name a\nb\r\x1b[2J\u2028"


def test_what_xml_cannot_hold_does_not_break_an_answer(place: Place) -> None:
    evil = "]]></Message><script>\x00\ufffe&"
    status, text = send(place, f"Action={quote(evil)}&Version=2016-11-15")
    assert status == 400
    assert "<script>" not in text
    assert "\x00" not in text


def test_any_host_that_was_signed_is_answered(place: Place) -> None:
    for host in ("[x", "[::1", "<&>"):
        status, text = send(place, "Action=DescribeRegions&Version=2016-11-15", Host=host)
        assert status == 200
        assert "<&>" not in text


def test_files_with_secrets_are_their_owners_alone(tmp_path: Any) -> None:
    path = tmp_path / "demo.env"
    path.write_text("old")
    path.chmod(0o644)
    demo.write_secrets(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


# --- the edges of HTTP ---------------------------------------------------------------------------------------------


def exchange(place: Place, head: str) -> str:
    """Send the head of a request and return all that is answered."""
    host, port = place.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(f"{head}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_a_target_that_is_no_path_is_refused_as_ec2_refuses(place: Place) -> None:
    answer = exchange(place, "OPTIONS * HTTP/1.1")
    assert answer.startswith("HTTP/1.1 400")
    assert "<Code>InvalidRequest</Code>" in answer


def test_the_form_of_a_target_that_proxies_are_sent_is_understood(place: Place) -> None:
    for target in (
        "http://x/",
        "http://x",
        "http://x?Action=DescribeRegions",
        "HTTP://x/?Version=never",
        "/",
    ):
        answer = exchange(place, f"GET {target} HTTP/1.1")
        assert "<Code>MissingAuthenticationToken</Code>" in answer


def test_an_action_given_twice_is_refused(place: Place) -> None:
    for twice in ("Action=DescribeRegions", "Action=TerminateInstances", "Version=2016-11-15"):
        status, answer = send(place, f"Action=DescribeRegions&Version=2016-11-15&{twice}")
        assert status == 404
        assert "<Code>MalformedQueryString</Code>" in answer


def test_who_sends_no_headers_is_hung_up_on(make_place: Callable[..., Place]) -> None:
    place = make_place({"idle_timeout": "0.3"})
    host, port = place.url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), 30) as silent,
        socket.create_connection((host, int(port)), 30) as slow,
    ):
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
    assert place.client().describe_regions()["Regions"]


def test_who_takes_nothing_of_an_answer_is_hung_up_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "SLOWEST_READER", 1)
    client = place.client()
    signed: list[AWSRequest] = []
    client.meta.events.register("before-send.ec2.*", lambda request, **_: signed.append(request))
    client.describe_instance_types()
    [request] = signed
    head = "".join(
        f"{name}: {value.decode() if isinstance(value, bytes) else value}\r\n"
        for name, value in request.headers.items()
    )
    host, port = place.url.removeprefix("http://").split(":")
    asked = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n{request.body}".encode()
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect((host, int(port)))
        lazy.sendall(asked * 40)
        until_closed(int(port), lazy.getsockname()[1])
    assert client.describe_regions()["Regions"]

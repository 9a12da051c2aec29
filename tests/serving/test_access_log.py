"""One line a request, whatever became of it: what an operator looks for stands in it, what nobody may see does not."""

import json
import logging
import re
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from ec2bridge.serving.access_log import client_address
from ec2bridge.serving.logs import TEXT, Json, OneLine
from tests.conftest import Place
from tests.launching import launch
from tests.native import Native
from tests.walk.blocks import marked

Fields = dict[str, Any]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Fields]]:
    """The fields of the access log's records so far."""
    caplog.set_level(logging.DEBUG, logger="ec2bridge")
    return lambda: [record.fields for record in caplog.records if record.name == "ec2bridge.access"]


def raw(place: Place, *parts: bytes) -> bytes:
    """Send bytes and return what is answered, all of it."""
    address = urlsplit(place.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_launch_is_told_with_who_what_and_how(place: Place, lines: Callable[[], list[Fields]]) -> None:
    launched = launch(place.client())[0]
    line = lines()[-1]
    keys = place.sim.accounts["alice"]
    assert (line["action"], line["code"], line["status"]) == ("RunInstances", "ok", 200)
    assert (line["key"], line["user"], line["client"]) == (keys.api_key, "alice", "127.0.0.1")
    assert line["account"] == place.client(service="sts").get_caller_identity()["Account"]
    assert {launched["ImageId"], launched["InstanceId"]} <= set(line["ids"])
    assert line["native"]["deployVirtualMachine"] == 1
    assert line["native_ms"] > 0
    assert line["ms"] > 0
    assert len(line["request"]) == 36


def test_the_guides_line_is_one_of_a_launch(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge.access")
    launch(place.client())
    told = OneLine(TEXT).format(caplog.records[-1])
    [shown] = marked("docs/operators.md", "tests/serving/test_access_log.py")
    # Of every value its kind: ids, numbers, words.
    kinds = ((r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"), (r"-[0-9a-f]{17}\b", "-ID"))
    for pattern, kind in (*kinds, (r"key=\S+", "key=KEY"), (r"\d+", "N"), (r"N(\.N)+", "N")):
        told, shown = re.sub(pattern, kind, told), re.sub(pattern, kind, shown)
    told = re.sub(r"ids=\S+", "ids=" + ",".join(sorted(set(re.findall(r"\b(?:ami|i)-ID", told)))), told)
    assert told == shown.strip()


def test_a_listing_tells_only_what_it_was_asked_for(place: Place, lines: Callable[[], list[Fields]]) -> None:
    ident = launch(place.client())[0]["InstanceId"]
    place.client().describe_instances()
    assert lines()[-1]["ids"] == []
    place.client().describe_instances(InstanceIds=[ident])
    assert lines()[-1]["ids"] == [ident]


def test_what_has_no_id_is_told_by_its_name(place: Place, lines: Callable[[], list[Fields]]) -> None:
    place.client().create_key_pair(KeyName="night")
    assert lines()[-1]["ids"][0] == "night"


def test_a_parameter_is_told_as_any_action(place: Place, lines: Callable[[], list[Fields]]) -> None:
    name = "/aws/service/debian/release/12/latest/amd64"
    place.client(service="ssm").get_parameter(Name=name)
    line = lines()[-1]
    assert (line["action"], line["code"], line["status"]) == ("GetParameter", "ok", 200)
    assert (line["user"], line["native"]["listTemplates"]) == ("alice", 2)
    with pytest.raises(ClientError):
        place.client(service="ssm", aws_secret_access_key="wrong").get_parameter(Name=name)
    line = lines()[-1]
    assert (line["action"], line["code"]) == ("GetParameter", "InvalidSignatureException")
    assert line["key"] == place.sim.accounts["alice"].api_key


def test_a_refused_signature_names_key_and_action(place: Place, lines: Callable[[], list[Fields]]) -> None:
    for signature in ("v4", "v2"):
        client = place.client(aws_secret_access_key="wrong")
        if signature == "v2":
            form = (
                b"Action=DescribeRegions&AWSAccessKeyId=NOBODY%2FKEY&Signature=x&SignatureVersion=2"
                b"&SignatureMethod=HmacSHA256&Timestamp=2020-01-01T00:00:00Z&Version=2016-11-15"
            )
            raw(place, b"GET /?" + form + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        else:
            with pytest.raises(ClientError):
                client.describe_regions()
    first, second = lines()[-2:]
    assert (first["key"], first["action"]) == (place.sim.accounts["alice"].api_key, "DescribeRegions")
    assert (first["status"], first["code"]) == (403, "SignatureDoesNotMatch")
    assert (second["key"], second["action"], second["code"]) == (
        "NOBODY/KEY",
        "DescribeRegions",
        "RequestExpired",
    )


def test_claims_cannot_pretend_to_be_anything_else(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge.access")
    form = b"Action=Foo%0A2026%20INFO%20key=root%22&AWSAccessKeyId=%1b[2J%20code=ok"
    raw(place, b"GET /?" + form + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    record = caplog.records[-1]
    line = OneLine("%(message)s").format(record)
    assert "action=Foo?2026?INFO?key?root?" in line
    assert "key=??2J?code?ok" in line
    assert line.count("code=") == 1
    assert json.loads(Json().format(record))["action"] == "Foo?2026?INFO?key?root?"


def test_what_is_secret_is_in_no_line(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    launch(place.client(), UserData="the-secret-of-i-0123456789abcdef0")
    text = "\n".join(
        Json().format(record) for record in caplog.records if record.name.startswith("ec2bridge")
    )
    assert "the-secret" not in text
    assert "i-0123456789abcdef0" not in text
    assert place.sim.accounts["alice"].secret_key not in text


def test_an_outage_is_a_warning_with_cloudstacks_reason(
    make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge.access")
    place = make_place()
    client = place.client()
    client.describe_key_pairs()
    place.run(place.sim.close())
    with pytest.raises(ClientError):
        client.describe_key_pairs()
    good, bad = [record for record in caplog.records if record.name == "ec2bridge.access"]
    assert (good.levelname, bad.levelname) == ("INFO", "WARNING")
    assert bad.fields["code"] == "Unavailable"  # type: ignore[attr-defined]
    assert "Connection refused" in bad.fields["reason"]  # type: ignore[attr-defined]
    assert 'reason="listSSHKeyPairs: ' in bad.getMessage()


def test_what_cloudstack_refused_stands_in_the_line(place: Place, lines: Callable[[], list[Fields]]) -> None:
    group = place.client().create_security_group(GroupName="busy", Description="x")["GroupId"]
    launch(place.client(), SecurityGroupIds=[group])
    assert Native(place).list("listVirtualMachines")
    with pytest.raises(ClientError):
        place.client().delete_security_group(GroupId=group)
    line = lines()[-1]
    assert (line["action"], line["code"], line["ids"]) == (
        "DeleteSecurityGroup",
        "DependencyViolation",
        [group],
    )


def test_a_client_that_hangs_up_in_its_body_is_one_line(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    raw(place, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction")
    assert place.client().describe_regions()
    assert [record for record in caplog.records if record.exc_info] == []
    first = next(record for record in caplog.records if record.name == "ec2bridge.access")
    assert first.fields["code"] == "RequestTimeout"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ['x"\r\nforged'], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("fd00::1", ["203.0.113.9"], "fd00::1"),
        (None, ["203.0.113.9"], "-"),
    ],
)
def test_only_a_trusted_proxy_says_who_the_client_is(peer: Any, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, [ip_network("10.0.0.0/8")]) == client


def test_the_setting_names_trusted_proxies(
    make_place: Callable[..., Place], lines: Callable[[], list[Fields]]
) -> None:
    place = make_place({"trusted_proxies": "127.0.0.0/8, ::1"})
    raw(place, b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.44\r\nConnection: close\r\n\r\n")
    assert lines()[-1]["client"] == "192.0.2.44"


def test_json_has_one_object_a_line_with_its_traceback_in_it() -> None:
    try:
        raise ValueError("here\nand there")
    except ValueError as error:
        told = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("ec2bridge", logging.ERROR, "", 0, "it %s", ("broke",), told)
    text = Json().format(record)
    assert "\n" not in text
    shown = json.loads(text)
    assert (shown["level"], shown["message"]) == ("ERROR", "it broke")
    assert shown["time"].endswith("Z")
    assert "here\nand there" in shown["traceback"]

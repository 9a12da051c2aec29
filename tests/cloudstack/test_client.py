"""The client against answers as the real server gives them: signed, paged, waited for, refused."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import NativeCall, collect_calls
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.cloudstack.params import flatten
from ec2bridge.cloudstack.signing import encode, signed_form
from ec2bridge.errors import Ec2Error
from tests.cloudstack.recorded import SECRET, Answer, Played, java_encode, job_result

ALICE = Credentials(access_key="alice", api_key="alice-key", secret_key=SECRET)
REFUSED = {"uuidList": [], "errorcode": 431, "cserrorcode": 4350, "errortext": "Public key is invalid"}
UNVERIFIED = {
    "errorcode": 401,
    "errortext": "unable to verify user credentials and/or request signature",
}


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    played = Played()
    async with TestServer(played.app()) as server:
        played.url = str(server.make_url("/client/api"))
        yield played


@pytest.fixture
async def cloudstack(played: Played) -> AsyncIterator[CloudStack]:
    cloudstack = CloudStack(played.url, timeout=5)
    await cloudstack.start()
    yield cloudstack
    await cloudstack.close()


@pytest.fixture
def alice(cloudstack: CloudStack) -> Account:
    return Account(cloudstack, ALICE)


async def test_the_envelope_is_opened_whatever_its_name(played: Played, alice: Account) -> None:
    played.answers["changeServiceForVirtualMachine"] = {
        "changeserviceresponse": {"virtualmachine": {"id": "1"}}
    }
    assert await alice.call("changeServiceForVirtualMachine", id="1") == {"virtualmachine": {"id": "1"}}


async def test_values_that_java_and_python_encode_differently_are_signed_alike(
    played: Played, alice: Account
) -> None:
    played.answers["createTags"] = {"createtagsresponse": {"jobid": "j"}}
    value = "a b+c~d*e/f=g&h%i'(j)\n\U0001f600é"
    await alice.call("createTags", tags={"key": "K", "value": value}, resourceids=["1", "2"], always=True)
    assert played.bad_signatures == 0
    asked = played.asked[0]
    assert asked["tags[0].value"] == value
    assert asked["resourceids"] == "1,2"
    assert asked["always"] == "true"
    assert asked["signatureVersion"] == "3"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_is_javas(value: str) -> None:
    assert encode(value) == java_encode(value)


def test_names_are_sorted_with_regard_to_case() -> None:
    # "apiKey" comes before "apikeyfilter" for Java, whose upper-case letters sort first.
    form = signed_form({"apikeyfilter": "x", "apiKey": "k", "command": "listUserKeys"}, "s")
    assert [pair.split("=")[0] for pair in form.split("&")] == [
        "apiKey",
        "apikeyfilter",
        "command",
        "signature",
    ]


def test_parameters_are_flattened() -> None:
    flat = flatten(
        {
            "none": None,
            "flag": False,
            "count": 3,
            "ids": ("a", "b"),
            "empty": [],
            "details": {"cpuNumber": 2, "memory": 512},
            "iptonetworklist": [{"networkid": "n1"}, {"networkid": "n2", "ip": "10.1.1.9"}],
        }
    )
    assert flat == {
        "flag": "false",
        "count": "3",
        "ids": "a,b",
        "details[0].cpuNumber": "2",
        "details[0].memory": "512",
        "iptonetworklist[0].networkid": "n1",
        "iptonetworklist[1].networkid": "n2",
        "iptonetworklist[1].ip": "10.1.1.9",
    }


def test_a_comma_cannot_smuggle_a_second_value_into_a_list() -> None:
    with pytest.raises(Ec2Error, match="may not contain a comma"):
        flatten({"securitygroupnames": ["default", "a,b"]})


async def test_an_error_is_kept_as_cloudstack_gave_it(played: Played, alice: Account) -> None:
    played.answers["registerSSHKeyPair"] = (431, {"registersshkeypairresponse": REFUSED})
    with pytest.raises(CloudStackError) as caught:
        await alice.call("registerSSHKeyPair", name="k", publickey="x")
    error = caught.value
    assert (error.command, error.status, error.errorcode, error.cserrorcode, error.errortext) == (
        "registerSSHKeyPair",
        431,
        431,
        4350,
        "Public key is invalid",
    )
    assert SECRET not in str(error)
    assert "alice-key" not in str(error)
    assert not error.in_job


def rows(number: int) -> list[dict[str, Any]]:
    return [{"id": f"uuid-{place}"} for place in range(number)]


def paged(all_rows: list[dict[str, Any]], limit: int = 500) -> Any:
    def answer(params: dict[str, str]) -> Any:
        page, size = int(params["page"]), int(params["pagesize"])
        if size > limit:
            text = f"Page size can't exceed max allowed page size value: {limit}"
            return 431, {"listvolumesresponse": {"errorcode": 431, "cserrorcode": 4350, "errortext": text}}
        part = all_rows[(page - 1) * size : page * size]
        if not all_rows:
            return {"listvolumesresponse": {}}
        return {"listvolumesresponse": {"count": len(all_rows), **({"volume": part} if part else {})}}

    return answer


@pytest.mark.parametrize(("number", "calls"), [(0, 1), (1, 1), (499, 1), (500, 1), (501, 2), (1200, 3)])
async def test_all_pages_are_listed(played: Played, alice: Account, number: int, calls: int) -> None:
    played.answers["listVolumes"] = paged(rows(number))
    assert await alice.list("listVolumes") == rows(number)
    assert len(played.asked) == calls


async def test_the_page_size_is_learnt_from_the_refusal(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listVolumes"] = paged(rows(45), limit=20)
    assert await alice.list("listVolumes") == rows(45)
    assert cloudstack.pages.size == 20
    await alice.list("listVolumes")
    assert [params["pagesize"] for params in played.asked] == ["500"] + ["20"] * 6


async def test_a_listing_that_changes_between_pages_is_taken_again(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    cloudstack.pages.size = 2
    first = {"r": {"count": 3, "volume": rows(2)}}
    moved = {"r": {"count": 4, "volume": [{"id": "uuid-1"}, {"id": "uuid-2"}]}}
    settled = [{"r": {"count": 4, "volume": rows(4)[:2]}}, {"r": {"count": 4, "volume": rows(4)[2:]}}]
    played.answers["listVolumes"] = [first, moved, *settled]
    assert await alice.list("listVolumes") == rows(4)


async def test_a_template_keeps_its_row_for_each_zone(played: Played, alice: Account) -> None:
    template = [{"id": "t", "zoneid": "z1"}, {"id": "t", "zoneid": "z2"}]
    played.answers["listTemplates"] = {"listtemplatesresponse": {"count": 2, "template": template}}
    assert await alice.list("listTemplates", templatefilter="executable") == template


async def test_a_job_is_waited_for(played: Played, alice: Account) -> None:
    played.answers["startVirtualMachine"] = {"startvirtualmachineresponse": {"jobid": "j"}}
    done = job_result("startVM", 1, {"virtualmachine": {"id": "1", "state": "Running"}})
    played.answers["queryAsyncJobResult"] = [job_result("startVM", 0, None), done]
    assert await alice.job("startVirtualMachine", id="1") == {"id": "1", "state": "Running"}
    assert played.commands() == ["startVirtualMachine", "queryAsyncJobResult", "queryAsyncJobResult"]


async def test_a_job_without_an_object_answers_success(played: Played, alice: Account) -> None:
    played.answers["deleteTags"] = {"deletetagsresponse": {"jobid": "j"}}
    played.answers["queryAsyncJobResult"] = job_result("deleteTags", 1, {"success": True})
    assert await alice.job("deleteTags", resourceids=["1"]) == {"success": True}


async def test_a_command_that_answers_at_once_is_as_good_as_a_job(played: Played, alice: Account) -> None:
    played.answers["enableStaticNat"] = {"enablestaticnatresponse": {"success": "true"}}
    assert await alice.job("enableStaticNat", ipaddressid="1") == {"success": "true"}


async def test_a_failed_job_names_its_command(played: Played, alice: Account) -> None:
    failed = {"errorcode": 530, "errortext": "Failed to authorize security group ingress rule(s)"}
    played.answers["authorizeSecurityGroupIngress"] = {"r": {"jobid": "j"}}
    played.answers["queryAsyncJobResult"] = job_result("authorizeSecurityGroupIngress", 2, failed)
    with pytest.raises(CloudStackError) as caught:
        await alice.job("authorizeSecurityGroupIngress", securitygroupid="1")
    assert (caught.value.command, caught.value.errorcode) == ("authorizeSecurityGroupIngress", 530)
    assert caught.value.in_job


async def test_a_job_is_remembered_until_its_end_was_seen(
    cloudstack: CloudStack, played: Played, alice: Account
) -> None:
    played.answers["deleteVolume"] = {"r": {"jobid": "j"}}
    await alice.submit("deleteVolume", id="1")
    assert len(cloudstack.jobs) == 1
    played.answers["queryAsyncJobResult"] = job_result("deleteVolume", 1, {"success": True})
    await alice.wait("j")
    assert len(cloudstack.jobs) == 0


async def test_a_job_of_another_bridge_is_named_by_its_class(played: Played, alice: Account) -> None:
    played.answers["queryAsyncJobResult"] = job_result("startVM", 2, {"errorcode": 431, "errortext": "no"})
    with pytest.raises(CloudStackError) as caught:
        await alice.wait("elsewhere")
    assert caught.value.command == "startVirtualMachine"


async def test_a_job_that_takes_too_long_is_left_running(played: Played, alice: Account) -> None:
    played.answers["queryAsyncJobResult"] = job_result("createTemplate", 0, None)
    with pytest.raises(CloudStackUnavailable, match=r"createTemplate is still running after 0\.2 seconds"):
        await alice.wait("j", timeout=0.2)
    assert 1 <= len(played.asked) <= 5  # fewer where the machine is busy


async def test_a_poll_that_cloudstack_is_too_busy_for_does_not_fail_the_job(
    played: Played, alice: Account
) -> None:
    busy = {"r": {"errorcode": 429, "errortext": "The given user has reached his/her account api limit"}}
    done = job_result("startVM", 1, {"virtualmachine": {"id": "1"}})
    played.answers["queryAsyncJobResult"] = [(429, busy), done]
    assert await alice.wait("j") == {"virtualmachine": {"id": "1"}}


async def test_a_job_that_cloudstack_has_forgotten_is_told_from_one_that_failed(
    played: Played, alice: Account
) -> None:
    gone = {"errorcode": 431, "cserrorcode": 9999, "errortext": "Invalid parameter jobid value=j"}
    played.answers["queryAsyncJobResult"] = (431, {"queryasyncjobresultresponse": gone})
    with pytest.raises(CloudStackError) as caught:
        await alice.wait("j")
    assert caught.value.command == "queryAsyncJobResult"
    assert not caught.value.in_job


async def test_reads_are_tried_again(played: Played, alice: Account) -> None:
    played.answers["listZones"] = [(503, "<html>starting</html>"), {"listzonesresponse": {"zone": rows(1)}}]
    assert await alice.list("listZones") == rows(1)


async def test_reads_that_fail_inside_cloudstack_are_tried_again(played: Played, alice: Account) -> None:
    failed = (530, {"listzonesresponse": {"errorcode": 530, "errortext": "Internal error"}})
    played.answers["listZones"] = [failed, {"listzonesresponse": {"zone": rows(1)}}]
    assert await alice.list("listZones") == rows(1)
    played.answers["listHosts"] = [failed] * 3
    with pytest.raises(CloudStackError, match="530"):
        await alice.list("listHosts")
    assert played.commands() == ["listZones"] * 2 + ["listHosts"] * 3


async def test_writes_are_never_sent_twice(played: Played, alice: Account) -> None:
    played.answers["deployVirtualMachine"] = [(503, "<html>starting</html>"), {"r": {"jobid": "j"}}]
    with pytest.raises(CloudStackUnavailable, match="answered 503 with something that is not its API's JSON"):
        await alice.submit("deployVirtualMachine")
    assert played.commands() == ["deployVirtualMachine"]


async def test_a_page_that_is_no_json_is_not_asked_for_again(played: Played, alice: Account) -> None:
    played.answers["listZones"] = "<html>log in</html>"
    with pytest.raises(CloudStackUnavailable):
        await alice.list("listZones")
    assert played.commands() == ["listZones"]


async def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/client/api"
    cloudstack = CloudStack(url)
    await cloudstack.start()
    try:
        with pytest.raises(CloudStackUnavailable, match="could not be reached"):
            await Account(cloudstack, ALICE).list("listZones")
    finally:
        await cloudstack.close()


async def test_a_silent_server_is_unavailable_after_the_time_limit() -> None:
    async def silence(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    app = web.Application()
    app.router.add_post("/client/api", silence)
    async with TestServer(app) as server:
        cloudstack = CloudStack(str(server.make_url("/client/api")), timeout=0.1)
        await cloudstack.start()
        try:
            with pytest.raises(CloudStackUnavailable, match=r"did not answer within 0\.1 seconds"):
                await Account(cloudstack, ALICE).list("listZones")
        finally:
            await cloudstack.close()


async def test_cloudstacks_clock_is_learnt_and_the_call_sent_again(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=3)
    played.headers["Date"] = format_datetime(ahead, usegmt=True)

    def answer(params: dict[str, str]) -> Any:
        if datetime.strptime(params["expires"], "%Y-%m-%dT%H:%M:%S%z") < ahead:
            return 401, {"listzonesresponse": UNVERIFIED}
        return {"listzonesresponse": {"zone": rows(1)}}

    played.answers["listZones"] = answer
    assert await alice.list("listZones") == rows(1)
    assert cloudstack.clock_offset == pytest.approx(3 * 3600, abs=5)
    assert len(played.asked) == 2


async def test_apis_are_asked_for_once_however_many_want_them(played: Played, alice: Account) -> None:
    api = {"name": "listZones", "params": [{"name": "id"}, {"name": "keyword"}]}
    played.answers["listApis"] = {"listapisresponse": {"count": 1, "api": [api]}}
    answers = await asyncio.gather(*(alice.apis() for _ in range(5)))
    assert all(answer == {"listZones": frozenset({"id", "keyword"})} for answer in answers)
    assert played.commands() == ["listApis"]


async def test_callers_share_what_is_known_of_commands(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listApis"] = {
        "listapisresponse": {"api": [{"name": "listZones", "params": [{"name": "id"}]}]}
    }
    bob = Account(cloudstack, Credentials("bob", "bob-key", SECRET))
    assert (await alice.apis())["listZones"] is (await bob.apis())["listZones"]


async def test_of_one_command_only_that_is_asked(played: Played, alice: Account) -> None:
    api = {"name": "listZones", "params": [{"name": "id"}]}
    played.answers["listApis"] = {"listapisresponse": {"count": 1, "api": [api]}}
    assert await alice.takes("listZones", "id")
    assert not await alice.takes("listZones", "keyword")
    assert await alice.may_call("listZones")
    assert [(params["command"], params.get("name")) for params in played.asked] == [("listApis", "listZones")]


@pytest.mark.parametrize("refusal", [431, 530])
async def test_a_command_that_is_not_there_before_4_23(played: Played, alice: Account, refusal: int) -> None:
    api = {"name": "listZones", "params": []}

    def apis(params: dict[str, str]) -> Answer:
        if "name" in params:
            return refusal, {"errorresponse": {"errorcode": refusal, "errortext": "Internal error"}}
        return {"listapisresponse": {"count": 1, "api": [api]}}

    played.answers["listApis"] = apis
    assert not await alice.may_call("listUserKeys")
    assert await alice.may_call("listZones")
    assert [params.get("name") for params in played.asked] == ["listUserKeys", None, "listZones"]


async def test_a_command_that_is_not_there_from_4_23_on(played: Played, alice: Account) -> None:
    played.answers["listApis"] = {"listapisresponse": {"api": [{"name": "listZones", "params": []}]}}
    assert not await alice.may_call("listHosts")


async def test_a_failure_to_list_the_apis_is_not_kept(played: Played, alice: Account) -> None:
    played.answers["listApis"] = [(431, {"r": REFUSED}), {"listapisresponse": {"api": []}}]
    with pytest.raises(CloudStackError):
        await alice.apis()
    assert await alice.apis() == {}


async def test_capabilities_are_cached(played: Played, alice: Account) -> None:
    played.answers["listCapabilities"] = {
        "listcapabilitiesresponse": {"capability": {"cloudstackversion": "4.20"}}
    }
    assert (await alice.capabilities())["cloudstackversion"] == "4.20"
    await alice.capabilities()
    assert len(played.asked) == 1


async def test_a_projects_calls_carry_it_where_the_command_takes_it(
    played: Played, cloudstack: CloudStack
) -> None:
    apis = [{"name": "listVolumes", "params": [{"name": "projectid"}]}, {"name": "listZones", "params": []}]
    played.answers["listApis"] = {"listapisresponse": {"api": apis}}
    played.answers["listVolumes"] = {"listvolumesresponse": {}}
    played.answers["listZones"] = {"listzonesresponse": {}}
    project = Account(cloudstack, Credentials("alice:p", "alice-key", SECRET, project_id="p"))
    await project.list("listVolumes")
    await project.list("listZones")
    await project.list("listVolumes", projectid="-1")
    asked = [(params["command"], params.get("projectid")) for params in played.asked]
    assert asked == [
        ("listApis", None),
        ("listVolumes", "p"),
        ("listApis", None),
        ("listZones", None),
        ("listVolumes", "-1"),
    ]


async def test_a_key_is_valid_when_cloudstack_answers_any_call_with_it(
    played: Played, alice: Account
) -> None:
    played.answers["listCapabilities"] = [
        {"listcapabilitiesresponse": {"capability": {}}},
        (401, {"listcapabilitiesresponse": UNVERIFIED}),
    ]
    assert await alice.is_key_valid()
    assert not await alice.is_key_valid()


async def test_observers_see_each_call_without_secrets(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    seen: list[NativeCall] = []
    cloudstack.observers.append(seen.append)
    played.answers["listZones"] = {"listzonesresponse": {}}
    played.answers["deployVirtualMachine"] = (431, {"r": REFUSED})
    with collect_calls() as calls:
        await asyncio.gather(alice.list("listZones"), alice.list("listZones", keyword="a"))
    with pytest.raises(CloudStackError):
        await alice.submit("deployVirtualMachine", userdata="cGFzc3dvcmQ=", name="web")
    assert [call.command for call in calls] == ["listZones", "listZones"]
    assert [call.command for call in seen] == ["listZones", "listZones", "deployVirtualMachine"]
    assert seen[2].params == {"userdata": "***", "name": "web"}
    assert seen[2].error is not None
    assert all(call.seconds > 0 for call in seen)
    assert SECRET not in json.dumps([dict(call.params) for call in seen])

"""Secrets looked up in CloudStack: what it was seen to answer to a look-up account, before 4.23 and since."""

import asyncio
import logging

import pytest

from ec2bridge.auth.secrets import CloudStackSecrets, Identity, identify
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.errors import Ec2Error
from tests.auth.signing import KEY, PROJECT, SECRET

USER = "0c197e75-4eca-4dcf-b36c-afb719c3dcce"
DOMAIN = "d83d7e0d-e735-11f1-b15c-02fc00000001"
KEY_ROW = {
    "apikey": KEY,
    "secretkey": SECRET,
    "userid": USER,
    "username": "alice",
    "accountname": "alice",
    "domainid": DOMAIN,
    "state": "ENABLED",
}
USER_ROW = {
    "id": USER,
    "username": "alice",
    "account": "alice",
    "domainid": DOMAIN,
    "state": "enabled",
    "apikey": KEY,
}
SISTER_ROW = {
    **USER_ROW,
    "id": "11111111-4eca-4dcf-b36c-afb719c3dcce",
    "username": "sister",
    "apikey": "OTHER",
}
SINCE_4_23 = {"listUserKeys": frozenset(("apikeyfilter", "userid")), "getUser": frozenset(("userapikey",))}
BEFORE_4_23 = {"getUser": frozenset(("userapikey",)), "getUserKeys": frozenset(("id",))}


class Service:
    """An account at the seam of native calls: answers by command, and counts them."""

    def __init__(self, answers: dict, apis=SINCE_4_23, credentials=None) -> None:
        self.answers = answers
        self.known = apis
        self.calls = []
        self.credentials = credentials

    async def may_call(self, command):
        return command in self.known

    async def takes(self, command, parameter):
        return parameter in self.known.get(command, ())

    async def call(self, command, **params):
        self.calls.append((command, params))
        await asyncio.sleep(0)
        answer = self.answers[command]
        if isinstance(answer, Exception):
            raise answer
        return answer(**params) if callable(answer) else answer

    async def list(self, command, **params):
        answer = await self.call(command, **params)
        return next((value for value in answer.values() if isinstance(value, list)), [])


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


UNKNOWN = CloudStackError("listUserKeys", 431, 431, 4350, "Could not complete request.")


def key_list(apikeyfilter):
    if apikeyfilter == KEY:
        return {"count": 1, "userapikey": [KEY_ROW]}
    raise UNKNOWN


def secrets(service, **options):
    options = {"clock": Clock(), **options}
    return CloudStackSecrets(service, **options)


async def test_one_call_finds_secret_and_owner():
    service = Service({"listUserKeys": key_list})
    found = await secrets(service).lookup(KEY)
    assert found == Credentials(KEY, KEY, SECRET, None, USER, "alice", "alice", DOMAIN)
    assert service.calls == [("listUserKeys", {"apikeyfilter": KEY})]
    assert SECRET not in repr(found)


@pytest.mark.parametrize("apis", [BEFORE_4_23, {**BEFORE_4_23, "listUserKeys": frozenset(("userid",))}])
async def test_older_servers_are_asked_for_the_user_first(apis):
    keys = {"userkeys": {"apikey": KEY, "secretkey": SECRET, "apikeyaccess": True}}
    service = Service({"getUser": {"user": USER_ROW}, "getUserKeys": keys}, apis)
    found = await secrets(service).lookup(KEY)
    assert found == Credentials(KEY, KEY, SECRET, None, USER, "alice", "alice", DOMAIN)
    assert service.calls == [("getUser", {"userapikey": KEY}), ("getUserKeys", {"id": USER})]


async def test_an_unknown_key_is_none():
    assert await secrets(Service({"listUserKeys": UNKNOWN})).lookup("NOSUCHKEY") is None
    missing = CloudStackError("getUser", 431, 431, 4350, "User with specified API key does not exist")
    assert await secrets(Service({"getUser": missing}, BEFORE_4_23)).lookup("NOSUCHKEY") is None


async def test_a_key_that_differs_by_case_is_another():
    service = Service({"listUserKeys": {"count": 1, "userapikey": [KEY_ROW]}})
    assert await secrets(service).lookup(KEY.lower()) is None


@pytest.mark.parametrize(
    "key", ["", "a b", "a/b", "é", "x" * 256, f"{KEY}:", f"{KEY}:p1", f":{PROJECT}", "a:b:c"]
)
async def test_what_cannot_be_a_key_is_not_asked_for(key):
    service = Service({})
    assert await secrets(service).lookup(key) is None
    assert service.calls == []


async def test_a_project_rides_on_its_key():
    service = Service({"listUserKeys": key_list})
    provider = secrets(service)
    found = await provider.lookup(f"{KEY}:{PROJECT.upper()}")
    assert (found.access_key, found.api_key, found.project_id) == (f"{KEY}:{PROJECT.upper()}", KEY, PROJECT)
    assert (await provider.lookup(KEY)).project_id is None
    assert len(service.calls) == 1


@pytest.mark.parametrize(
    ("answers", "apis"),
    [
        ({"listUserKeys": {"count": 1}}, SINCE_4_23),
        ({"listUserKeys": {"count": 1, "userapikey": [{**KEY_ROW, "secretkey": None}]}}, SINCE_4_23),
        ({"getUser": {"user": USER_ROW}, "getUserKeys": {"userkeys": {"apikeyaccess": True}}}, BEFORE_4_23),
    ],
)
async def test_a_hidden_secret_is_explained_to_the_operator_only(caplog, answers, apis):
    provider = secrets(Service(answers, apis))
    with pytest.raises(Ec2Error) as caught:
        await provider.lookup(KEY)
    assert caught.value.code == "AuthFailure"
    assert "role" not in caught.value.message
    assert "has rights that the look-up account lacks" in caplog.text


@pytest.mark.parametrize(
    "change",
    [{"state": "disabled"}, {"state": "LOCKED"}, {"apikeyaccess": False}],
    ids=lambda change: str(change),
)
async def test_a_disabled_user_is_refused(change):
    provider = secrets(Service({"listUserKeys": {"count": 1, "userapikey": [{**KEY_ROW, **change}]}}))
    for _ in range(2):
        with pytest.raises(Ec2Error, match="disabled or locked"):
            await provider.lookup(KEY)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CloudStackUnavailable("listUserKeys", "CloudStack could not be reached"), "Unavailable"),
        (CloudStackError("listUserKeys", 401, 401, None, "unable to verify user credentials"), "Unavailable"),
        (
            CloudStackError("listUserKeys", 432, 432, 9999, "The API [listUserKeys] does not exist"),
            "Unavailable",
        ),
        (
            CloudStackError("listUserKeys", 429, 429, None, "The given user has reached his/her limit"),
            "RequestLimitExceeded",
        ),
    ],
)
async def test_a_look_up_that_fails_blames_nobody_and_is_not_remembered(error, code):
    service = Service({"listUserKeys": error})
    provider = secrets(service)
    with pytest.raises(Ec2Error) as caught:
        await provider.lookup(KEY)
    assert (caught.value.code, caught.value.status) == (code, 503)
    service.answers["listUserKeys"] = key_list
    assert (await provider.lookup(KEY)).secret_key == SECRET


class TestMemory:
    async def test_answers_live_for_a_while(self):
        clock, service = Clock(), Service({"listUserKeys": key_list})
        provider = secrets(service, clock=clock, ttl=300, negative_ttl=10)
        for now, calls in ((0, 1), (299, 1), (300, 2)):
            clock.now = now
            assert await provider.lookup(KEY)
            assert len(service.calls) == calls

    async def test_unknown_keys_are_asked_for_again_sooner(self):
        clock, service = Clock(), Service({"listUserKeys": UNKNOWN})
        provider = secrets(service, clock=clock, ttl=300, negative_ttl=10)
        for now, calls in ((0, 1), (9, 1), (10, 2)):
            clock.now = now
            assert await provider.lookup(KEY) is None
            assert len(service.calls) == calls
        service.answers["listUserKeys"] = key_list
        clock.now = 20
        assert await provider.lookup(KEY)

    async def test_a_refusal_is_remembered_as_long(self):
        disabled = {"count": 1, "userapikey": [{**KEY_ROW, "state": "disabled"}]}
        clock, service = Clock(), Service({"listUserKeys": disabled})
        provider = secrets(service, clock=clock, ttl=300, negative_ttl=10)
        for now, calls in ((0, 1), (9, 1), (10, 2)):
            clock.now = now
            with pytest.raises(Ec2Error, match="disabled or locked"):
                await provider.lookup(KEY)
            assert len(service.calls) == calls
        provider.forget(KEY)
        service.answers["listUserKeys"] = key_list
        assert await provider.lookup(KEY)

    async def test_one_asks_for_all(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service)
        found = await asyncio.gather(*(provider.lookup(KEY) for _ in range(20)))
        assert {one.secret_key for one in found} == {SECRET}
        assert len(service.calls) == 1

    async def test_the_first_who_asks_may_leave(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service)
        first = asyncio.create_task(provider.lookup(KEY))
        second = asyncio.create_task(provider.lookup(KEY))
        await asyncio.sleep(0)
        first.cancel()
        assert await second
        assert len(service.calls) == 1

    async def test_a_refused_key_is_forgotten(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service)
        await provider.lookup(KEY)
        service.answers["listUserKeys"] = UNKNOWN
        provider.forget(f"{KEY}:{PROJECT}")
        assert await provider.lookup(KEY) is None

    async def test_what_is_forgotten_while_it_is_asked_for_is_not_kept(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service)
        asked = asyncio.create_task(provider.lookup(KEY))
        await asyncio.sleep(0)
        provider.forget(KEY)
        await asked
        await provider.lookup(KEY)
        assert len(service.calls) == 2

    async def test_made_up_keys_do_not_push_out_those_in_use(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service, size=4)
        await provider.lookup(KEY)
        for number in range(20):
            await provider.lookup(f"MADEUP{number}")
        await provider.lookup(KEY)
        assert [params["apikeyfilter"] for _, params in service.calls].count(KEY) == 1

    async def test_few_look_ups_run_at_once(self):
        running = peak = 0

        class Slow(Service):
            async def call(self, command, **params):
                nonlocal running, peak
                running += 1
                peak = max(peak, running)
                await asyncio.sleep(0.001)
                running -= 1
                raise UNKNOWN

        provider = secrets(Slow({}), parallel=3)
        await asyncio.gather(*(provider.lookup(f"K{number}") for number in range(20)))
        assert peak == 3

    async def test_no_secret_is_logged(self, caplog):
        caplog.set_level(logging.DEBUG)
        await secrets(Service({"listUserKeys": key_list})).lookup(KEY)
        assert SECRET not in caplog.text


class TestIdentity:
    """Whom credentials stand for; keys from a file say nothing of their owner."""

    CALLER = Credentials(KEY, KEY, SECRET)
    ALICE = Identity(USER, "alice", "alice", DOMAIN)

    async def test_known_since_the_look_up(self):
        service = Service({"listUserKeys": key_list})
        provider = secrets(service)
        found = await provider.lookup(KEY)
        caller = Service({}, credentials=found)
        assert await provider.identify(found, caller) == self.ALICE
        assert caller.calls == []

    async def test_the_user_with_the_callers_key(self):
        caller = Service({"listUsers": {"count": 2, "user": [SISTER_ROW, USER_ROW]}}, credentials=self.CALLER)
        assert await identify(caller) == self.ALICE
        assert caller.calls == [("listUsers", {})]

    async def test_the_only_user_whose_newest_key_is_another(self):
        rows = [{**USER_ROW, "apikey": "NEWER"}]
        assert await identify(Service({"listUsers": {"user": rows}}, credentials=self.CALLER)) == self.ALICE

    async def test_one_of_several_by_an_older_key(self):
        answers = {
            "listUsers": {"user": [SISTER_ROW, {**USER_ROW, "apikey": "NEWER"}]},
            "listUserKeys": {"userapikey": [KEY_ROW]},
        }
        assert await identify(Service(answers, credentials=self.CALLER)) == self.ALICE

    async def test_a_project_owns_what_is_in_it(self):
        credentials = Credentials(f"{KEY}:{PROJECT}", KEY, SECRET, PROJECT, USER, "alice", "alice", DOMAIN)
        caller = Service(
            {"listProjects": {"project": [{"id": PROJECT, "domainid": "D2"}]}}, credentials=credentials
        )
        assert await identify(caller) == Identity(USER, "alice", PROJECT, "D2")
        assert caller.calls == [("listProjects", {"id": PROJECT})]

    @pytest.mark.parametrize(
        "answer", [{}, CloudStackError("listProjects", 431, 431, 9999, "entity does not exist")]
    )
    async def test_a_project_that_is_not_the_callers(self, answer):
        credentials = Credentials(f"{KEY}:{PROJECT}", KEY, SECRET, PROJECT, USER, "alice", "alice", DOMAIN)
        with pytest.raises(Ec2Error, match=PROJECT) as caught:
            await identify(Service({"listProjects": answer}, credentials=credentials))
        assert caught.value.code == "AuthFailure"


async def test_a_flood_of_made_up_keys_neither_holds_up_known_ones_nor_grows(monkeypatch):
    monkeypatch.setattr("ec2bridge.auth.secrets.MOST_WAITING", 20)

    class Flooded(Service):
        async def call(self, command, **params):
            if params["apikeyfilter"] != KEY:
                await asyncio.sleep(60)
            return await super().call(command, **params)

    clock = Clock()
    provider = secrets(Flooded({"listUserKeys": key_list}), parallel=2, clock=clock)
    assert await provider.lookup(KEY)
    clock.now += 1000
    flood = [asyncio.create_task(provider.lookup(f"made-up-{number}")) for number in range(50)]
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(provider.lookup(KEY), 5)).secret_key == SECRET
    refused = [task.exception() for task in flood if task.done()]
    assert len(refused) == 30
    assert {error.code for error in refused} == {"RequestLimitExceeded"}
    under_way = list(provider._asking.values())
    for task in (*flood, *under_way):
        task.cancel()
    await asyncio.gather(*flood, *under_way, return_exceptions=True)

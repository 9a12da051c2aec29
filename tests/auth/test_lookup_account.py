"""The look-up account against the embedded CloudStack: over HTTP, with its rights and its errors."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from ec2bridge.auth.secrets import CloudStackSecrets, FileSecrets
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.errors import Ec2Error
from ec2bridge.simulator.seed import ACCOUNTS, DEFAULT_SEED, AccountSeed
from ec2bridge.simulator.server import Simulator

NARROW = AccountSeed("keylookup-too-narrow", "Key Look-up, too narrow")


@pytest.fixture
async def sim():
    async with Simulator(seed=replace(DEFAULT_SEED, accounts=(*ACCOUNTS, NARROW)), strict=True) as running:
        yield running


@asynccontextmanager
async def opened(sim):
    client = CloudStack(sim.url, attempts=1)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def cloud(sim):
    async with opened(sim) as client:
        yield client


def service(sim, cloud, name="keylookup"):
    keys = sim.accounts[name]
    return Account(cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))


async def test_it_finds_the_secrets_of_users_with_one_call_each(sim, cloud):
    provider = CloudStackSecrets(service(sim, cloud))
    for name in ("alice", "bob"):
        keys = sim.accounts[name]
        found = await provider.lookup(keys.api_key)
        assert (found.secret_key, found.account, found.user_name) == (keys.secret_key, name, name)
        identity = await provider.identify(found, Account(cloud, found))
        assert (identity.account, identity.domain_id) == (name, found.domain_id)
    assert await provider.lookup("NOSUCHKEY") is None
    assert sim.calls["listUserKeys"] == 3
    assert sim.calls["listUsers"] == 0


@pytest.mark.parametrize(("owner", "asker"), [("admin", "keylookup"), ("alice", "keylookup-too-narrow")])
async def test_it_cannot_read_the_secret_of_who_may_do_more(sim, cloud, caplog, owner, asker):
    provider = CloudStackSecrets(service(sim, cloud, asker))
    with pytest.raises(Ec2Error) as caught:
        await provider.lookup(sim.accounts[owner].api_key)
    assert caught.value.code == "AuthFailure"
    assert "has rights that the look-up account lacks" in caplog.text


@pytest.mark.parametrize("release", ["4.18", "4.19", "4.22"])
@pytest.mark.parametrize(("owner", "asker"), [("admin", "keylookup"), ("alice", "keylookup-too-narrow")])
async def test_until_4_23_it_reads_the_secret_of_who_may_do_more(release, owner, asker):
    """Recorded on a real 4.20.3: a role of type Admin is enough."""
    seed = replace(DEFAULT_SEED, accounts=(*ACCOUNTS, NARROW))
    async with Simulator(seed=seed, version=release) as sim, opened(sim) as cloud:
        found = await CloudStackSecrets(service(sim, cloud, asker)).lookup(sim.accounts[owner].api_key)
        assert found.secret_key == sim.accounts[owner].secret_key


async def test_until_4_23_a_role_of_another_type_is_told_so(caplog):
    async with Simulator(version="4.22") as sim, opened(sim) as cloud:
        asker = sim.cloud.tables["accounts"].first(name="keylookup")
        sim.cloud.tables["roles"].get(asker["roleid"])["type"] = "DomainAdmin"
        owner = "alice"
        provider = CloudStackSecrets(service(sim, cloud))
        with pytest.raises(Ec2Error) as caught:
            await provider.lookup(sim.accounts[owner].api_key)
        assert caught.value.code == "AuthFailure"
        assert "has rights that the look-up account lacks" in caplog.text
        # Known to be refused for a while: a retry asks CloudStack nothing.
        asked = sim.calls["getUserKeys"]
        with pytest.raises(Ec2Error):
            await provider.lookup(sim.accounts[owner].api_key)
        assert sim.calls["getUserKeys"] == asked


async def test_a_role_that_may_not_list_commands_finds_keys_before_4_23():
    seed = replace(DEFAULT_SEED, accounts=(*ACCOUNTS, NARROW))
    async with Simulator(seed=seed, version="4.18") as sim, opened(sim) as cloud:
        provider = CloudStackSecrets(service(sim, cloud, "keylookup-too-narrow"))
        found = await provider.lookup(sim.accounts["alice"].api_key)
        assert found.secret_key == sim.accounts["alice"].secret_key
        assert await provider.lookup("NOSUCHKEY") is None


async def test_what_a_server_does_not_have_costs_no_list_of_all_commands():
    async with Simulator(version="4.18") as sim, opened(sim) as cloud:
        alice = service(sim, cloud, "alice")
        assert not await alice.may_call("listUserKeys")
        assert not await alice.may_call("listHosts")
        assert not await alice.takes("updateVirtualMachine", "deleteprotection")
        assert sim.calls["listApis"] == 3
        # None of them was the whole list, which is kept under a name of its own.
        assert len(cloud._apis) == 0


async def test_cloudstack_down(sim, cloud):
    provider = CloudStackSecrets(service(sim, cloud))
    key = sim.accounts["alice"].api_key
    await sim.close()
    with pytest.raises(Ec2Error) as caught:
        await provider.lookup(key)
    assert (caught.value.code, caught.value.status) == ("Unavailable", 503)


async def test_keys_from_a_file_are_identified_with_themselves(sim, cloud, tmp_path):
    keys = sim.accounts["alice"]
    path = tmp_path / "cloudstack.ini"
    path.write_text(
        f"[mine]\nkey = {keys.api_key}\nsecret = {keys.secret_key}\naccess_key = AKIAIOSFODNN7EXAMPLE\n"
    )
    path.chmod(0o600)
    provider = FileSecrets(path)
    found = await provider.lookup("AKIAIOSFODNN7EXAMPLE")
    for _ in range(2):
        identity = await provider.identify(found, Account(cloud, found))
        assert (identity.account, identity.user_name) == ("alice", "alice")
    assert sim.calls["listUsers"] == 1

"""What `check` finds wrong on the bridge's own machine, each with what to do about it."""

from pathlib import Path

import pytest

from ec2bridge import config, server
from ec2bridge.serving import belonging
from ec2bridge.store import Store
from tests.operator.conftest import Operator, bad, only
from tests.serving.test_certificates import Authority


def test_tls_files_that_are_swapped_expired_strange_or_missing(operator: Operator, tmp_path: Path) -> None:
    operator.init()
    authority = Authority(tmp_path)
    chain, key = map(str, authority.issue())
    old, old_key = map(str, authority.issue(days=-1, stem="old"))
    (tmp_path / "empty").touch()

    def told(certificate: str, secret: str, level: str = "bad") -> tuple[str, str]:
        found = operator.findings(EC2BRIDGE_TLS_CERTIFICATE=certificate, EC2BRIDGE_TLS_KEY=secret)
        finding = only(found, "the TLS certificate", level)
        return finding["text"], finding.get("fix", "")

    assert told(chain, key, "ok")[0].endswith("good for 30 days")
    text, fix = told(key, chain)
    assert "the two are swapped" in text
    assert fix == f"tls_certificate = {chain!r}, tls_key = {key!r}"
    assert "the key is not the certificate's" in told(chain, old_key)[0]
    assert "expired 1 days ago" in told(old, old_key)[0]
    assert "no PEM certificate or key is in it" in told(str(tmp_path / "empty"), key)[0]
    missing = operator.run(
        "check", "--config", str(operator.file), "--tls-certificate", "/no", "--tls-key", key
    )
    assert missing.exit_code == 1
    assert "tls_certificate: /no does not exist" in missing.output
    soon, soon_key = map(str, authority.issue(days=3, stem="soon"))
    assert "expires in 3 days" in told(soon, soon_key, "note")[0]


def test_a_mappings_folder_without_tables_or_with_a_bad_one(operator: Operator, tmp_path: Path) -> None:
    operator.init()
    own = tmp_path / "mappings"
    own.mkdir()
    told = only(operator.findings(code=1, EC2BRIDGE_MAPPINGS=str(own)), "the mappings")
    assert "has no tables" in told["text"]
    assert "instance-types.yaml" in told["fix"]
    (own / "volume-types.yaml").write_bytes("default: é".encode("latin-1"))
    found = operator.findings(code=1, EC2BRIDGE_MAPPINGS=str(own))
    assert "cannot be read" in only(found, "the mappings")["text"]


@pytest.mark.parametrize(
    ("offering", "sentence"),
    [
        ("none of that name", "there is no enabled network offering 'none of that name'"),
        ("DefaultSharedNetworkOffering", "is for Shared networks"),
        ("DefaultIsolatedNetworkOfferingForVpcNetworks", "is for Isolated networks of VPCs"),
    ],
)
def test_a_network_offering_that_will_not_do(operator: Operator, offering: str, sentence: str) -> None:
    operator.init()
    told = only(operator.findings(code=1, EC2BRIDGE_NETWORK_OFFERING=offering), "the network offering")
    assert sentence in told["text"]
    assert "DefaultIsolatedNetworkOfferingWithSourceNatService" in told["fix"]


@pytest.mark.parametrize(
    ("url", "level", "sentence"),
    [
        ("nonsense", "bad", "is no URL"),
        ("ftp://127.0.0.1", "bad", "is no URL"),
        ("https://127.0.0.1:none", "bad", "has no port that is a number"),
        ("https://me@127.0.0.1/?a=b", "bad", "has more than scheme, host and port"),
        ("https://ec2.invalid", "bad", "cannot be resolved"),
        ("https://127.0.0.1/ec2", "note", "has a path"),
        ("https://localhost", "note", "is good on this machine alone"),
        ("https://127.0.0.2", "ok", "https://127.0.0.2"),
    ],
)
def test_a_public_endpoint_that_is_nonsense(operator: Operator, url: str, level: str, sentence: str) -> None:
    operator.init()
    found = operator.findings(EC2BRIDGE_PUBLIC_ENDPOINT=url)
    assert sentence in only(found, "the public endpoint", level)["text"]


def test_a_credentials_file_wins_and_is_told_of(
    operator: Operator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operator.init()
    profiles, alice = tmp_path / "profiles.ini", operator.place.sim.accounts["alice"]
    profiles.write_text(f"[alice]\nkey = {alice.api_key}\nsecret = {alice.secret_key}\n")
    profiles.chmod(0o600)
    told = only(operator.findings(code=1, EC2BRIDGE_CREDENTIALS_FILE=str(profiles)), "the keys")
    assert "credentials_file wins over the look-up account" in told["text"]
    settings = config.load(operator.file, credentials_file=str(profiles))
    with caplog.at_level("WARNING", "ec2bridge"):
        server.provider(settings, server.cloudstack(settings))
    assert "credentials_file wins over the look-up account" in caplog.text
    profiles.write_text("[alice]\n")
    found = operator.findings(code=1, EC2BRIDGE_CREDENTIALS_FILE=str(profiles))
    assert any("has no section" in finding["text"] or "missing" in finding["text"] for finding in found)
    served = operator.run("serve", "--config", str(operator.file), EC2BRIDGE_CREDENTIALS_FILE=str(profiles))
    assert served.exit_code == 1
    assert "has no section with a key and a secret" in served.output


def test_default_networks_that_are_not_there(operator: Operator) -> None:
    operator.init()
    tables = operator.place.sim.cloud.tables
    shared = tables["networks"].first(name="sg-shared") or {}
    wrong = f"nowhere={shared['id']},sim-adv={shared['id']},sim-sg=00000000-0000-0000-0000-000000000000"
    found = operator.findings(code=1, EC2BRIDGE_DEFAULT_NETWORKS=wrong)
    texts = [finding["text"] for finding in found if finding["check"] == "the default networks"]
    assert len(texts) == 3
    assert "names the zone 'nowhere'" in texts[0]
    assert "is not in sim-adv" in texts[1]
    assert "does not see 00000000-" in texts[2]


def test_a_store_that_cannot_be_written_or_lies_in_memory(operator: Operator) -> None:
    operator.init()
    told = only(operator.findings(code=0, EC2BRIDGE_STORE="memory"), "the store", "note")
    assert "end with the process" in told["text"]
    assert "PostgreSQL" in told["fix"]
    found = operator.findings(code=1, EC2BRIDGE_STORE="/proc/store.sqlite")
    assert bad(found) == ["the store"]


def test_two_listeners_on_one_address_and_a_foreign_one(operator: Operator) -> None:
    operator.init()
    found = operator.findings(
        code=1, EC2BRIDGE_LISTEN="127.0.0.1:8788", EC2BRIDGE_METRICS_LISTEN="127.0.0.1:8788"
    )
    assert "the same address" in only(found, "the addresses")["text"]
    foreign = operator.findings(code=1, EC2BRIDGE_LISTEN="192.0.2.1:8788")
    assert "name an address of this machine" in only(foreign, "the addresses")["fix"]


def test_regions_and_proxies_that_will_not_do(operator: Operator) -> None:
    operator.init()
    found = operator.findings(
        code=1,
        EC2BRIDGE_TRUSTED_PROXIES="0.0.0.0/0",
        EC2BRIDGE_REGIONS="a=http://192.0.2.1,b=http://192.0.2.1",
    )
    assert "any client may write" in only(found, "traces and proxies", "note")["text"]
    assert "have one endpoint" in only(found, "the region")["text"]
    named = operator.findings(
        code=0,
        EC2BRIDGE_REGION="pouet-1",
        EC2BRIDGE_ZONES="pouet-1a=sim-adv,pouet-1b=sim-basic,pouet-1c=sim-sg",
    )
    assert "no region of AWS's" in only(named, "the region", "note")["text"]


def test_other_regions_are_asked(operator: Operator) -> None:
    operator.init()
    others = f"us-west-2={operator.place.url},eu-west-1=http://127.0.0.1:9"
    found = operator.findings(code=0, EC2BRIDGE_REGIONS=others)
    told = [(finding["level"], finding["text"]) for finding in found if finding["check"] == "the region"]
    assert told == [
        ("ok", "us-east-1"),
        ("note", "eu-west-1: http://127.0.0.1:9 does not answer: 127.0.0.1:9: Connection refused"),
        ("ok", f"us-west-2: {operator.place.url} answers"),
    ]


def test_a_store_of_another_cloud_is_told(operator: Operator) -> None:
    operator.init()
    file = operator.folder / "store.sqlite"

    async def write(zones: list[str]) -> None:
        store = Store(str(file))
        await store.start()
        await store.put(belonging.EVERYONE, belonging.KIND, belonging.ZONES, zones)
        await store.close()

    operator.place.run(write(["00000000-0000-0000-0000-000000000000"]))
    told = only(operator.findings(code=1), "the store belongs to this cloud")
    assert "it was written for another cloud" in told["text"]
    operator.place.run(write([row["id"] for row in operator.place.sim.cloud.tables["zones"]]))
    operator.findings(code=0)

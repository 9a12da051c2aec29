"""Settings: file below environment below flags, and a sentence for everything that is wrong."""

import re
from pathlib import Path

import pytest

from ec2bridge import config
from ec2bridge.config import SettingsError
from tests.walk.blocks import marked

GOOD = {
    "cloudstack_url": "https://cloud.example/client/api",
    "service_api_key": "k",
    "service_secret_key": "s",
}


def test_flags_outrank_the_environment_which_outranks_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ec2bridge.toml"
    file.write_text('region = "file"\nlisten = "127.0.0.1:1"\nlog_level = "debug"\n[zones]\nfilea = "z1"\n')
    monkeypatch.setenv("EC2BRIDGE_REGION", "environment")
    monkeypatch.setenv("EC2BRIDGE_LISTEN", "127.0.0.1:2")
    settings = config.load(file, **GOOD, listen="127.0.0.1:3")
    assert (settings.log_level, settings.region, settings.listen) == ("DEBUG", "environment", "127.0.0.1:3")
    assert settings.zones == {"filea": "z1"}


def test_pairs_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EC2BRIDGE_ZONES", "pouet-1a=zone one, pouet-1b=zone two")
    assert config.load(None, **GOOD).zones == {"pouet-1a": "zone one", "pouet-1b": "zone two"}


def test_the_secret_key_is_not_shown() -> None:
    assert "s3cret" not in repr(config.load(None, **{**GOOD, "service_secret_key": "s3cret"}))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"cloudstack_url": None}, "The setting cloudstack_url is missing: set EC2BRIDGE_CLOUDSTACK_URL"),
        ({"cloudstack_url": "cloud.example"}, "cloudstack_url is wrong: write the whole URL"),
        ({"listen": "here"}, "The setting listen is wrong: 'here' is not HOST:PORT"),
        ({"listen": "127.0.0.1:70000"}, "is not HOST:PORT"),
        ({"service_secret_key": None}, "service_api_key and service_secret_key go together"),
        ({"service_api_key": None, "service_secret_key": None}, "set service_api_key and service_secret_key"),
        ({"credentials_file": "/nonexistent/keys"}, "/nonexistent/keys does not exist"),
        ({"tls_certificate": "/nonexistent/pem"}, "tls_certificate and tls_key go together"),
        ({"max_body": 0}, "The setting max_body is wrong"),
        ({"zones": "one"}, "The setting zones is wrong: write it as NAME=VALUE"),
        ({"log_format": "xml"}, "The setting log_format is wrong: choose text or json"),
        ({"trusted_proxies": "10.0.0.300"}, "trusted_proxies is wrong: '10.0.0.300' does not appear to be"),
        ({"throttle": -1}, "The setting throttle is wrong"),
        ({"idle_timeout": 0}, "The setting idle_timeout is wrong"),
        ({"call_timeout": "inf"}, "The setting call_timeout is wrong: Input should be a finite number"),
        ({"default_vpc_cidr": "10.0.0.0/33"}, "default_vpc_cidr is wrong: .*; write a network such as"),
        ({"default_vpc_cidr": "fe80::/10"}, "default_vpc_cidr is wrong"),
        ({"region": ""}, "The setting region is wrong: '' is no region's name"),
        ({"region": "our region"}, "'our region' is no region's name"),
        ({"cloudstack_ca": "/nonexistent/ca.pem"}, "cloudstack_ca: /nonexistent/ca.pem does not exist"),
        ({"traces": "collector:4318"}, "traces is wrong: write the collector's whole URL"),
        ({"log_level": "LOUD"}, "choose DEBUG, INFO, WARNING or ERROR"),
        ({"no_such_setting": "1"}, "There is no setting called no_such_setting"),
    ],
)
def test_a_wrong_setting_is_named_in_a_sentence(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence.replace("(", r"\(")):
        config.load(None, **{**GOOD, **changed})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("region =")
    with pytest.raises(SettingsError, match=r"broken\.toml is not TOML"):
        config.load(file, **GOOD)
    with pytest.raises(SettingsError, match=r"missing\.toml cannot be read"):
        config.load(tmp_path / "missing.toml", **GOOD)


def test_trusted_proxies_are_networks_however_they_are_written() -> None:
    for written in ("10.1.2.3/8, 192.0.2.1,2001:db8::/32", ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]):
        found = config.load(None, **{**GOOD, "trusted_proxies": written}).trusted_proxies
        assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]


def test_a_mistyped_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EC2BRIDGE_LISTN", "127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"has EC2BRIDGE_LISTN, .*; perhaps EC2BRIDGE_LISTEN is meant"):
        config.load(None, **GOOD)


def test_what_kubernetes_tells_of_a_service_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8788_TCP_ADDR", "METRICS_SERVICE_PORT"):
        monkeypatch.setenv(f"EC2BRIDGE_{name}", "10.0.0.1")
    config.load(None, **GOOD)


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ca.pem").touch()
    settings = config.load(None, **GOOD, cloudstack_ca="~/ca.pem", store="~/store")
    assert (settings.cloudstack_ca, settings.store) == (tmp_path / "ca.pem", str(tmp_path / "store"))


def test_the_help_names_variable_and_default() -> None:
    assert config.described("listen").endswith("[EC2BRIDGE_LISTEN; default: 127.0.0.1:8788]")
    assert config.described("expunge").endswith("[EC2BRIDGE_EXPUNGE; default: true]")
    assert config.described("mappings").endswith("[EC2BRIDGE_MAPPINGS; no default]")


def test_a_file_that_is_not_utf8_is_told_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "ec2bridge.toml"
    file.write_bytes('region = "zürich"'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"is not UTF-8 text \(byte 12 is 0xfc\)"):
        config.load(file, **GOOD)
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        config.store_location(file)


def test_other_regions_have_whole_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "EC2BRIDGE_REGIONS", "us-west-2=https://ec2.west.example/, eu-west-1=http://192.0.2.7:8788"
    )
    assert config.load(None, **GOOD).regions == {
        "us-west-2": "https://ec2.west.example",
        "eu-west-1": "http://192.0.2.7:8788",
    }
    for wrong in ("ec2.west.example", "ftp://ec2.west.example", "https://"):
        with pytest.raises(
            SettingsError, match=r"us-west-2 = .*: write a region's name and its endpoint's whole"
        ):
            config.load(None, **GOOD, regions={"us-west-2": wrong})


def shown_by_the_guide(what: str) -> str:
    """Return the block of docs/operators.md in which something stands."""
    [block] = [text for text in marked("docs/operators.md", "tests/test_config.py") if what in text]
    return block


def test_the_guides_settings_for_other_machines_are_read(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).touch()
    file = tmp_path / "ec2bridge.toml"
    file.write_text(shown_by_the_guide("listen").replace("/etc/ec2bridge/tls", str(tmp_path)))
    settings = config.load(file, **GOOD)
    assert (settings.listen, settings.public_endpoint) == ("0.0.0.0:8788", "https://ec2.cloud.example")
    assert (settings.tls_certificate, settings.tls_key) == (tmp_path / "chain.pem", tmp_path / "key.pem")


def test_the_guides_regions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ec2bridge.toml"
    file.write_text(shown_by_the_guide("[regions]"))
    assert set(config.load(file, **GOOD).regions) == {"us-west-2", "eu-west-1"}


def test_the_guides_proxy_lets_through_what_the_bridge_takes() -> None:
    proxy = dict(re.findall(r"^ +(\w+) (.+);$", shown_by_the_guide("proxy_pass"), re.MULTILINE))
    settings = config.load(None, **GOOD)
    assert int(proxy["proxy_read_timeout"].removesuffix("s")) > settings.job_timeout
    assert int(proxy["client_max_body_size"].removesuffix("m")) * 2**20 == settings.max_body
    assert proxy["proxy_next_upstream"] == "off"

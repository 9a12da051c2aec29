"""Certificates on both sides: renewed without a restart, and a private CA that is named or told of."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ec2bridge.__main__ import main
from ec2bridge.config import SettingsError
from ec2bridge.serving import certificates
from ec2bridge.serving.certificates import Certificate
from tests.conftest import Place
from tests.sockets import until_closed

Pair = tuple[Path, Path]


class Authority:
    """A private CA that writes certificates for 127.0.0.1 and localhost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A private CA")])
        self.certificate = self.sign(self.name, self.key.public_key(), 3650, authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(
        self, subject: x509.Name, key: Any, days: int, *, authority: bool = False, names: Any = ()
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, *names: str, days: int = 30, stem: str = "server") -> Pair:
        """Write a certificate and its key, over those that are there."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
        signed = self.sign(
            subject, key.public_key(), days, names=[x509.DNSName(name) for name in names or ("localhost",)]
        )
        chain, secret = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return chain, secret


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shown(place: Place, authority: Authority) -> str:
    """The certificate that a client is shown, which it must trust."""
    address = "localhost", urlsplit(place.url).port or 0
    return ssl.get_server_certificate(address, ca_certs=str(authority.file))


def test_a_renewed_certificate_is_shown_without_a_restart(
    make_place: Callable[..., Place], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_EVERY", 0.05)
    chain, key = authority.issue()
    place = make_place({"tls_certificate": str(chain), "tls_key": str(key), "listen": "localhost:0"})
    before = shown(place, authority)
    authority.issue()
    deadline = time.monotonic() + 60
    while shown(place, authority) == before:
        assert time.monotonic() < deadline
    client = place.client(endpoint_url=place.url, verify=str(authority.file))
    assert client.describe_regions()["Regions"]


def test_half_a_renewal_leaves_the_old_pair_in_use(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    chain, key = authority.issue()
    served = Certificate(chain, key)
    old_key = key.read_bytes()
    authority.issue(days=60)
    new_key = key.read_bytes()
    key.write_bytes(old_key)
    assert not served.renew()
    assert "the old one still is" in caplog.text
    assert "the key is not the certificate's" in caplog.text
    caplog.clear()
    assert not served.renew()
    assert caplog.text == ""
    key.write_bytes(new_key)
    assert served.renew()


def test_the_expiry_is_known(authority: Authority) -> None:
    served = Certificate(*authority.issue(days=30))
    assert served.expires == pytest.approx(time.time() + 30 * 86400, abs=60)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda chain, key: (key, chain), "cannot be used: no PEM certificate"),
        (lambda chain, key: (chain, chain), "cannot be used"),
    ],
)
def test_files_that_are_no_pair_are_told_in_words(
    authority: Authority, spoil: Callable[[Path, Path], Pair], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        Certificate(*spoil(*authority.issue()))
    assert "_ssl.c" not in str(refused.value)


# --- CloudStack's own certificate ----------------------------------------------------------------------------------


def behind_tls(place: Place, pair: Pair) -> str:
    """Have the embedded CloudStack speak TLS, too; return its URL there."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)

    async def listen() -> int:
        runner = place.sim._runner
        assert runner is not None
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return int(runner.addresses[-1][1])

    return f"https://localhost:{place.run(listen())}/client/api"


def check(place: Place, url: str, **environment: str) -> tuple[int, str]:
    """Run `ec2bridge check` against the embedded CloudStack at a URL."""
    keys = place.sim.accounts["keylookup"]
    named = {
        "EC2BRIDGE_CLOUDSTACK_URL": url,
        "EC2BRIDGE_SERVICE_API_KEY": keys.api_key,
        "EC2BRIDGE_SERVICE_SECRET_KEY": keys.secret_key,
        "EC2BRIDGE_STORE": "memory",
    }
    done = CliRunner().invoke(main, ["check"], env=named | environment)
    # A client that does not trust the certificate hangs up in the middle of the handshake.
    if urlsplit(url).port != urlsplit(place.sim.url).port:
        until_closed(urlsplit(url).port or 80)
    return done.exit_code, done.output


def test_a_private_ca_is_trusted_once_it_is_named(place: Place, authority: Authority) -> None:
    url = behind_tls(place, authority.issue())
    code, said = check(place, url)
    assert code == 1
    assert "its certificate is not trusted (unable to get local issuer certificate)" in said
    assert "cloudstack_ca" in said
    assert check(place, url, EC2BRIDGE_CLOUDSTACK_CA=str(authority.file))[0] == 0


def test_clients_are_served_behind_a_private_ca(
    place: Place, make_place: Callable[..., Place], authority: Authority
) -> None:
    keys = place.sim.accounts["keylookup"]
    url = behind_tls(place, authority.issue())
    other = make_place(
        {
            "cloudstack_url": url,
            "cloudstack_ca": str(authority.file),
            "service_api_key": keys.api_key,
            "service_secret_key": keys.secret_key,
        }
    )
    alice = place.sim.accounts["alice"]
    client = other.client(aws_access_key_id=alice.api_key, aws_secret_access_key=alice.secret_key)
    assert client.describe_key_pairs()["KeyPairs"] == []
    # Whoever has the last word of TLS must be heard before the embedded CloudStack goes.
    other.run(other.stack.aclose())
    until_closed(urlsplit(url).port or 80)


@pytest.mark.parametrize(
    ("name", "days", "sentence"),
    [
        ("elsewhere.example", 30, "certificate is not valid for 'localhost'"),
        ("localhost", -1, "its certificate is not trusted (certificate has expired)"),
    ],
)
def test_a_certificate_that_no_ca_makes_good_is_told_as_such(
    place: Place, authority: Authority, name: str, days: int, sentence: str
) -> None:
    url = behind_tls(place, authority.issue(name, days=days))
    code, said = check(place, url, EC2BRIDGE_CLOUDSTACK_CA=str(authority.file))
    assert code == 1
    assert sentence in said
    assert "private CA" not in said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "https://127.0.0.1:{port}/client/api",
            "what answers there is not TLS: http:// instead of https://?",
        ),
        ("http://127.0.0.1:9/client/api", "127.0.0.1:9: Connection refused"),
        ("http://cloud.invalid/client/api", "the name cloud.invalid cannot be resolved"),
        ("https://127.0.0.1:{tls}/client/api", "its certificate is not trusted"),
        ("http://127.0.0.1:{tls}/client/api", "CloudStack"),
    ],
)
def test_whatever_keeps_cloudstack_away_is_told_without_pythons_names(
    place: Place, authority: Authority, url: str, sentence: str
) -> None:
    tls = urlsplit(behind_tls(place, authority.issue())).port
    code, said = check(place, url.format(port=urlsplit(place.sim.url).port, tls=tls))
    assert code == 1
    assert sentence in said
    for word in ("Client", "Error", "Errno", "_ssl", "Traceback"):
        assert word not in said


def test_a_ca_file_that_is_none_is_told(place: Place, tmp_path: Path) -> None:
    nothing = tmp_path / "ca.pem"
    nothing.write_text("no certificate")
    code, said = check(place, place.sim.url, EC2BRIDGE_CLOUDSTACK_CA=str(nothing))
    assert code == 1
    assert f"cloudstack_ca: {nothing} holds no PEM certificates" in said

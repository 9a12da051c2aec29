"""Key pairs as clients use them: the private half works, and fingerprints are those that AWS would show."""

import base64
import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.resources.key_pairs import formats as key_formats
from tests.native import Native


def refused(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def native(place: Any, account: str) -> Any:
    """CloudStack as the account sees it when it does not go through the bridge."""
    keys = place.sim.accounts[account]
    return Account(place.bridge.site.cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))


def ssh_line(private: Any) -> bytes:
    return private.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def test_a_new_key_pair_comes_with_its_private_half_and_the_fingerprint_that_jenkins_computes(ec2):
    made = ec2.create_key_pair(KeyName="jenkins")
    private = form.load_pem_private_key(made["KeyMaterial"].encode(), None)
    der = private.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())
    assert made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["KeyFingerprint"] == hashlib.sha1(der).digest().hex(":")

    (shown,) = ec2.describe_key_pairs()["KeyPairs"]
    assert shown["KeyFingerprint"] == made["KeyFingerprint"]
    assert shown["KeyPairId"] == made["KeyPairId"]
    assert shown["KeyType"] == "rsa"
    assert "PublicKey" not in shown


def test_an_imported_key_has_the_md5_of_its_der_form(ec2, rsa_key):
    ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=ssh_line(rsa_key) + b" me@laptop")
    der = rsa_key.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    (shown,) = ec2.describe_key_pairs(KeyNames=["mine"], IncludePublicKey=True)["KeyPairs"]
    assert shown["KeyFingerprint"] == hashlib.md5(der).digest().hex(":")
    assert shown["PublicKey"].split() == [*ssh_line(rsa_key).decode().split(), "mine"]


def test_ed25519_keys_are_made_in_openssh_form_with_a_sha256_fingerprint(ec2):
    made = ec2.create_key_pair(KeyName="ed", KeyType="ed25519")
    private = form.load_ssh_private_key(made["KeyMaterial"].encode(), None)
    blob = base64.b64decode(ssh_line(private).split()[1])
    assert made["KeyFingerprint"] == base64.b64encode(hashlib.sha256(blob).digest()).decode()
    assert ec2.describe_key_pairs()["KeyPairs"][0]["KeyType"] == "ed25519"


@pytest.mark.parametrize("key_type", ["rsa", "ed25519"])
def test_putty_gets_its_own_format(ec2, key_type):
    text = ec2.create_key_pair(KeyName="putty", KeyType=key_type, KeyFormat="ppk")["KeyMaterial"]
    assert text.splitlines()[0] == f"PuTTY-User-Key-File-2: ssh-{key_type}"
    assert text.splitlines()[2] == "Comment: putty"
    # The checksum covers all fields; puttygen read files of this code when it was written.
    assert len(text.splitlines()[-1]) == len("Private-MAC: ") + 40


def test_every_notation_of_a_public_key_is_understood(rsa_key):
    public = rsa_key.public_key()
    line = ssh_line(rsa_key).decode()
    der = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    blob = line.split()[1]
    rfc4716 = (
        '---- BEGIN SSH2 PUBLIC KEY ----\nComment: "a long \\\ncomment"\n'
        + "\n".join(blob[at : at + 70] for at in range(0, len(blob), 70))
        + "\n---- END SSH2 PUBLIC KEY ----\n"
    )
    notations = [
        line.encode(),
        line.encode() + b" with a comment\n",
        der,
        base64.b64encode(der),
        public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(form.Encoding.PEM, form.PublicFormat.PKCS1),
        rfc4716.encode(),
        base64.b64encode(line.encode()),
    ]
    assert {key_formats.imported(notation).line for notation in notations} == {line}


@pytest.mark.parametrize("material", [b"not a key", b"ssh-rsa AAAA", b"\x00\xff", b"ssh-rsa"])
def test_what_is_no_key_is_refused(ec2, material):
    assert refused(ec2.import_key_pair, KeyName="k", PublicKeyMaterial=material) == "InvalidKey.Format"


def test_keys_that_aws_does_not_take_are_refused(ec2):
    curve = ec.generate_private_key(ec.SECP256R1())
    assert refused(ec2.import_key_pair, KeyName="k", PublicKeyMaterial=ssh_line(curve)) == "InvalidKey.Format"


def test_a_name_is_taken_once(ec2, rsa_key):
    ec2.create_key_pair(KeyName="k")
    assert refused(ec2.create_key_pair, KeyName="k") == "InvalidKeyPair.Duplicate"
    material = ssh_line(rsa_key)
    assert refused(ec2.import_key_pair, KeyName="k", PublicKeyMaterial=material) == "InvalidKeyPair.Duplicate"


def test_ansible_imports_a_key_under_a_passing_name_to_read_its_fingerprint(place, ec2, rsa_key):
    material = ssh_line(rsa_key)
    first = ec2.import_key_pair(KeyName="first", PublicKeyMaterial=material)
    passing = ec2.import_key_pair(KeyName="ansible-1", PublicKeyMaterial=material)
    assert passing["KeyFingerprint"] == first["KeyFingerprint"]
    assert passing["KeyPairId"] != first["KeyPairId"]
    shown = ec2.describe_key_pairs()["KeyPairs"]
    assert {key["KeyName"]: key["KeyPairId"] for key in shown} == {
        "first": first["KeyPairId"],
        "ansible-1": passing["KeyPairId"],
    }
    assert refused(ec2.create_key_pair, KeyName="ansible-1") == "InvalidKeyPair.Duplicate"
    ec2.delete_key_pair(KeyName="ansible-1")
    assert [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]] == ["first"]
    # CloudStack itself takes a key only once.
    assert len(place.run(native(place, "alice").list("listSSHKeyPairs"))) == 1


def test_another_name_of_a_key_outlives_the_first(place, ec2, rsa_key):
    specification = [{"ResourceType": "key-pair", "Tags": [{"Key": "n", "Value": "2"}]}]
    material = ssh_line(rsa_key)
    ec2.import_key_pair(KeyName="one", PublicKeyMaterial=material)
    ec2.import_key_pair(KeyName="two", PublicKeyMaterial=material, TagSpecifications=specification)
    third = ec2.import_key_pair(KeyName="three", PublicKeyMaterial=material)["KeyPairId"]
    ec2.create_tags(Resources=[third], Tags=[{"Key": "n", "Value": "3"}])
    ec2.delete_key_pair(KeyName="one")
    shown = ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"]
    assert {key["KeyName"]: key["Tags"][0]["Value"] for key in shown} == {"two": "2", "three": "3"}
    assert {key["PublicKey"].split()[1] for key in shown} == {material.decode().split()[1]}
    (row,) = place.run(native(place, "alice").list("listSSHKeyPairs"))
    assert row["name"] == "two"
    ec2.delete_key_pair(KeyName="two")
    ec2.delete_key_pair(KeyPairId=third)
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert place.run(native(place, "alice").list("listSSHKeyPairs")) == []
    assert ec2.describe_tags()["Tags"] == []


def test_a_machine_shows_the_name_that_it_was_launched_with(ec2, rsa_key):
    for name in ("one", "two"):
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=ssh_line(rsa_key))
    image = ec2.describe_images()["Images"][0]["ImageId"]
    launch = {"ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
    for name in ("one", "two"):
        (machine,) = ec2.run_instances(**launch, KeyName=name)["Instances"]
        assert machine["KeyName"] == name
    assert refused(ec2.run_instances, **launch, KeyName="three") == "InvalidKeyPair.NotFound"


def test_a_key_of_the_portal_can_be_imported_under_another_name(place, ec2, rsa_key):
    line = ssh_line(rsa_key).decode()
    place.run(native(place, "alice").call("registerSSHKeyPair", name="portal", publickey=line))
    ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=line.encode())
    assert len(ec2.describe_key_pairs()["KeyPairs"]) == 2


def test_docker_machine_learns_that_its_key_is_not_there_yet(ec2):
    assert refused(ec2.describe_key_pairs, KeyNames=["machine"]) == "InvalidKeyPair.NotFound"


def test_deleting_by_name_or_id_and_what_does_not_exist(place, ec2):
    first = ec2.create_key_pair(KeyName="a")["KeyPairId"]
    second = ec2.create_key_pair(KeyName="b")["KeyPairId"]
    assert ec2.delete_key_pair(KeyName="a")["KeyPairId"] == first
    assert ec2.delete_key_pair(KeyName="a", KeyPairId=second)["Return"] is True
    [row] = Native(place).list("listSSHKeyPairs")
    assert ec2.delete_key_pair(KeyPairId=row["id"])["KeyPairId"] == second
    assert ec2.delete_key_pair(KeyName="a")["Return"] is True
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert refused(ec2.delete_key_pair) == "MissingParameter"


def test_key_pairs_carry_tags_that_go_with_them(ec2):
    specification = [{"ResourceType": "key-pair", "Tags": [{"Key": "team", "Value": "a"}]}]
    made = ec2.create_key_pair(KeyName="k", TagSpecifications=specification)
    assert made["Tags"] == [{"Key": "team", "Value": "a"}]
    found = ec2.describe_key_pairs(Filters=[{"Name": "tag:team", "Values": ["a*"]}])["KeyPairs"]
    assert [key["KeyName"] for key in found] == ["k"]
    ec2.delete_key_pair(KeyName="k")
    assert ec2.describe_tags()["Tags"] == []


def test_filters(ec2):
    made = ec2.create_key_pair(KeyName="web")
    ec2.create_key_pair(KeyName="db", KeyType="ed25519")
    for name, value in (
        ("key-name", "w?b"),
        ("key-pair-id", made["KeyPairId"]),
        ("fingerprint", made["KeyFingerprint"]),
    ):
        found = ec2.describe_key_pairs(Filters=[{"Name": name, "Values": [value]}])["KeyPairs"]
        assert [key["KeyName"] for key in found] == ["web"]


def test_a_key_pair_made_elsewhere_shows_what_cloudstack_knows(place, ec2, rsa_key):
    line = ssh_line(rsa_key).decode()
    place.run(native(place, "alice").call("registerSSHKeyPair", name="portal", publickey=line))
    (shown,) = ec2.describe_key_pairs()["KeyPairs"]
    assert shown["KeyFingerprint"] == hashlib.md5(base64.b64decode(line.split()[1])).digest().hex(":")
    assert "KeyType" not in shown


def test_a_dry_run_makes_nothing(ec2):
    assert refused(ec2.create_key_pair, KeyName="k", DryRun=True) == "DryRunOperation"
    assert ec2.describe_key_pairs()["KeyPairs"] == []


@pytest.mark.parametrize("name", ["", "a" * 256, "line\nbreak", "é"])
def test_names_that_cannot_be(ec2, name):
    assert refused(ec2.create_key_pair, KeyName=name) in ("MissingParameter", "InvalidParameterValue")


def test_a_listing_costs_one_native_call(place, ec2):
    ec2.create_key_pair(KeyName="a", KeyType="ed25519")
    assert place.commands(ec2.describe_key_pairs) == ["listSSHKeyPairs"]


def test_keys_of_a_weak_or_strange_length_are_refused():
    private = rsa.generate_private_key(65537, 2056)
    with pytest.raises(key_formats.Ec2Error, match="2056 bits"):
        key_formats.imported(ssh_line(private))


def test_a_private_key_is_no_public_one():
    private = ed25519.Ed25519PrivateKey.generate()
    text = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    with pytest.raises(key_formats.Ec2Error):
        key_formats.imported(text)

"""Whatever is refused says why: every member that an action does not honour, and every sentence in the code."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import ec2bridge
from ec2bridge.ec2 import refused_members, registry
from ec2bridge.errors import Ec2Error
from ec2bridge.wire.model import operation
from tests.conftest import Place

PACKAGE = Path(ec2bridge.__file__).parent
TOLD = re.compile(r"is not supported[^:.]*(?:: |\. [A-Z])")


def launch(ec2: Any) -> dict[str, Any]:
    """What RunInstances needs."""
    image = ec2.describe_images()["Images"][0]["ImageId"]
    return {"ImageId": image, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1}


def refused() -> Iterator[tuple[str, str, str]]:
    """Every scalar member that a served action refuses, those of a launch template's data among them."""
    registry.load()
    for entry in registry.served():
        op = operation(entry.name, entry.service)
        assert op is not None
        for path, why in registry.refused(entry, op.input.scalars if op.input else ()).items():
            yield entry.name, path, why
    launch, template = registry.find("RunInstances"), operation("CreateLaunchTemplate")
    assert launch is not None
    assert template is not None
    data = template.input_members["LaunchTemplateData"].shape.scalars
    yield from (("RunInstances", path, why) for path, why in registry.refused(launch, data).items())


def test_every_member_that_is_refused_has_a_reason_of_its_own() -> None:
    found = list(refused())
    assert len(found) > 300
    assert [(action, path) for action, path, why in found if why == refused_members.NEWER] == []


@pytest.mark.parametrize(("pattern", "why"), refused_members.REASONS)
def test_a_reason_ends_no_sentence_and_fits_one(pattern: str, why: str) -> None:
    assert not why.endswith("."), f"the reason of {pattern}"
    assert len(why) < 150, f"the reason of {pattern}"


@pytest.mark.parametrize(
    ("member", "value", "sentence"),
    [
        (
            "Placement",
            {"Tenancy": "dedicated"},
            "The parameter Placement.Tenancy with the value 'dedicated' is not supported by RunInstances: CloudStack's"
            " hosts are dedicated by its administrator (dedicateHost); ask them, and leave it out. A bridge with the"
            " setting lenient ignores it.",
        ),
    ],
)
def test_a_refusal_says_why_and_how_to_go_on(member: str, value: dict[str, Any], sentence: str) -> None:
    registry.load()
    entry = registry.find("RunInstances")
    assert entry is not None
    with pytest.raises(Ec2Error) as caught:
        registry.check_members(entry, {member: value})
    assert (caught.value.code, caught.value.message) == ("UnsupportedOperation", sentence)


def test_a_lenient_bridge_ignores_it(make_place: Callable[..., Place]) -> None:
    ec2 = make_place({"lenient": True}).client()
    asked = {**launch(ec2), "IamInstanceProfile": {"Name": "web"}}
    [made] = ec2.run_instances(**asked)["Instances"]
    assert "IamInstanceProfile" not in made


def sentences(tree: ast.AST) -> Iterator[str]:
    """The strings of a module as one would read them; what is filled in is `…`."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_no_sentence_of_the_code_refuses_without_a_word_of_why() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if "simulator" not in path.parts]
    found = [
        (path.name, sentence)
        for path in modules
        for sentence in sentences(ast.parse(path.read_text(encoding="utf-8")))
        if "is not supported" in sentence and "%s" not in sentence
    ]
    assert len(found) > 20
    assert [(name, sentence) for name, sentence in found if not TOLD.search(sentence)] == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"EnaSupport": {"Value": True}},
            "CloudStack's hypervisor and template say what network cards a machine has",
        ),
        ({"Kernel": {"Value": "aki-1"}}, "CloudStack boots the kernel that is in the image"),
    ],
)
def test_an_attribute_that_nobody_can_change_says_why(place: Place, change: dict[str, Any], why: str) -> None:
    ec2 = place.client()
    [made] = ec2.run_instances(**launch(ec2))["Instances"]
    with pytest.raises(ClientError, match=f"is not supported: {why}\\.$"):
        ec2.modify_instance_attribute(InstanceId=made["InstanceId"], **change)

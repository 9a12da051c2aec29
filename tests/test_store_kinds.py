"""The table of kinds of records and the code know of the same ones."""

import ast
from pathlib import Path

from ec2bridge.store_kinds import KINDS, Away, kind_of

CODE = Path(__file__).parent.parent / "ec2bridge"
TABLE = CODE / "store_kinds.py"


def test_every_kind_is_one_that_the_code_names() -> None:
    named: set[str] = set()
    for path in CODE.rglob("*.py"):
        if path != TABLE and "simulator" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    named.add(node.value.removesuffix(":"))
    assert set(KINDS) - named == set()


def test_a_kind_is_found_by_the_name_that_records_have() -> None:
    assert kind_of("token:RunInstances") is KINDS["token"]
    assert kind_of("journal") is KINDS["journal"]
    assert kind_of("unheard-of") is None


def test_an_object_that_lies_in_the_store_alone_is_never_told_to_be_gone() -> None:
    """A Describe may do without a kind only where CloudStack has the object itself."""
    alone = {name for name, kind in KINDS.items() if "is gone" in kind.lost and name != "tags"}
    assert {name for name in alone if KINDS[name].away is Away.NOTHING} == set()
    assert {"internet-gateway", "route-table", "launch-template", "empty-snapshot"} <= alone

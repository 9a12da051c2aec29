"""The tables are right as they come, can be replaced file by file, and say what is wrong with them."""

import re
from pathlib import Path

import pytest

from ec2bridge.mapping import ErrorTable, MappingError, Size, load_mappings, packaged
from tests.walk.blocks import marked


def test_the_tables_that_come_with_the_program_are_good() -> None:
    mappings = load_mappings()
    assert mappings.instance_types.types["t3.micro"] == Size(2, 1024)
    assert mappings.instance_types.types["m5.24xlarge"] == Size(96, 393216)
    assert len(mappings.instance_types.types) > 250
    assert mappings.volume_types.default == "gp2"
    assert set(mappings.volume_types.types) == {"gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"}
    assert len(mappings.errors.errors) > 100


def test_families_know_what_clients_ask() -> None:
    table = load_mappings().instance_types
    t3, t4g, m5 = table.family("t3.micro"), table.family("t4g.small"), table.family("m5.large")
    assert t3 is not None
    assert t4g is not None
    assert m5 is not None
    assert (t3.burstable, m5.burstable) == (True, False)
    assert (m5.architectures, t4g.architectures) == (("x86_64",), ("arm64",))
    assert table.family("t3.bogus") is None
    assert table.family("Small Instance") is None


@pytest.mark.parametrize(
    ("row", "volume_type"),
    [
        ({"name": "gp3"}, "gp3"),
        ({"name": "GP2"}, "gp2"),
        ({"name": "Fast disk", "tags": "nvme, rack4"}, "io2"),
        ({"name": "Small"}, "standard"),
        ({"name": "a volume", "diskofferingname": "io1", "tags": [{"key": "x", "value": "ssd"}]}, "io1"),
        ({"name": "gp3", "diskofferingname": "Custom"}, "standard"),
    ],
)
def test_a_volume_type_is_found_by_offering_name_or_storage_tag(
    row: dict[str, object], volume_type: str
) -> None:
    assert load_mappings().volume_types.type_of(row) == volume_type


def test_a_directory_replaces_files_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "volume-types.yaml").write_text(
        "{default: gp2, other: gp2, types: {gp2: {offerings: [Gold]}}}"
    )
    mappings = load_mappings(tmp_path)
    assert mappings.volume_types.type_of({"name": "gold"}) == "gp2"
    assert mappings.instance_types == load_mappings().instance_types


def refused(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text)
    with pytest.raises(MappingError) as caught:
        load_mappings(tmp_path)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("errors: [{code: X, colour: red}]", "errors.yaml: errors → row 1 → colour → unknown key."),
        (
            "errors: [{errorcode: 1, code: X}, {text: '(', code: X}]",
            "errors.yaml: errors → row 2 → text → the text '(' is no regular expression: "
            "missing ), unterminated subpattern at position 0.",
        ),
        (
            "errors: [{code: X}, {errorcode: 431, code: Y}]",
            "errors.yaml: row 2 can never be reached: row 1 takes its errors.",
        ),
        (
            "errors: [{command: 'list*', code: X}, {command: listZones, errorcode: 431, text: a, code: Y}]",
            "errors.yaml: row 2 can never be reached: row 1 takes its errors.",
        ),
        ("errors: []", "errors.yaml: it has no rows."),
        ("errors: [{errorcode: 431}]", "errors.yaml: errors → row 1 → it needs either a code or a kind."),
        ("errors: [{kind: spoon}]", "errors.yaml: errors → row 1 → 'spoon' is no kind of object."),
        ("errors: [{kind: volume, text: x}]", "errors.yaml: errors → row 1 → the text has no group 'id'."),
        (
            "errors: [{code: X, text: 'a (?P<b>.)', message: 'no {c}'}]",
            "errors.yaml: errors → row 1 → the text has no group 'c'.",
        ),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(tmp_path, "errors.yaml", text) == sentence


def test_what_is_wrong_with_the_other_tables_is_told_too(tmp_path: Path) -> None:
    text = refused(tmp_path, "volume-types.yaml", "{default: gp9, other: gp2, types: {gp2: {}}}")
    assert text == "volume-types.yaml: default names the volume type 'gp9', which is not in types."
    text = refused(tmp_path, "volume-types.yaml", "default: [")
    assert text.startswith("volume-types.yaml cannot be read: while parsing a flow node")


def test_instance_types_need_whole_figures(tmp_path: Path) -> None:
    text = refused(
        tmp_path, "instance-types.yaml", "{cpu_speed: 1000, families: {t9: {sizes: {nano: [2, -1]}}}}"
    )
    assert text == (
        "instance-types.yaml: families → t9 → sizes → nano → row 2 → Input should be greater than 0."
    )


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "error.yaml").write_text("errors: []")
    with pytest.raises(MappingError, match=re.escape("error.yaml is no mapping; the mappings are")):
        load_mappings(tmp_path)
    with pytest.raises(MappingError, match="does not exist"):
        load_mappings(tmp_path / "absent")


def test_the_tables_lie_where_the_package_finds_them() -> None:
    assert sorted(path.name for path in packaged().glob("*.yaml")) == [
        "errors.yaml",
        "instance-types.yaml",
        "parameters.yaml",
        "throttling.yaml",
        "volume-types.yaml",
    ]


def test_rows_that_differ_in_one_condition_are_both_reached() -> None:
    table = ErrorTable.model_validate(
        {
            "errors": [
                {"command": ["list*"], "errorcode": 431, "code": "A"},
                {"command": ["list*", "get*"], "errorcode": 431, "code": "B"},
                {"errorcode": 431, "cserrorcode": 4350, "code": "C"},
                {"errorcode": 431, "code": "D"},
            ]
        }
    )
    assert len(table.errors) == 4


@pytest.mark.parametrize(
    ("template", "parameter"),
    [
        ("Ubuntu 24.04", "ubuntu/server/24.04"),
        ("Linux Ubuntu 24.04 LTS 64-bit", "ubuntu/server/24.04"),
        ("ubuntu-24.04-server-cloudimg-amd64.img", "ubuntu/server/24.04"),
        ("ubuntu24.04", "ubuntu/server/24.04"),
        ("Ubuntu 24.04.1 LTS (Noble Numbat)", "ubuntu/server/noble"),
        ("noble-server-cloudimg-amd64", "ubuntu/server/noble"),
        ("Ubuntu 22.04 LTS", "ubuntu/server/jammy"),
        ("Debian GNU/Linux 12 (bookworm)", "debian/release/12"),
        ("debian-12-genericcloud-amd64-20240211-1654", "debian/release/bookworm"),
        ("Windows Server 2022", "Windows_Server-2022"),
        ("Windows 2022 Datacenter Evaluation", "Windows_Server-2022"),
        ("Ubuntu 24.04 WordPress", None),
        ("Ubuntu 24.10", None),
        ("Debian 11.12", "debian/release/11"),
        ("Debian 12 testing", None),
        ("My Ubuntu 24.04", None),
        ("Windows 11", None),
        ("Amazon Linux 2023", None),
    ],
)
def test_a_template_stands_for_the_parameters_of_its_system(template: str, parameter: str | None) -> None:
    table = load_mappings().parameters
    found = {name for name, row in table.by_name.items() if table.stands_for(row, template)}
    assert any(parameter in name for name in found) if parameter else not found
    assert len({table.by_name[name].names for name in found}) <= 1


def test_a_parameters_name_tells_the_architecture() -> None:
    table = load_mappings().parameters
    assert table.architecture("/aws/service/debian/release/12/latest/amd64") == "x86_64"
    assert table.architecture("/aws/service/debian/release/12/latest/arm64") == "arm64"
    assert table.architecture("/x/al2023-ami-kernel-default-x86_64") == "x86_64"
    assert table.architecture("/x/Windows_Server-2022-English-Full-Base") is None


ROW = "architectures: {}\nparameters:\n- {names: [%s], templates: [x]}\n- {names: ['/b/{c,d}'], templates: [y]}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROW % "'/a/{b,b}'", "parameters.yaml: row 1 has the name /a/b again, which row 1 has."),
        (ROW % "/b/d", "parameters.yaml: row 2 has the name /b/d again, which row 1 has."),
        (ROW % "a", "parameters.yaml: row 1: 'a' is no name of a parameter."),
        (
            ROW % "/a, '/a/{b'",
            "parameters.yaml: row 1: '/a/{b' is no name of a parameter.",
        ),
        (
            "architectures: {}\nparameters: [{names: [/a], templates: ['(']}]",
            "parameters.yaml: parameters → row 1 → templates → row 1 → the text '(' is no regular expression: "
            "missing ), unterminated subpattern at position 0.",
        ),
    ],
)
def test_a_mistake_among_parameters_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(tmp_path, "parameters.yaml", text) == sentence


def test_the_operators_example_is_a_table(tmp_path: Path) -> None:
    [block] = marked("docs/operators.md", "tests/test_mapping.py")
    (tmp_path / "parameters.yaml").write_text(block)
    table = load_mappings(tmp_path).parameters
    [name] = [name for name in table.by_name if table.architecture(name) == "arm64"]
    assert table.stands_for(table.by_name[name], "rocky linux 9")
    assert not table.stands_for(table.by_name[name], "Rocky Linux 9 Desktop")

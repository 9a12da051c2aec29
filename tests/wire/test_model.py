"""What the rest of the bridge asks of the model."""

from ec2bridge.wire import model
from ec2bridge.wire.model import Operation, enum_values, is_empty, operation, operation_names, redact


def op(name: str, service: str = "ec2") -> Operation:
    found = operation(name, service)
    assert found is not None
    return found


def test_the_wire_knows_every_kind_of_shape() -> None:
    for service in ("ec2", "sts"):
        kinds = {shape["type"] for shape in model.service_model(service)._shapes.values()}
        used = kinds - {"structure", "list"}
        assert used <= model.SCALARS


def test_members_of_a_request() -> None:
    members = op("RunInstances").input_members
    assert members["MaxCount"].required
    assert members["MaxCount"].shape.kind == "integer"
    assert members["SecurityGroups"].query_name == "SecurityGroup"
    assert members["TagSpecifications"].query_name == "TagSpecification"
    assert members["ClientToken"].idempotency_token
    assert members["KeyName"].documentation.startswith("The name of the key pair.")
    assert op("RunInstances").required == ("MaxCount", "MinCount")
    assert op("RunInstances").idempotency_tokens == ("ClientToken",)


def test_what_is_handled_centrally_is_counted_as_the_design_says() -> None:
    operations = [op(name) for name in operation_names()]
    assert sum(each.takes("DryRun") for each in operations) >= 786
    assert sum(each.takes("NextToken") and each.takes("MaxResults") for each in operations) >= 200
    assert sum(bool(each.idempotency_tokens) for each in operations) >= 100
    assert sum(each.output is None for each in operations) >= 50


def test_the_result_set() -> None:
    found = op("DescribeInstances").output_list
    assert found is not None
    member, item = found
    assert (member.name, member.xml_name, item.name) == ("Reservations", "reservationSet", "Reservation")
    assert op("CreateTags").output_list is None


def test_paths_of_scalars_for_filters() -> None:
    found = op("DescribeInstances").output_list
    assert found is not None
    scalars = found[1].scalars
    assert scalars["ReservationId"] == "string"
    assert scalars["Instances.State.Code"] == "integer"
    assert scalars["Instances.BlockDeviceMappings.Ebs.DeleteOnTermination"] == "boolean"
    assert scalars["Instances.LaunchTime"] == "timestamp"


def test_documented_filters() -> None:
    names = {name: op(name).filters_documented for name in operation_names()}
    assert sum(bool(filters) for filters in names.values()) >= 143
    assert {"instance-state-name", "tag:*", "tag-key", "network-interface.group-id"} <= set(
        names["DescribeInstances"]
    )
    assert names["DescribeRegions"] == ("endpoint", "opt-in-status", "region-name")
    assert "pending" not in names["DescribeInstances"]
    assert names["DescribePrefixLists"] == ("prefix-list-id", "prefix-list-name")
    assert names["RunInstances"] == ()
    odd = {n for filters in names.values() for n in filters if set(n) & set(" <>()|")}
    assert not odd


def test_enums_and_documentation() -> None:
    assert "m5.large" in enum_values("InstanceType")
    assert enum_values("String") == ()
    assert op("DescribeInstances").documentation.startswith("Describes")
    assert "<" not in op("RunInstances").documentation


def test_sensitive_members_stay_out_of_the_log() -> None:
    assert "UserData" in op("RunInstances").sensitive
    assert "LaunchTemplateData.UserData" in op("CreateLaunchTemplate").sensitive
    params = {"LaunchTemplateData": {"UserData": "c2VjcmV0", "KeyName": "k"}, "LaunchTemplateName": "t"}
    assert redact(op("CreateLaunchTemplate"), params) == {
        "LaunchTemplateData": {"UserData": "***", "KeyName": "k"},
        "LaunchTemplateName": "t",
    }
    specification = {"LaunchSpecifications": [{"UserData": "c2VjcmV0"}, {"KeyName": "k"}]}
    assert redact(op("RequestSpotFleet"), {"SpotFleetRequestConfig": specification}) == {
        "SpotFleetRequestConfig": {"LaunchSpecifications": [{"UserData": "***"}, {"KeyName": "k"}]}
    }


def test_what_says_nothing_is_empty() -> None:
    assert all(map(is_empty, (None, "", [], {}, b"", {"Name": ""}, {"A": {"B": []}})))
    assert not any(map(is_empty, (False, 0, "x", [""], {"Name": "x"}, {"Enabled": False})))


def test_sts_has_its_own_model() -> None:
    identity = op("GetCallerIdentity", "sts")
    assert (identity.service, identity.api_version) == ("sts", "2011-06-15")
    assert operation("GetCallerIdentity") is None

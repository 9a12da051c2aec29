// The AWS SDK for JavaScript, version 3: a user's day.
// The packages stand beside .compat/javascript/package.json, where npm installed them.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(`${process.argv[2]}/package.json`);
const sdk = require("@aws-sdk/client-ec2");
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");

const IMAGE = process.env.EC2BRIDGE_COMPAT_IMAGE;
const ZONE = process.env.EC2BRIDGE_COMPAT_ZONE;
const TYPE = process.env.EC2BRIDGE_COMPAT_TYPE || "t2.micro";
const REGION = process.env.AWS_DEFAULT_REGION;
const NAME = `compat-${process.pid}-${Date.now()}`;

// AWS_ENDPOINT_URL and the keys are read by the SDK itself.
const ec2 = new sdk.EC2Client({ region: REGION });
const call = (action, members = {}) => ec2.send(new sdk[`${action}Command`](members));

const undo = [];
let failed = false;
let ids = [];
let group;

async function step(name, play) {
  try {
    await play();
    console.log(`ok ${name}`);
  } catch (error) {
    failed = true;
    console.error(error);
    console.log(`not ok ${name} - ${String(error).split(/\s+/).join(" ").slice(0, 500)}`);
  }
}

async function until(wanted, look) {
  const deadline = Date.now() + 300_000;
  for (let seen = await look(); seen !== wanted; seen = await look()) {
    assert(Date.now() < deadline, `after five minutes it is still ${seen}`);
    await sleep(300);
  }
}

const machine = async () => (await call("DescribeInstances", { InstanceIds: ids })).Reservations[0].Instances[0];
const state = async () => (await machine()).State.Name;

await step("caller-identity", async () => {
  const identity = await new STSClient({ region: REGION }).send(new GetCallerIdentityCommand({}));
  assert.match(identity.Account, /^\d{12}$/);
});

await step("regions", async () => {
  assert((await call("DescribeRegions")).Regions.some((region) => region.RegionName === REGION));
  assert((await call("DescribeAvailabilityZones")).AvailabilityZones.some((zone) => zone.ZoneName === ZONE));
});

await step("images", async () => {
  const [image] = (await call("DescribeImages", { ImageIds: [IMAGE] })).Images;
  assert.equal(image.State, "available");
});

await step("key-pair", async () => {
  const key = await call("CreateKeyPair", { KeyName: NAME });
  undo.push(() => call("DeleteKeyPair", { KeyName: NAME }));
  assert.match(key.KeyMaterial, /PRIVATE KEY/);
  const [seen] = (await call("DescribeKeyPairs", { KeyNames: [NAME] })).KeyPairs;
  assert.equal(seen.KeyFingerprint, key.KeyFingerprint);
});

await step("security-group", async () => {
  group = (await call("CreateSecurityGroup", { GroupName: NAME, Description: "for a test" })).GroupId;
  undo.push(() => call("DeleteSecurityGroup", { GroupId: group }));
  const rule = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "192.0.2.0/24" }] };
  await call("AuthorizeSecurityGroupIngress", { GroupId: group, IpPermissions: [rule] });
  const [shown] = (await call("DescribeSecurityGroups", { GroupIds: [group] })).SecurityGroups;
  assert.equal(shown.IpPermissions[0].IpRanges[0].CidrIp, "192.0.2.0/24");
});

await step("launch", async () => {
  const launched = await call("RunInstances", {
    ImageId: IMAGE,
    InstanceType: TYPE,
    MinCount: 1,
    MaxCount: 1,
    KeyName: NAME,
    SecurityGroupIds: [group],
    Placement: { AvailabilityZone: ZONE },
    UserData: Buffer.from("#cloud-config\n").toString("base64"),
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: NAME }] }],
  });
  ids = launched.Instances.map((one) => one.InstanceId);
  undo.push(() => call("TerminateInstances", { InstanceIds: ids }));
  const patience = { client: ec2, maxWaitTime: 300, minDelay: 1, maxDelay: 1 };
  const waited = await sdk.waitUntilInstanceRunning(patience, { InstanceIds: ids });
  assert.equal(waited.state, "SUCCESS");
});

await step("describe", async () => {
  const seen = await machine();
  assert.equal(seen.InstanceType, TYPE);
  assert.equal(seen.KeyName, NAME);
  assert.equal(seen.Placement.AvailabilityZone, ZONE);
  assert.deepEqual(seen.SecurityGroups.map((one) => one.GroupId), [group]);
  assert(seen.LaunchTime instanceof Date && seen.PrivateIpAddress, "no time or no address");
});

await step("filters", async () => {
  const Filters = [
    { Name: "tag:Name", Values: [NAME] },
    { Name: "instance-state-name", Values: ["run*"] },
  ];
  const found = [];
  for await (const page of sdk.paginateDescribeInstances({ client: ec2, pageSize: 5 }, { Filters })) {
    found.push(...page.Reservations.flatMap((one) => one.Instances.map((each) => each.InstanceId)));
  }
  assert.deepEqual(found, ids);
});

await step("tags", async () => {
  const role = [{ Key: "role", Value: "ü & test" }];
  await call("CreateTags", { Resources: ids, Tags: role });
  const seen = (await call("DescribeTags", { Filters: [{ Name: "resource-id", Values: ids }] })).Tags;
  assert.equal(seen.find((tag) => tag.Key === "role").Value, "ü & test");
  await call("DeleteTags", { Resources: ids, Tags: role });
  assert.equal((await machine()).Tags.length, 1);
});

await step("stop-start", async () => {
  await call("StopInstances", { InstanceIds: ids });
  await until("stopped", state);
  await call("StartInstances", { InstanceIds: ids });
  await until("running", state);
});

await step("errors", async () => {
  const nothing = { InstanceIds: ["i-0123456789abcdef0"] };
  await assert.rejects(call("DescribeInstances", nothing), { name: "InvalidInstanceID.NotFound" });
  await assert.rejects(call("TerminateInstances", { InstanceIds: ids, DryRun: true }), { name: "DryRunOperation" });
});

await step("terminate", async () => {
  await call("TerminateInstances", { InstanceIds: ids });
  await until("terminated", state);
  await call("DeleteSecurityGroup", { GroupId: group });
  await call("DeleteKeyPair", { KeyName: NAME });
});

for (const call of undo.reverse()) {
  await call().catch((error) => console.error(`clean-up: ${error}`));
}
process.exit(failed ? 1 : 0);

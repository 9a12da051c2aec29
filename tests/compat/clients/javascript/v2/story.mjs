// The AWS SDK for JavaScript, version 2 (package aws-sdk): a user's day.
// The package stands beside .compat/aws-sdk-js-v2/package.json, where npm installed it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = createRequire(`${process.argv[2]}/package.json`)("aws-sdk");

const IMAGE = process.env.EC2BRIDGE_COMPAT_IMAGE;
const ZONE = process.env.EC2BRIDGE_COMPAT_ZONE;
const TYPE = process.env.EC2BRIDGE_COMPAT_TYPE || "t2.micro";
const REGION = process.env.AWS_DEFAULT_REGION;
const NAME = `compat-${process.pid}-${Date.now()}`;

// This SDK reads the keys from the environment, but neither the endpoint nor AWS_DEFAULT_REGION.
const where = { region: REGION, endpoint: process.env.AWS_ENDPOINT_URL };
const ec2 = new AWS.EC2(where);
const call = (operation, members = {}) => ec2[operation](members).promise();
const wait = (state, members) =>
  ec2.waitFor(state, { ...members, $waiter: { delay: 1, maxAttempts: 300 } }).promise();

const undo = [];
let failed = false;
let ids = [];
let group;
let volume;

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

const machine = async () => (await call("describeInstances", { InstanceIds: ids })).Reservations[0].Instances[0];

await step("caller-identity", async () => {
  const identity = await new AWS.STS(where).getCallerIdentity().promise();
  assert.match(identity.Account, /^\d{12}$/);
});

await step("regions", async () => {
  assert((await call("describeRegions")).Regions.some((region) => region.RegionName === REGION));
  assert((await call("describeAvailabilityZones")).AvailabilityZones.some((zone) => zone.ZoneName === ZONE));
});

await step("images", async () => {
  const found = await wait("imageAvailable", { ImageIds: [IMAGE] });
  assert.deepEqual(found.Images.map((image) => image.ImageId), [IMAGE]);
});

await step("key-pair", async () => {
  const key = await call("createKeyPair", { KeyName: NAME });
  undo.push(() => call("deleteKeyPair", { KeyName: NAME }));
  assert.match(key.KeyMaterial, /PRIVATE KEY/);
  const found = await wait("keyPairExists", { KeyNames: [NAME] });
  assert.equal(found.KeyPairs[0].KeyFingerprint, key.KeyFingerprint);
});

await step("security-group", async () => {
  group = (await call("createSecurityGroup", { GroupName: NAME, Description: "for a test" })).GroupId;
  undo.push(() => call("deleteSecurityGroup", { GroupId: group }));
  await wait("securityGroupExists", { GroupIds: [group] });
  const rule = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "192.0.2.0/24" }] };
  await call("authorizeSecurityGroupIngress", { GroupId: group, IpPermissions: [rule] });
  const [shown] = (await call("describeSecurityGroups", { GroupIds: [group] })).SecurityGroups;
  assert.equal(shown.IpPermissions[0].IpRanges[0].CidrIp, "192.0.2.0/24");
});

await step("launch", async () => {
  const launched = await call("runInstances", {
    ImageId: IMAGE,
    InstanceType: TYPE,
    MinCount: 2,
    MaxCount: 2,
    KeyName: NAME,
    SecurityGroupIds: [group],
    Placement: { AvailabilityZone: ZONE },
    UserData: Buffer.from("#cloud-config\n").toString("base64"),
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: NAME }] }],
  });
  ids = launched.Instances.map((one) => one.InstanceId);
  undo.push(() => call("terminateInstances", { InstanceIds: ids }));
  await wait("instanceExists", { InstanceIds: ids });
  const running = await wait("instanceRunning", { InstanceIds: ids });
  const states = running.Reservations.flatMap((one) => one.Instances.map((each) => each.State.Name));
  assert.deepEqual(states, ["running", "running"]);
  await wait("instanceStatusOk", { InstanceIds: ids });
});

await step("describe", async () => {
  const seen = await machine();
  assert.equal(seen.InstanceType, TYPE);
  assert.equal(seen.KeyName, NAME);
  assert.equal(seen.Placement.AvailabilityZone, ZONE);
  assert.deepEqual(seen.SecurityGroups.map((one) => one.GroupId), [group]);
  assert(seen.LaunchTime instanceof Date && seen.PrivateIpAddress, "no time or no address");
});

const MINE = [
  { Name: "tag:Name", Values: [NAME] },
  { Name: "instance-state-name", Values: ["run*"] },
];

await step("filters", async () => {
  const found = (await call("describeInstances", { Filters: MINE })).Reservations;
  assert.deepEqual(found.flatMap((one) => one.Instances.map((each) => each.InstanceId)).sort(), [...ids].sort());
});

await step("paging", async () => {
  // AWS takes a MaxResults from 5 on for instances, so tags, a page of five each, are what is turned over.
  const tags = Array.from({ length: 6 }, (_, number) => ({ Key: `page-${number}`, Value: NAME }));
  await call("createTags", { Resources: [ids[0]], Tags: tags });
  const pages = [];
  await new Promise((resolve, reject) => {
    const asked = { MaxResults: 5, Filters: [{ Name: "value", Values: [NAME] }, { Name: "key", Values: ["page-*"] }] };
    ec2.describeTags(asked).eachPage((error, page) => {
      if (error) return reject(error);
      if (page === null) return resolve();
      pages.push(page.Tags.map((tag) => tag.Key));
      return true;
    });
  });
  assert.deepEqual(pages.map((page) => page.length), [5, 1]);
  assert.deepEqual(pages.flat().sort(), tags.map((tag) => tag.Key));
  await call("deleteTags", { Resources: [ids[0]], Tags: tags });
});

await step("tags", async () => {
  const role = [{ Key: "role", Value: "ü & test" }];
  await call("createTags", { Resources: ids, Tags: role });
  const seen = (await call("describeTags", { Filters: [{ Name: "resource-id", Values: [ids[0]] }] })).Tags;
  assert.equal(seen.find((tag) => tag.Key === "role").Value, "ü & test");
  await call("deleteTags", { Resources: ids, Tags: role });
  assert.equal((await machine()).Tags.length, 1);
});

await step("volume", async () => {
  const made = await call("createVolume", { AvailabilityZone: ZONE, Size: 1 });
  volume = made.VolumeId;
  undo.push(() => call("deleteVolume", { VolumeId: volume }));
  await wait("volumeAvailable", { VolumeIds: [volume] });
  const placed = { VolumeId: volume, InstanceId: ids[0] };
  await call("attachVolume", { ...placed, Device: "/dev/sdf" });
  const used = (await wait("volumeInUse", { VolumeIds: [volume] })).Volumes[0];
  assert.deepEqual(used.Attachments.map((one) => [one.InstanceId, one.Device]), [[ids[0], "/dev/sdf"]]);
  await call("detachVolume", placed);
  await wait("volumeAvailable", { VolumeIds: [volume] });
});

await step("snapshot", async () => {
  const { SnapshotId } = await call("createSnapshot", { VolumeId: volume, Description: NAME });
  const [taken] = (await wait("snapshotCompleted", { SnapshotIds: [SnapshotId] })).Snapshots;
  assert.deepEqual([taken.VolumeId, taken.Description, taken.State], [volume, NAME, "completed"]);
  await call("deleteSnapshot", { SnapshotId });
  await call("deleteVolume", { VolumeId: volume });
  await wait("volumeDeleted", { VolumeIds: [volume] });
});

await step("stop-start", async () => {
  await call("stopInstances", { InstanceIds: ids });
  await wait("instanceStopped", { InstanceIds: ids });
  await call("startInstances", { InstanceIds: ids });
  await wait("instanceRunning", { InstanceIds: ids });
});

await step("errors", async () => {
  const nothing = { InstanceIds: ["i-0123456789abcdef0"] };
  await assert.rejects(call("describeInstances", nothing), { code: "InvalidInstanceID.NotFound", statusCode: 400 });
  await assert.rejects(call("terminateInstances", { InstanceIds: ids, DryRun: true }), { code: "DryRunOperation" });
  await assert.rejects(call("deleteSecurityGroup", { GroupId: group }), { code: "DependencyViolation" });
  const stranger = new AWS.EC2({ ...where, accessKeyId: "nobody", secretAccessKey: "nothing" });
  await assert.rejects(stranger.describeInstances().promise(), { code: "AuthFailure", statusCode: 401 });
});

await step("terminate", async () => {
  await call("terminateInstances", { InstanceIds: ids });
  await wait("instanceTerminated", { InstanceIds: ids });
  await call("deleteSecurityGroup", { GroupId: group });
  await call("deleteKeyPair", { KeyName: NAME });
});

for (const back of undo.reverse()) {
  await back().catch((error) => console.error(`clean-up: ${error}`));
}
process.exit(failed ? 1 : 0);

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.ec2.Ec2Client;
import software.amazon.awssdk.services.ec2.model.*;
import software.amazon.awssdk.services.sts.StsClient;

/** The AWS SDK for Java, version 2: a user's day. AWS_ENDPOINT_URL and the keys are read by the SDK itself. */
public final class Main {
    static final Ec2Client ec2 = Ec2Client.builder().region(Region.of(Story.REGION)).build();
    static final List<String> ids = new ArrayList<>();
    static String group;

    public static void main(String[] words) {
        System.err.println("AWS SDK for Java " + VersionInfo.SDK_VERSION);
        Story.step("caller-identity", Main::identity);
        Story.step("regions", Main::regions);
        Story.step("images", () -> Story.same(
                ImageState.AVAILABLE, ec2.describeImages(r -> r.imageIds(Story.IMAGE)).images().get(0).state()));
        Story.step("key-pair", Main::keyPair);
        Story.step("security-group", Main::securityGroup);
        Story.step("launch", Main::launch);
        Story.step("describe", Main::describe);
        Story.step("filters", Main::filters);
        Story.step("tags", Main::tags);
        Story.step("stop-start", Main::stopStart);
        Story.step("errors", Main::errors);
        Story.step("terminate", Main::terminate);
        Story.finish();
    }

    static void identity() {
        try (StsClient sts = StsClient.builder()
                .region(Region.of(Story.REGION))
                .credentialsProvider(EnvironmentVariableCredentialsProvider.create())
                .build()) {
            Story.same(12, sts.getCallerIdentity().account().length());
        }
    }

    static void regions() {
        List<String> regions = ec2.describeRegions().regions().stream().map(r -> r.regionName()).toList();
        Story.check(regions.contains(Story.REGION), regions);
        List<String> zones = ec2.describeAvailabilityZones().availabilityZones().stream()
                .map(zone -> zone.zoneName())
                .toList();
        Story.check(zones.contains(Story.ZONE), zones);
    }

    static void keyPair() {
        CreateKeyPairResponse key = ec2.createKeyPair(r -> r.keyName(Story.NAME));
        Story.later(() -> ec2.deleteKeyPair(r -> r.keyName(Story.NAME)));
        Story.check(key.keyMaterial().contains("PRIVATE KEY"), "no private key");
        KeyPairInfo seen = ec2.describeKeyPairs(r -> r.keyNames(Story.NAME)).keyPairs().get(0);
        Story.same(key.keyFingerprint(), seen.keyFingerprint());
    }

    static void securityGroup() {
        group = ec2.createSecurityGroup(r -> r.groupName(Story.NAME).description("for a test")).groupId();
        Story.later(() -> ec2.deleteSecurityGroup(r -> r.groupId(group)));
        IpPermission rule = IpPermission.builder()
                .ipProtocol("tcp")
                .fromPort(22)
                .toPort(22)
                .ipRanges(IpRange.builder().cidrIp("192.0.2.0/24").description("ssh").build())
                .build();
        ec2.authorizeSecurityGroupIngress(r -> r.groupId(group).ipPermissions(rule));
        SecurityGroup shown = ec2.describeSecurityGroups(r -> r.groupIds(group)).securityGroups().get(0);
        Story.same(22, shown.ipPermissions().get(0).fromPort());
        Story.same("ssh", shown.ipPermissions().get(0).ipRanges().get(0).description());
    }

    static void launch() throws Exception {
        Tag name = Tag.builder().key("Name").value(Story.NAME).build();
        String data = Base64.getEncoder().encodeToString("#cloud-config\n".getBytes(StandardCharsets.UTF_8));
        ec2.runInstances(r -> r.imageId(Story.IMAGE)
                        .instanceType(Story.TYPE)
                        .minCount(1)
                        .maxCount(1)
                        .keyName(Story.NAME)
                        .securityGroupIds(group)
                        .placement(p -> p.availabilityZone(Story.ZONE))
                        .userData(data)
                        .tagSpecifications(t -> t.resourceType(ResourceType.INSTANCE).tags(name)))
                .instances()
                .forEach(machine -> ids.add(machine.instanceId()));
        Story.later(() -> ec2.terminateInstances(r -> r.instanceIds(ids)));
        Story.until(InstanceStateName.RUNNING, Main::state);
    }

    static Instance machine() {
        return ec2.describeInstances(r -> r.instanceIds(ids)).reservations().get(0).instances().get(0);
    }

    static InstanceStateName state() {
        return machine().state().name();
    }

    static void describe() {
        Instance seen = machine();
        Story.same(Story.TYPE, seen.instanceTypeAsString());
        Story.same(Story.NAME, seen.keyName());
        Story.same(Story.ZONE, seen.placement().availabilityZone());
        Story.same(group, seen.securityGroups().get(0).groupId());
        Story.check(seen.launchTime() != null && seen.privateIpAddress() != null, seen);
    }

    static void filters() {
        List<String> found = new ArrayList<>();
        ec2.describeInstancesPaginator(r -> r.maxResults(5)
                        .filters(
                                Filter.builder().name("tag:Name").values(Story.NAME).build(),
                                Filter.builder().name("instance-state-name").values("run*").build()))
                .reservations()
                .forEach(one -> one.instances().forEach(machine -> found.add(machine.instanceId())));
        Story.same(ids, found);
    }

    static void tags() {
        Tag role = Tag.builder().key("role").value("ü & test").build();
        ec2.createTags(r -> r.resources(ids).tags(role));
        Story.check(machine().tags().contains(role), machine().tags());
        ec2.deleteTags(r -> r.resources(ids).tags(role));
        Story.check(!machine().tags().contains(role), machine().tags());
    }

    static void stopStart() throws Exception {
        ec2.stopInstances(r -> r.instanceIds(ids));
        Story.until(InstanceStateName.STOPPED, Main::state);
        ec2.startInstances(r -> r.instanceIds(ids));
        Story.until(InstanceStateName.RUNNING, Main::state);
    }

    static void errors() {
        refused("InvalidInstanceID.NotFound", () -> ec2.describeInstances(r -> r.instanceIds("i-0123456789abcdef0")));
        refused("DryRunOperation", () -> ec2.terminateInstances(r -> r.instanceIds(ids).dryRun(true)));
    }

    static void refused(String code, Runnable call) {
        try {
            call.run();
        } catch (Ec2Exception error) {
            Story.same(code, error.awsErrorDetails().errorCode());
            return;
        }
        throw new AssertionError("nothing was refused with " + code);
    }

    static void terminate() throws Exception {
        ec2.terminateInstances(r -> r.instanceIds(ids));
        Story.until(InstanceStateName.TERMINATED, Main::state);
        ec2.deleteSecurityGroup(r -> r.groupId(group));
        ec2.deleteKeyPair(r -> r.keyName(Story.NAME));
    }
}

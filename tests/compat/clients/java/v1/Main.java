import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.ec2.AmazonEC2;
import com.amazonaws.services.ec2.AmazonEC2ClientBuilder;
import com.amazonaws.services.ec2.model.*;
import com.amazonaws.services.securitytoken.AWSSecurityTokenServiceClientBuilder;
import com.amazonaws.services.securitytoken.model.GetCallerIdentityRequest;
import com.amazonaws.util.VersionInfoUtils;
import java.util.ArrayList;
import java.util.List;

/** The AWS SDK for Java, version 1, as older tools carry it: a user's day. */
public final class Main {
    static final EndpointConfiguration ENDPOINT = new EndpointConfiguration(Story.ENDPOINT, Story.REGION);
    static final AmazonEC2 ec2 =
            AmazonEC2ClientBuilder.standard().withEndpointConfiguration(ENDPOINT).build();
    static final List<String> ids = new ArrayList<>();
    static String group;

    public static void main(String[] words) {
        System.err.println("AWS SDK for Java " + VersionInfoUtils.getVersion());
        Story.step("caller-identity", Main::identity);
        Story.step("regions", Main::regions);
        Story.step("images", Main::images);
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
        var sts = AWSSecurityTokenServiceClientBuilder.standard()
                .withEndpointConfiguration(ENDPOINT)
                .build();
        Story.same(12, sts.getCallerIdentity(new GetCallerIdentityRequest()).getAccount().length());
    }

    static void regions() {
        List<String> regions = ec2.describeRegions().getRegions().stream().map(Region::getRegionName).toList();
        Story.check(regions.contains(Story.REGION), regions);
        List<String> zones = ec2.describeAvailabilityZones().getAvailabilityZones().stream()
                .map(AvailabilityZone::getZoneName)
                .toList();
        Story.check(zones.contains(Story.ZONE), zones);
    }

    static void images() {
        Image image = ec2.describeImages(new DescribeImagesRequest().withImageIds(Story.IMAGE)).getImages().get(0);
        Story.same("available", image.getState());
    }

    static void keyPair() {
        KeyPair key = ec2.createKeyPair(new CreateKeyPairRequest(Story.NAME)).getKeyPair();
        Story.later(() -> ec2.deleteKeyPair(new DeleteKeyPairRequest(Story.NAME)));
        Story.check(key.getKeyMaterial().contains("PRIVATE KEY"), "no private key");
        DescribeKeyPairsRequest request = new DescribeKeyPairsRequest().withKeyNames(Story.NAME);
        Story.same(key.getKeyFingerprint(), ec2.describeKeyPairs(request).getKeyPairs().get(0).getKeyFingerprint());
    }

    static void securityGroup() {
        group = ec2.createSecurityGroup(new CreateSecurityGroupRequest(Story.NAME, "for a test")).getGroupId();
        Story.later(() -> ec2.deleteSecurityGroup(new DeleteSecurityGroupRequest().withGroupId(group)));
        IpPermission rule = new IpPermission()
                .withIpProtocol("tcp")
                .withFromPort(22)
                .withToPort(22)
                .withIpv4Ranges(new IpRange().withCidrIp("192.0.2.0/24"));
        ec2.authorizeSecurityGroupIngress(
                new AuthorizeSecurityGroupIngressRequest().withGroupId(group).withIpPermissions(rule));
        DescribeSecurityGroupsRequest request = new DescribeSecurityGroupsRequest().withGroupIds(group);
        SecurityGroup shown = ec2.describeSecurityGroups(request).getSecurityGroups().get(0);
        Story.same(22, shown.getIpPermissions().get(0).getFromPort());
    }

    static void launch() throws Exception {
        RunInstancesRequest request = new RunInstancesRequest(Story.IMAGE, 1, 1)
                .withInstanceType(Story.TYPE)
                .withKeyName(Story.NAME)
                .withSecurityGroupIds(group)
                .withPlacement(new Placement(Story.ZONE))
                .withTagSpecifications(new TagSpecification()
                        .withResourceType(ResourceType.Instance)
                        .withTags(new Tag("Name", Story.NAME)));
        ec2.runInstances(request).getReservation().getInstances().forEach(one -> ids.add(one.getInstanceId()));
        Story.later(() -> ec2.terminateInstances(new TerminateInstancesRequest(ids)));
        Story.until("running", Main::state);
    }

    static Instance machine() {
        DescribeInstancesRequest request = new DescribeInstancesRequest().withInstanceIds(ids);
        return ec2.describeInstances(request).getReservations().get(0).getInstances().get(0);
    }

    static String state() {
        return machine().getState().getName();
    }

    static void describe() {
        Instance seen = machine();
        Story.same(Story.TYPE, seen.getInstanceType());
        Story.same(Story.NAME, seen.getKeyName());
        Story.same(Story.ZONE, seen.getPlacement().getAvailabilityZone());
        Story.same(group, seen.getSecurityGroups().get(0).getGroupId());
        Story.check(seen.getLaunchTime() != null && seen.getPrivateIpAddress() != null, seen);
    }

    static void filters() {
        DescribeInstancesRequest request = new DescribeInstancesRequest()
                .withFilters(
                        new Filter("tag:Name", List.of(Story.NAME)),
                        new Filter("instance-state-name", List.of("run*")));
        List<Reservation> found = ec2.describeInstances(request).getReservations();
        Story.same(ids, found.get(0).getInstances().stream().map(Instance::getInstanceId).toList());
    }

    static void tags() {
        Tag role = new Tag("role", "ü & test");
        ec2.createTags(new CreateTagsRequest(ids, List.of(role)));
        Story.check(machine().getTags().contains(role), machine().getTags());
        ec2.deleteTags(new DeleteTagsRequest(ids).withTags(role));
        Story.check(!machine().getTags().contains(role), machine().getTags());
    }

    static void stopStart() throws Exception {
        ec2.stopInstances(new StopInstancesRequest(ids));
        Story.until("stopped", Main::state);
        ec2.startInstances(new StartInstancesRequest(ids));
        Story.until("running", Main::state);
    }

    static void errors() {
        try {
            ec2.describeInstances(new DescribeInstancesRequest().withInstanceIds("i-0123456789abcdef0"));
        } catch (AmazonEC2Exception error) {
            Story.same("InvalidInstanceID.NotFound", error.getErrorCode());
            return;
        }
        throw new AssertionError("an id that names nothing was found");
    }

    static void terminate() throws Exception {
        ec2.terminateInstances(new TerminateInstancesRequest(ids));
        Story.until("terminated", Main::state);
        ec2.deleteSecurityGroup(new DeleteSecurityGroupRequest().withGroupId(group));
        ec2.deleteKeyPair(new DeleteKeyPairRequest(Story.NAME));
    }
}

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.ec2.Ec2Client;
import software.amazon.awssdk.services.ec2.model.*;

/**
 * What Jenkins' EC2 plug-in asks of an "alternate EC2 endpoint", in its order, with the SDK that it carries: connection
 * test, template page, provisioning (existing machines first), polling, console, tags, keep-alive, stop, terminate.
 */
public final class Main {
    static final String SERVER = "https://jenkins.example/" + Story.NAME + "/";
    static final String CLOUD = "cloud-" + Story.NAME;
    static final Ec2Client ec2 = Ec2Client.builder()
            .httpClient(ApacheHttpClient.create())
            .credentialsProvider(StaticCredentialsProvider.create(
                    AwsBasicCredentials.create(Story.ACCESS_KEY, Story.SECRET_KEY)))
            .region(Region.of(Story.REGION))
            .endpointOverride(URI.create(Story.ENDPOINT))
            .build();
    static final List<Tag> TAGS = List.of(
            tag("jenkins_slave_type", "demand_agent"), tag("jenkins_server_url", SERVER), tag("jenkins_cloud_name", CLOUD));
    static String privateKey;
    static String group;
    static String subnet;
    static String id;

    public static void main(String[] words) throws Exception {
        System.err.println("AWS SDK for Java " + VersionInfo.SDK_VERSION);
        prepare();
        Story.step("regions", Main::configurationPage);
        Story.step("connection-test", Main::connectionTest);
        Story.step("images", Main::templatePage);
        Story.step("security-group", Main::groupsInSubnet);
        Story.step("launch", Main::provision);
        Story.step("describe", Main::poll);
        Story.step("console", Main::console);
        Story.step("tags", Main::count);
        Story.step("stop-start", Main::wakeStopped);
        Story.step("terminate", Main::terminate);
        Story.finish();
    }

    /** What an administrator has made before: the key pair, the group, and the choice of a subnet. */
    static void prepare() {
        privateKey = ec2.createKeyPair(r -> r.keyName(Story.NAME)).keyMaterial();
        Story.later(() -> ec2.deleteKeyPair(r -> r.keyName(Story.NAME)));
        group = ec2.createSecurityGroup(r -> r.groupName(Story.NAME).description("for a test")).groupId();
        Story.later(() -> ec2.deleteSecurityGroup(r -> r.groupId(group)));
        Filter zone = filter("availability-zone", Story.ZONE);
        subnet = ec2.describeSubnets(r -> r.filters(zone, filter("default-for-az", "true"))).subnets().get(0).subnetId();
    }

    static Tag tag(String key, String value) {
        return Tag.builder().key(key).value(value).build();
    }

    static Filter filter(String name, String... values) {
        return Filter.builder().name(name).values(values).build();
    }

    static void configurationPage() {
        List<String> regions = ec2.describeRegions().regions().stream().map(r -> r.regionName()).toList();
        Story.check(regions.contains(Story.REGION), regions);
    }

    /** All instances are asked for, and the private key is sought by its two fingerprints. */
    static void connectionTest() throws Exception {
        ec2.describeInstances();
        List<String> wanted = fingerprints(privateKey);
        List<String> seen = ec2.describeKeyPairs().keyPairs().stream()
                .filter(key -> wanted.contains(key.keyFingerprint().toLowerCase()))
                .map(KeyPairInfo::keyName)
                .toList();
        Story.same(List.of(Story.NAME), seen);
    }

    /** SHA-1 of the private key as PKCS #8, as AWS shows a key that it made; MD5 of the public key, as one that it took. */
    static List<String> fingerprints(String pem) throws Exception {
        byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]+-----", ""));
        byte[] whole = pem.contains("RSA PRIVATE") ? pkcs8(der) : der;
        KeyFactory rsa = KeyFactory.getInstance("RSA");
        RSAPrivateCrtKey key = (RSAPrivateCrtKey) rsa.generatePrivate(new PKCS8EncodedKeySpec(whole));
        byte[] open = rsa.generatePublic(new RSAPublicKeySpec(key.getModulus(), key.getPublicExponent())).getEncoded();
        return List.of(digest("SHA-1", key.getEncoded()), digest("MD5", open));
    }

    static String digest(String algorithm, byte[] data) throws Exception {
        return HexFormat.ofDelimiter(":").formatHex(MessageDigest.getInstance(algorithm).digest(data));
    }

    /** Wraps an RSA key in the sequence (version 0, rsaEncryption, the key as octets). */
    static byte[] pkcs8(byte[] key) throws Exception {
        ByteArrayOutputStream inner = new ByteArrayOutputStream();
        inner.write(HexFormat.of().parseHex("020100300d06092a864886f70d0101010500"));
        inner.write(element(0x04, key));
        return element(0x30, inner.toByteArray());
    }

    static byte[] element(int kind, byte[] content) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(new byte[] {(byte) kind, (byte) 0x82, (byte) (content.length >> 8), (byte) content.length});
        out.write(content);
        return out.toByteArray();
    }

    /** The image check, the list of zones, and the type, which must be one that the SDK knows. */
    static void templatePage() {
        Image image = ec2.describeImages(r -> r.imageIds(List.of(Story.IMAGE)).owners(List.of()).executableUsers(List.of()))
                .images()
                .get(0);
        Story.check(image.rootDeviceName() != null && image.creationDate() != null, image);
        Story.check(image.rootDeviceType() == DeviceType.EBS && disks(image).size() == 2, image);
        Story.check(
                ec2.describeAvailabilityZones().availabilityZones().stream()
                        .anyMatch(zone -> zone.zoneName().equals(Story.ZONE)),
                "the zone is not there");
        Story.check(InstanceType.fromValue(Story.TYPE) != InstanceType.UNKNOWN_TO_SDK_VERSION, Story.TYPE);
        InstanceTypeInfo type = ec2.describeInstanceTypes(r -> r.instanceTypes(InstanceType.fromValue(Story.TYPE)))
                .instanceTypes()
                .get(0);
        Story.same(Story.TYPE, type.instanceTypeAsString());
    }

    /** A group counts only when the chosen subnet stands in its VPC. */
    static void groupsInSubnet() {
        SecurityGroup seen = ec2.describeSecurityGroups(r -> r.filters(filter("group-name", Story.NAME)))
                .securityGroups()
                .get(0);
        Story.same(group, seen.groupId());
        List<Filter> filters = List.of(
                filter("vpc-id", seen.vpcId()), filter("state", "available"), filter("subnet-id", subnet));
        Story.same(1, ec2.describeSubnets(r -> r.filters(filters)).subnets().size());
    }

    /** As the plug-in has it: the image's disks, and the root disk once more, before them, with its encryption chosen. */
    static List<BlockDeviceMapping> disks(Image image) {
        List<BlockDeviceMapping> disks = new ArrayList<>(image.blockDeviceMappings());
        BlockDeviceMapping root = disks.get(0);
        disks.add(0, root.toBuilder().ebs(root.ebs().toBuilder().encrypted(null).build()).build());
        return disks;
    }

    static List<Filter> existing() {
        List<Filter> filters = new ArrayList<>(List.of(
                filter("image-id", Story.IMAGE),
                filter("instance-type", Story.TYPE),
                filter("key-name", Story.NAME),
                filter("availability-zone", Story.ZONE),
                filter("tenancy", "default"),
                filter("subnet-id", subnet),
                filter("instance.group-id", group)));
        TAGS.forEach(tag -> filters.add(filter("tag:" + tag.key(), tag.value())));
        return filters;
    }

    static List<Instance> found(List<Filter> filters) {
        return ec2.describeInstances(r -> r.filters(filters)).reservations().stream()
                .flatMap(one -> one.instances().stream())
                .toList();
    }

    /** The caps are counted first, spot requests too; then a machine of the same kind is looked for, then one is launched. */
    static void provision() throws Exception {
        Story.same(0, counted());
        Story.same(List.of(), found(existing()));
        Image image = ec2.describeImages(r -> r.imageIds(Story.IMAGE)).images().get(0);
        String data = Base64.getEncoder().encodeToString("#!/bin/sh\ntrue\n".getBytes(StandardCharsets.UTF_8));
        Instance made = ec2.runInstances(r -> r.imageId(image.imageId())
                        .minCount(1)
                        .maxCount(1)
                        .instanceType(Story.TYPE)
                        .ebsOptimized(false)
                        .monitoring(m -> m.enabled(false))
                        .blockDeviceMappings(disks(image))
                        .instanceInitiatedShutdownBehavior(ShutdownBehavior.TERMINATE)
                        .userData(data)
                        .keyName(Story.NAME)
                        .placement(p -> p.tenancy("default")) // the zone comes with the subnet
                        .networkInterfaces(n -> n.subnetId(subnet).groups(group).deviceIndex(0))
                        .tagSpecifications(
                                tags(ResourceType.INSTANCE), tags(ResourceType.VOLUME), tags(ResourceType.NETWORK_INTERFACE))
                        .metadataOptions(m -> m.httpEndpoint("enabled").httpPutResponseHopLimit(1).httpTokens("optional")))
                .instances()
                .get(0);
        id = made.instanceId();
        Story.later(() -> ec2.terminateInstances(r -> r.instanceIds(id)));
        Story.until(InstanceStateName.RUNNING, () -> machine().state().name());
    }

    static TagSpecification tags(ResourceType type) {
        return TagSpecification.builder().resourceType(type).tags(TAGS).build();
    }

    /** Exactly one reservation with exactly one instance is taken. */
    static Instance machine() {
        List<Reservation> seen = ec2.describeInstances(r -> r.instanceIds(List.of(id))).reservations();
        Story.same(1, seen.size());
        Story.same(1, seen.get(0).instances().size());
        return seen.get(0).instances().get(0);
    }

    static void poll() {
        Instance seen = machine();
        Story.check(seen.privateIpAddress() != null && seen.launchTime() != null, seen);
        Story.same(List.of(id), found(existing()).stream().map(Instance::instanceId).toList());
        ec2.createTags(r -> r.resources(id).tags(TAGS));
    }

    /** Host keys are read from here by the strictest of the plug-in's checks; the latest ones of a Nitro machine. */
    static void console() {
        InstanceTypeInfo type = ec2.describeInstanceTypes(r -> r.instanceTypes(machine().instanceType()))
                .instanceTypes()
                .get(0);
        Boolean latest = type.hypervisor() == InstanceTypeHypervisor.NITRO ? true : null;
        Story.same(id, ec2.getConsoleOutput(r -> r.instanceId(id).latest(latest)).instanceId());
    }

    /** The template's tags go to the machine and its disks, and are taken from them; a filter keeps the connection alive. */
    static void count() {
        Story.same(1, counted());
        Tag own = tag("team", "a b");
        List<String> resources = new ArrayList<>(List.of(id));
        machine().blockDeviceMappings().forEach(disk -> resources.add(disk.ebs().volumeId()));
        ec2.createTags(r -> r.resources(resources).tags(own));
        Story.check(machine().tags().contains(own), machine().tags());
        ec2.deleteTags(r -> r.resources(resources).tags(own));
        Story.check(!machine().tags().contains(own), machine().tags());
        Story.same(List.of(), found(List.of(filter("tag-key", "bogus-EC2ConnectionKeepalive"))));
    }

    /** How the plug-in counts its machines: by tags and state, page by page, and the spot requests beside them. */
    static int counted() {
        List<Filter> own = new ArrayList<>(
                List.of(filter("tag-key", "jenkins_slave_type"), filter("tag:jenkins_server_url", SERVER)));
        List<Filter> spot = new ArrayList<>(own);
        own.add(filter("instance-state-name", "running", "pending", "stopping"));
        spot.add(filter("launch.image-id", Story.IMAGE));
        int machines = 0;
        DescribeInstancesResponse page = null;
        do {
            String token = page == null ? null : page.nextToken();
            page = ec2.describeInstances(r -> r.filters(own).nextToken(token));
            machines += page.reservations().stream().mapToInt(one -> one.instances().size()).sum();
        } while (page.nextToken() != null);
        var requests = ec2.describeSpotInstanceRequests(r -> r.filters(spot).maxResults(100));
        Story.same(List.of(), requests.spotInstanceRequests());
        Story.same(null, requests.nextToken());
        return machines;
    }

    static void wakeStopped() throws Exception {
        ec2.stopInstances(r -> r.instanceIds(id));
        Story.until(InstanceStateName.STOPPED, () -> machine().state().name());
        Story.same(id, found(existing()).get(0).instanceId());
        ec2.startInstances(r -> r.instanceIds(id));
        Story.until(InstanceStateName.RUNNING, () -> machine().state().name());
    }

    /** A machine that is gone is either shown as terminated or not found; both are understood. */
    static void terminate() throws Exception {
        ec2.terminateInstances(r -> r.instanceIds(id));
        Story.until(InstanceStateName.TERMINATED, Main::stateOrGone);
        ec2.deleteSecurityGroup(r -> r.groupId(group));
        ec2.deleteKeyPair(r -> r.keyName(Story.NAME));
    }

    static InstanceStateName stateOrGone() {
        try {
            return machine().state().name();
        } catch (AwsServiceException error) {
            Story.same("InvalidInstanceID.NotFound", error.awsErrorDetails().errorCode());
            return InstanceStateName.TERMINATED;
        }
    }
}

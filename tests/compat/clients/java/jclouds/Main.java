import com.google.common.collect.ImmutableMultimap;
import com.google.common.collect.Iterables;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.jclouds.ContextBuilder;
import org.jclouds.JcloudsVersion;
import org.jclouds.ec2.EC2Api;
import org.jclouds.ec2.domain.InstanceState;
import org.jclouds.ec2.domain.KeyPair;
import org.jclouds.ec2.domain.RunningInstance;
import org.jclouds.ec2.features.InstanceApi;
import org.jclouds.ec2.options.DescribeImagesOptions;
import org.jclouds.ec2.options.RunInstancesOptions;
import org.jclouds.net.domain.IpProtocol;

/**
 * Apache jclouds' EC2 API: a user's day. jclouds follows the address that DescribeRegions gives for a region, always by
 * https; so it is led through a TLS front of its own, as behind any TLS proxy of an operator's.
 */
public final class Main {
    static final String REGION = Story.REGION;
    static final EC2Api api = connect();
    static final InstanceApi instances = api.getInstanceApi().get();
    static String id;

    static EC2Api connect() {
        Properties trust = new Properties();
        trust.setProperty("jclouds.trust-all-certs", "true");
        trust.setProperty("jclouds.relax-hostname", "true");
        String endpoint = Story.ENDPOINT.startsWith("https:") ? Story.ENDPOINT : TlsFront.before(Story.ENDPOINT);
        return ContextBuilder.newBuilder("aws-ec2")
                .endpoint(endpoint)
                .credentials(Story.ACCESS_KEY, Story.SECRET_KEY)
                .overrides(trust)
                .buildApi(EC2Api.class);
    }

    public static void main(String[] words) {
        System.err.println("jclouds " + JcloudsVersion.get());
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

    static void regions() {
        var places = api.getAvailabilityZoneAndRegionApi().get();
        Story.check(places.describeRegions().containsKey(REGION), places.describeRegions());
        var zones = places.describeAvailabilityZonesInRegion(REGION);
        Story.check(zones.stream().anyMatch(zone -> zone.getZone().equals(Story.ZONE)), zones);
    }

    static void images() {
        var found = api.getAMIApi().get()
                .describeImagesInRegion(REGION, DescribeImagesOptions.Builder.imageIds(Story.IMAGE));
        Story.same(Story.IMAGE, Iterables.getOnlyElement(found).getId());
    }

    static void keyPair() {
        KeyPair key = api.getKeyPairApi().get().createKeyPairInRegion(REGION, Story.NAME);
        Story.later(() -> api.getKeyPairApi().get().deleteKeyPairInRegion(REGION, Story.NAME));
        Story.check(key.getKeyMaterial().contains("PRIVATE KEY"), "no private key");
        Set<KeyPair> seen = api.getKeyPairApi().get().describeKeyPairsInRegion(REGION, Story.NAME);
        Story.same(key.getSha1OfPrivateKey(), Iterables.getOnlyElement(seen).getSha1OfPrivateKey());
    }

    static void securityGroup() {
        var groups = api.getSecurityGroupApi().get();
        groups.createSecurityGroupInRegion(REGION, Story.NAME, "for a test");
        Story.later(() -> groups.deleteSecurityGroupInRegion(REGION, Story.NAME));
        groups.authorizeSecurityGroupIngressInRegion(REGION, Story.NAME, IpProtocol.TCP, 22, 22, "192.0.2.0/24");
        var shown = Iterables.getOnlyElement(groups.describeSecurityGroupsInRegion(REGION, Story.NAME));
        Story.check(shown.stream().anyMatch(rule -> rule.getFromPort() == 22), shown);
    }

    static void launch() throws Exception {
        RunInstancesOptions options = new RunInstancesOptions()
                .asType(Story.TYPE)
                .withKeyName(Story.NAME)
                .withSecurityGroup(Story.NAME)
                .withUserData("#cloud-config\n".getBytes());
        var made = instances.runInstancesInRegion(REGION, Story.ZONE, Story.IMAGE, 1, 1, options);
        id = Iterables.getOnlyElement(made).getId();
        Story.later(() -> instances.terminateInstancesInRegion(REGION, id));
        Story.until(InstanceState.RUNNING, Main::state);
    }

    static RunningInstance machine() {
        return Iterables.getOnlyElement(Iterables.concat(instances.describeInstancesInRegion(REGION, id)));
    }

    static InstanceState state() {
        return machine().getInstanceState();
    }

    static void describe() {
        RunningInstance seen = machine();
        Story.same(Story.TYPE, seen.getInstanceType());
        Story.same(Story.NAME, seen.getKeyName());
        Story.same(Story.ZONE, seen.getAvailabilityZone());
        Story.check(seen.getPrivateIpAddress() != null && seen.getLaunchTime() != null, seen);
    }

    static void filters() {
        var wanted = ImmutableMultimap.of("key-name", Story.NAME, "instance-state-name", "running");
        var found = Iterables.concat(instances.describeInstancesInRegionWithFilter(REGION, wanted));
        Story.same(id, Iterables.getOnlyElement(found).getId());
    }

    static void tags() {
        var tags = api.getTagApiForRegion(REGION).get();
        tags.applyToResources(Map.of("role", "test"), List.of(id));
        Story.same("test", machine().getTags().get("role"));
        var wanted = ImmutableMultimap.of("resource-id", id, "key", "role");
        Story.same("test", tags.filter(wanted).first().get().getValue().get());
        tags.deleteFromResources(List.of("role"), List.of(id));
        Story.check(!machine().getTags().containsKey("role"), machine().getTags());
    }

    static void stopStart() throws Exception {
        instances.stopInstancesInRegion(REGION, false, id);
        Story.until(InstanceState.STOPPED, Main::state);
        instances.startInstancesInRegion(REGION, id);
        Story.until(InstanceState.RUNNING, Main::state);
    }

    /** jclouds takes NotFound for an empty answer when it reads, and throws when it writes. */
    static void errors() {
        Story.check(instances.describeInstancesInRegion(REGION, "i-0123456789abcdef0").isEmpty(), "something is there");
        try {
            instances.startInstancesInRegion(REGION, "i-0123456789abcdef0");
        } catch (RuntimeException error) {
            Story.check(error.getMessage().contains("i-0123456789abcdef0"), error);
            return;
        }
        throw new AssertionError("an id that names nothing was started");
    }

    static void terminate() throws Exception {
        instances.terminateInstancesInRegion(REGION, id);
        Story.until(InstanceState.TERMINATED, Main::state);
        api.getSecurityGroupApi().get().deleteSecurityGroupInRegion(REGION, Story.NAME);
        api.getKeyPairApi().get().deleteKeyPairInRegion(REGION, Story.NAME);
    }
}

# fog-aws, the library behind many Ruby tools: a user's day through its models and its raw requests.

require "fog/aws"
require "uri"

ENDPOINT = ENV.fetch("AWS_ENDPOINT_URL")
KEYS = { aws_access_key_id: ENV.fetch("AWS_ACCESS_KEY_ID"), aws_secret_access_key: ENV.fetch("AWS_SECRET_ACCESS_KEY") }
IMAGE = ENV.fetch("EC2BRIDGE_COMPAT_IMAGE")
ZONE = ENV.fetch("EC2BRIDGE_COMPAT_ZONE")
TYPE = ENV.fetch("EC2BRIDGE_COMPAT_TYPE", "t2.micro")
REGION = "us-east-1" # fog checks the region against AWS's list, even where an endpoint is given
NAME = "compat-#{Process.pid}-#{Time.now.to_i}"

Fog.interval = 0.3

$undo = []
$failed = false

def step(name)
  yield
  puts "ok #{name}"
rescue StandardError => e
  $failed = true
  warn e.full_message
  puts "not ok #{name} - #{"#{e.class}: #{e.message}".split.join(" ")[0, 500]}"
end

def check(holds, seen)
  raise "seen: #{seen.inspect}" unless holds
end

ec2 = Fog::AWS::Compute.new(**KEYS, region: REGION, endpoint: ENDPOINT)
group = server = nil

step("regions") do
  names = ec2.describe_availability_zones.body["availabilityZoneInfo"].map { |zone| zone["zoneName"] }
  check(names.include?(ZONE), names)
  check(ec2.describe_regions.body["regionInfo"].any?, "no region")
end

step("images") do
  check(ec2.images.get(IMAGE).state == "available", ec2.images.get(IMAGE))
end

step("key-pair") do
  key = ec2.key_pairs.create(name: NAME)
  $undo << -> { ec2.delete_key_pair(NAME) }
  check(key.private_key.include?("PRIVATE KEY"), "no private key")
  check(ec2.key_pairs.get(NAME).fingerprint == key.fingerprint, key.fingerprint)
end

step("security-group") do
  group = ec2.security_groups.create(name: NAME, description: "for a test")
  $undo << -> { ec2.delete_security_group(nil, group.group_id) }
  group.authorize_port_range(22..22, cidr_ip: "192.0.2.0/24")
  shown = ec2.security_groups.get_by_id(group.group_id)
  check(shown.ip_permissions.any? { |rule| rule["fromPort"] == 22 }, shown.ip_permissions)
end

step("launch") do
  server = ec2.servers.create(
    image_id: IMAGE, flavor_id: TYPE, availability_zone: ZONE, key_name: NAME,
    security_group_ids: [group.group_id], tags: { "Name" => NAME }, user_data: "#cloud-config\n"
  )
  $undo << -> { server.destroy }
  server.wait_for(300) { ready? }
end

step("describe") do
  seen = ec2.servers.get(server.id)
  check(seen.flavor_id == TYPE && seen.key_name == NAME && seen.availability_zone == ZONE, seen)
  check(seen.security_group_ids == [group.group_id] && seen.private_ip_address, seen)
end

step("filters") do
  found = ec2.servers.all("tag:Name" => NAME, "instance-state-name" => "running")
  check(found.map(&:id) == [server.id], found)
end

step("tags") do
  ec2.create_tags(server.id, "role" => "test")
  check(ec2.tags.all("resource-id" => server.id, "key" => "role").first.value == "test", "the tag is not there")
  ec2.delete_tags(server.id, "role" => "test")
  check(ec2.servers.get(server.id).tags == { "Name" => NAME }, ec2.servers.get(server.id).tags)
end

step("stop-start") do
  server.stop
  server.wait_for(300) { state == "stopped" }
  server.start
  server.wait_for(300) { ready? }
  server.reboot
end

step("errors") do
  begin
    ec2.describe_instances("instance-id" => "i-0123456789abcdef0")
    ec2.terminate_instances("i-0123456789abcdef0")
  rescue Fog::AWS::Compute::NotFound => e
    check(e.message.include?("i-0123456789abcdef0"), e.message)
  else
    raise "an id that names nothing was found"
  end
end

step("terminate") do
  server.destroy
  server.wait_for(300) { state == "terminated" }
  check(group.destroy, "the group stays")
  check(ec2.delete_key_pair(NAME).body["return"], "the key pair stays")
end

$undo.reverse_each do |call|
  call.call
rescue StandardError => e
  warn "clean-up: #{e.message}"
end
exit($failed ? 1 : 0)

# One of each resource and data source of EC2's that the provider has and a small configuration can name: what becomes
# of each is shown in docs/terraform.md. `python -m tests.terraform` applies it; one that is refused leaves the others be.
variable "image" { type = string }
variable "zone" { type = string }
variable "public_key" { type = string }

# --- what the others stand on
resource "aws_vpc" "main" {
  cidr_block           = "10.60.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "main" }
}
resource "aws_vpc" "other" {
  cidr_block = "10.61.0.0/16"
  tags       = { Name = "other" }
}
resource "aws_vpc" "nat" {
  cidr_block = "10.62.0.0/16"
  tags       = { Name = "nat" }
}
resource "aws_subnet" "main" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.60.1.0/24"
}
resource "aws_subnet" "nat" {
  vpc_id     = aws_vpc.nat.id
  cidr_block = "10.62.1.0/24"
}
resource "aws_security_group" "web" {
  name   = "table-web"
  vpc_id = aws_vpc.main.id
}
resource "aws_security_group" "flat" {
  name = "table-flat"
}
resource "aws_key_pair" "key" {
  key_name   = "table"
  public_key = var.public_key
}
resource "aws_instance" "one" {
  ami               = var.image
  instance_type     = "t2.micro"
  availability_zone = var.zone
  key_name          = aws_key_pair.key.key_name
}
resource "aws_instance" "inside" {
  ami                    = var.image
  instance_type          = "t2.micro"
  subnet_id              = aws_subnet.main.id
  vpc_security_group_ids = [aws_security_group.web.id]
}

# --- machines
resource "aws_launch_template" "t" {
  name          = "table"
  image_id      = var.image
  instance_type = "t2.micro"
}
resource "aws_placement_group" "p" {
  name     = "table"
  strategy = "spread"
}
resource "aws_ec2_instance_state" "one" {
  instance_id = aws_instance.one.id
  state       = "running"
}
resource "aws_ec2_tag" "one" {
  resource_id = aws_instance.one.root_block_device[0].volume_id
  key         = "table"
  value       = "yes"
}
resource "aws_spot_instance_request" "s" {
  ami                  = var.image
  instance_type        = "t2.micro"
  availability_zone    = var.zone
  spot_type            = "one-time"
  wait_for_fulfillment = true
}
resource "aws_ec2_fleet" "f" {
  type = "instant"
  launch_template_config {
    launch_template_specification {
      launch_template_id = aws_launch_template.t.id
      version            = aws_launch_template.t.latest_version
    }
    override { availability_zone = var.zone }
  }
  target_capacity_specification {
    default_target_capacity_type = "on-demand"
    total_target_capacity        = 1
  }
  terminate_instances = true
}
resource "aws_spot_fleet_request" "f" {
  iam_fleet_role  = "arn:aws:iam::123456789012:role/fleet"
  target_capacity = 1
  launch_specification {
    ami           = var.image
    instance_type = "t2.micro"
  }
}
resource "aws_ec2_host" "h" {
  instance_type     = "t2.micro"
  availability_zone = var.zone
}
resource "aws_ec2_capacity_reservation" "c" {
  instance_type     = "t2.micro"
  instance_platform = "Linux/UNIX"
  availability_zone = var.zone
  instance_count    = 1
}
resource "aws_ec2_instance_connect_endpoint" "e" { subnet_id = aws_subnet.main.id }
resource "aws_ec2_instance_metadata_defaults" "d" { http_tokens = "required" }
resource "aws_ec2_serial_console_access" "s" { enabled = false }
resource "aws_ec2_availability_zone_group" "g" {
  group_name    = "us-east-1"
  opt_in_status = "opted-in"
}

# --- disks and images
resource "aws_ebs_volume" "v" {
  availability_zone = var.zone
  size              = 2
  tags              = { Name = "table" }
}
resource "aws_volume_attachment" "v" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.v.id
  instance_id = aws_instance.one.id
}
resource "aws_ebs_snapshot" "s" {
  volume_id  = aws_ebs_volume.v.id
  depends_on = [aws_volume_attachment.v]
}
resource "aws_ebs_snapshot_copy" "c" {
  source_snapshot_id = aws_ebs_snapshot.s.id
  source_region      = "us-east-1"
}
resource "aws_ebs_snapshot_block_public_access" "b" { state = "unblocked" }
resource "aws_ebs_encryption_by_default" "e" { enabled = false }
resource "aws_ebs_default_kms_key" "k" { key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000" }
resource "aws_ebs_fast_snapshot_restore" "f" {
  availability_zone = var.zone
  snapshot_id       = aws_ebs_snapshot.s.id
}
resource "aws_snapshot_create_volume_permission" "p" {
  snapshot_id = aws_ebs_snapshot.s.id
  account_id  = "123456789012"
}
resource "aws_ami_from_instance" "i" {
  name                    = "table"
  source_instance_id      = aws_instance.inside.id
  snapshot_without_reboot = true
}
resource "aws_ami_copy" "c" {
  name              = "table-copy"
  source_ami_id     = var.image
  source_ami_region = "us-east-1"
}
resource "aws_ami" "a" {
  name                = "table-registered"
  root_device_name    = "/dev/sda1"
  virtualization_type = "hvm"
  ebs_block_device {
    device_name = "/dev/sda1"
    snapshot_id = aws_ebs_snapshot.s.id
  }
}
resource "aws_ami_launch_permission" "p" {
  image_id = aws_ami_from_instance.i.id
  group    = "all"
}
resource "aws_ec2_image_block_public_access" "b" { state = "unblocked" }

# --- security groups
resource "aws_security_group_rule" "r" {
  security_group_id = aws_security_group.flat.id
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = ["192.0.2.0/24"]
}
resource "aws_vpc_security_group_ingress_rule" "r" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_ipv4         = "192.0.2.0/24"
}
resource "aws_vpc_security_group_egress_rule" "r" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
resource "aws_default_security_group" "d" { vpc_id = aws_vpc.other.id }
resource "aws_vpc_security_group_vpc_association" "a" {
  security_group_id = aws_security_group.web.id
  vpc_id            = aws_vpc.other.id
}
resource "aws_ec2_managed_prefix_list" "p" {
  name           = "table"
  address_family = "IPv4"
  max_entries    = 2
  entry {
    cidr        = "192.0.2.0/24"
    description = "office"
  }
  entry { cidr = "198.51.100.0/24" }
}
resource "aws_security_group" "listed" {
  vpc_id = aws_vpc.main.id
  ingress {
    protocol        = "tcp"
    from_port       = 22
    to_port         = 22
    prefix_list_ids = [aws_ec2_managed_prefix_list.p.id]
  }
  egress {
    protocol        = "-1"
    from_port       = 0
    to_port         = 0
    prefix_list_ids = [aws_ec2_managed_prefix_list.p.id]
  }
}
resource "aws_vpc_security_group_ingress_rule" "listed" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = aws_ec2_managed_prefix_list.p.id
  description       = "listed"
  tags              = { app = "shop" }
}
resource "aws_route" "listed" {
  route_table_id             = aws_route_table.r.id
  destination_prefix_list_id = aws_ec2_managed_prefix_list.p.id
  gateway_id                 = aws_internet_gateway.g.id
}

# --- VPCs
resource "aws_default_vpc" "d" {}
resource "aws_default_subnet" "d" {
  availability_zone       = var.zone
  map_public_ip_on_launch = false
}
resource "aws_internet_gateway" "g" { vpc_id = aws_vpc.main.id }
resource "aws_internet_gateway" "free" {}
resource "aws_internet_gateway_attachment" "a" {
  internet_gateway_id = aws_internet_gateway.free.id
  vpc_id              = aws_vpc.other.id
}
resource "aws_egress_only_internet_gateway" "g" { vpc_id = aws_vpc.main.id }
resource "aws_route_table" "r" { vpc_id = aws_vpc.main.id }
resource "aws_route" "r" {
  route_table_id         = aws_route_table.r.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.g.id
}
resource "aws_route_table_association" "a" {
  route_table_id = aws_route_table.r.id
  subnet_id      = aws_subnet.main.id
}
resource "aws_route_table" "main" { vpc_id = aws_vpc.other.id }
resource "aws_main_route_table_association" "m" {
  vpc_id         = aws_vpc.other.id
  route_table_id = aws_route_table.main.id
}
resource "aws_default_route_table" "d" { default_route_table_id = aws_vpc.nat.default_route_table_id }
resource "aws_network_acl" "a" { vpc_id = aws_vpc.main.id }
resource "aws_network_acl_rule" "r" {
  network_acl_id = aws_network_acl.a.id
  rule_number    = 100
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = 443
  to_port        = 443
}
resource "aws_network_acl_association" "a" {
  network_acl_id = aws_network_acl.a.id
  subnet_id      = aws_subnet.main.id
}
resource "aws_default_network_acl" "d" { default_network_acl_id = aws_vpc.other.default_network_acl_id }
resource "aws_vpc_dhcp_options" "d" {
  domain_name         = "service.consul"
  domain_name_servers = ["AmazonProvidedDNS"]
  tags                = { Name = "table" }
}
resource "aws_vpc_dhcp_options_association" "d" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = aws_vpc_dhcp_options.d.id
}
resource "aws_default_vpc_dhcp_options" "d" {}
resource "aws_vpc_ipv4_cidr_block_association" "a" {
  vpc_id     = aws_vpc.other.id
  cidr_block = "10.63.0.0/16"
}
resource "aws_vpc_ipv6_cidr_block_association" "a" {
  vpc_id                           = aws_vpc.other.id
  assign_generated_ipv6_cidr_block = true
}
resource "aws_ec2_subnet_cidr_reservation" "r" {
  subnet_id        = aws_subnet.main.id
  cidr_block       = "10.60.1.64/28"
  reservation_type = "prefix"
}
resource "aws_vpc_block_public_access_options" "b" { internet_gateway_block_mode = "off" }
resource "aws_vpc_endpoint" "s3" {
  vpc_id       = aws_vpc.main.id
  service_name = "com.amazonaws.us-east-1.s3"
}
resource "aws_vpc_peering_connection" "p" {
  vpc_id      = aws_vpc.main.id
  peer_vpc_id = aws_vpc.other.id
}
resource "aws_flow_log" "f" {
  vpc_id          = aws_vpc.main.id
  traffic_type    = "ALL"
  iam_role_arn    = "arn:aws:iam::123456789012:role/log"
  log_destination = "arn:aws:logs:us-east-1:123456789012:log-group:table"
}
resource "aws_ec2_traffic_mirror_filter" "f" {}
resource "aws_ec2_network_insights_path" "p" {
  source      = aws_instance.inside.id
  destination = aws_instance.inside.id
  protocol    = "tcp"
}
resource "aws_vpc_ipam" "i" {
  operating_regions { region_name = "us-east-1" }
}

# --- addresses and interfaces
resource "aws_eip" "e" { domain = "vpc" }
resource "aws_eip_association" "a" {
  allocation_id        = aws_eip.e.id
  network_interface_id = aws_instance.inside.primary_network_interface_id
  depends_on           = [aws_internet_gateway.g]
}
resource "aws_eip" "nat" { domain = "vpc" }
resource "aws_internet_gateway" "nat" { vpc_id = aws_vpc.nat.id }
resource "aws_nat_gateway" "n" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.nat.id
  depends_on    = [aws_internet_gateway.nat]
}
resource "aws_eip_domain_name" "d" {
  allocation_id = aws_eip.e.allocation_id
  domain_name   = "host.example.com"
}
resource "aws_network_interface" "n" {
  subnet_id = aws_subnet.nat.id
}
resource "aws_instance" "two_nics" {
  ami                    = var.image
  instance_type          = "t2.micro"
  subnet_id              = aws_subnet.main.id
  vpc_security_group_ids = [aws_security_group.web.id]
}
resource "aws_subnet" "second" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.60.2.0/24"
}
resource "aws_network_interface" "second" {
  subnet_id       = aws_subnet.second.id
  security_groups = [aws_security_group.web.id]
}
resource "aws_network_interface_attachment" "a" {
  instance_id          = aws_instance.two_nics.id
  network_interface_id = aws_network_interface.second.id
  device_index         = 1
}
resource "aws_security_group" "more" {
  name   = "table-more"
  vpc_id = aws_vpc.main.id
}
resource "aws_instance" "sg" {
  ami           = var.image
  instance_type = "t2.micro"
  subnet_id     = aws_subnet.main.id
}
resource "aws_network_interface_sg_attachment" "a" {
  security_group_id    = aws_security_group.more.id
  network_interface_id = aws_instance.sg.primary_network_interface_id
}

# --- VPN and transit
resource "aws_customer_gateway" "c" {
  bgp_asn    = "65000"
  ip_address = "198.51.100.7"
  type       = "ipsec.1"
}
resource "aws_vpn_gateway" "g" { vpc_id = aws_vpc.main.id }
resource "aws_vpn_gateway" "free" {}
resource "aws_vpn_gateway_attachment" "a" {
  vpc_id         = aws_vpc.other.id
  vpn_gateway_id = aws_vpn_gateway.free.id
}
resource "aws_vpn_connection" "v" {
  customer_gateway_id = aws_customer_gateway.c.id
  vpn_gateway_id      = aws_vpn_gateway.g.id
  type                = "ipsec.1"
  static_routes_only  = true
}
resource "aws_vpn_connection_route" "r" {
  vpn_connection_id      = aws_vpn_connection.v.id
  destination_cidr_block = "192.168.77.0/24"
}
resource "aws_vpn_gateway_route_propagation" "p" {
  vpn_gateway_id = aws_vpn_gateway.g.id
  route_table_id = aws_route_table.r.id
}
resource "aws_ec2_transit_gateway" "t" {}
resource "aws_ec2_client_vpn_endpoint" "c" {
  client_cidr_block      = "10.99.0.0/16"
  server_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  authentication_options {
    type                       = "certificate-authentication"
    root_certificate_chain_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  }
  connection_log_options { enabled = false }
}
resource "aws_ec2_carrier_gateway" "c" { vpc_id = aws_vpc.main.id }
resource "aws_ec2_local_gateway_route" "r" {
  destination_cidr_block                   = "172.16.0.0/16"
  local_gateway_route_table_id             = "lgw-rtb-00000000000000000"
  local_gateway_virtual_interface_group_id = "lgw-vif-grp-00000000000000000"
}

# --- data sources
data "aws_caller_identity" "d" {}
data "aws_region" "d" {}
data "aws_regions" "d" {}
data "aws_availability_zone" "d" { name = var.zone }
data "aws_availability_zones" "d" {}
data "aws_ami" "d" {
  owners      = ["self", "amazon"]
  most_recent = true
}
data "aws_ami_ids" "d" { owners = ["self", "amazon"] }
data "aws_ec2_instance_type" "d" { instance_type = "t2.micro" }
data "aws_ec2_instance_types" "d" {}
data "aws_ec2_instance_type_offering" "d" {
  filter {
    name   = "instance-type"
    values = ["t2.micro"]
  }
}
data "aws_ec2_instance_type_offerings" "d" {}
data "aws_ec2_spot_price" "d" {
  instance_type     = "t2.micro"
  availability_zone = var.zone
  filter {
    name   = "product-description"
    values = ["Linux/UNIX"]
  }
}
data "aws_ec2_serial_console_access" "d" {}
data "aws_instance" "d" { instance_id = aws_instance.one.id }
data "aws_instances" "d" {
  instance_state_names = ["running", "stopped"]
  depends_on           = [aws_instance.one]
}
data "aws_key_pair" "d" { key_name = aws_key_pair.key.key_name }
data "aws_launch_template" "d" { id = aws_launch_template.t.id }
data "aws_ebs_volume" "d" {
  filter {
    name   = "volume-id"
    values = [aws_ebs_volume.v.id]
  }
}
data "aws_ebs_volumes" "d" { depends_on = [aws_ebs_volume.v] }
data "aws_ebs_snapshot" "d" { snapshot_ids = [aws_ebs_snapshot.s.id] }
data "aws_ebs_snapshot_ids" "d" { depends_on = [aws_ebs_snapshot.s] }
data "aws_ebs_encryption_by_default" "d" {}
data "aws_ebs_default_kms_key" "d" {}
data "aws_security_group" "d" { id = aws_security_group.web.id }
data "aws_security_groups" "d" {}
data "aws_vpc_security_group_rule" "d" { security_group_rule_id = aws_vpc_security_group_ingress_rule.r.id }
data "aws_vpc_security_group_rules" "d" {}
data "aws_vpc" "d" { default = true }
data "aws_vpcs" "d" {}
data "aws_subnet" "d" { id = aws_subnet.main.id }
data "aws_subnets" "d" {}
data "aws_route_table" "d" { route_table_id = aws_route_table.r.id }
data "aws_route_tables" "d" {}
data "aws_route" "d" {
  route_table_id         = aws_route.r.route_table_id
  destination_cidr_block = "0.0.0.0/0"
}
data "aws_internet_gateway" "d" { internet_gateway_id = aws_internet_gateway.g.id }
data "aws_nat_gateway" "d" { id = aws_nat_gateway.n.id }
data "aws_nat_gateways" "d" {}
data "aws_network_acls" "d" {}
data "aws_network_interface" "d" { id = aws_instance.one.primary_network_interface_id }
data "aws_network_interfaces" "d" {}
data "aws_eip" "d" { id = aws_eip.e.id }
data "aws_eips" "d" {}
data "aws_vpc_dhcp_options" "d" { dhcp_options_id = aws_vpc.main.dhcp_options_id }
data "aws_customer_gateway" "d" { id = aws_customer_gateway.c.id }
data "aws_vpn_gateway" "d" { id = aws_vpn_gateway.g.id }
data "aws_prefix_list" "d" { name = "com.amazonaws.us-east-1.s3" }
data "aws_ec2_managed_prefix_lists" "d" {}
data "aws_vpc_endpoint_service" "d" { service = "s3" }
data "aws_vpc_peering_connections" "d" {}
data "aws_ec2_transit_gateway_attachments" "d" {}
data "aws_ec2_local_gateways" "d" {}
data "aws_ec2_public_ipv4_pools" "d" {}
data "aws_ec2_coip_pools" "d" {}

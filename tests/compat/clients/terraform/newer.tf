# What a provider from version 5 on has beyond the plain setup: default tags, rules that are resources of their own,
# instance types looked up, protection from stopping, disks of an instance with tags, launch templates, images.
variable "image" { type = string }
variable "zone" { type = string }
variable "type" { type = string }
variable "name" { type = string }
variable "endpoint" { type = string }
variable "public_key" { type = string }

provider "aws" {
  endpoints {
    ec2 = var.endpoint
    sts = var.endpoint
  }
  default_tags { tags = { project = var.name } }
}
data "aws_ec2_instance_type" "t" { instance_type = var.type }
data "aws_ec2_instance_types" "all" {
  filter {
    name   = "instance-type"
    values = ["t2.*"]
  }
}
data "aws_ec2_instance_type_offerings" "here" {
  filter {
    name   = "location"
    values = [var.zone]
  }
  location_type = "availability-zone"
}
data "aws_vpc" "default" { default = true }
data "aws_vpcs" "all" {}
data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}
data "aws_region" "here" {}
data "aws_regions" "all" {}
data "aws_availability_zone" "z" { name = var.zone }
data "aws_security_group" "default" {
  vpc_id = data.aws_vpc.default.id
  name   = "default"
}
resource "aws_key_pair" "key" {
  key_name_prefix = "${var.name}-"
  public_key      = var.public_key
}
data "aws_key_pair" "key" {
  key_name           = aws_key_pair.key.key_name
  include_public_key = true
}
resource "aws_security_group" "web" {
  name_prefix = "${var.name}-"
  vpc_id      = data.aws_vpc.default.id
}
resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "192.0.2.0/24"
  description       = "ssh"
  tags              = { rule = "ssh" }
}
resource "aws_vpc_security_group_ingress_rule" "own" {
  security_group_id            = aws_security_group.web.id
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.web.id
}
resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
resource "aws_instance" "one" {
  ami                         = var.image
  instance_type               = data.aws_ec2_instance_type.t.instance_type
  availability_zone           = var.zone
  key_name                    = aws_key_pair.key.key_name
  vpc_security_group_ids      = [aws_security_group.web.id]
  disable_api_stop            = true
  disable_api_termination     = false
  user_data_replace_on_change = true
  user_data                   = "#cloud-config\n"
  root_block_device {
    delete_on_termination = true
    volume_size           = 10
    tags                  = { disk = "root" }
  }
  ebs_block_device {
    device_name           = "/dev/sdf"
    volume_size           = 5
    delete_on_termination = true
  }
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "optional"
  }
}
resource "aws_ec2_instance_state" "one" {
  instance_id = aws_instance.one.id
  state       = "running"
}
resource "aws_launch_template" "lt" {
  name_prefix            = "${var.name}-"
  image_id               = var.image
  instance_type          = var.type
  key_name               = aws_key_pair.key.key_name
  vpc_security_group_ids = [aws_security_group.web.id]
  update_default_version = true
}
resource "aws_instance" "two" {
  availability_zone = var.zone
  launch_template {
    id      = aws_launch_template.lt.id
    version = "$Latest"
  }
}
resource "aws_placement_group" "pg" {
  name     = var.name
  strategy = "spread"
}
resource "aws_ami_from_instance" "img" {
  name                    = "${var.name}-image"
  source_instance_id      = aws_instance.two.id
  snapshot_without_reboot = true
}
data "aws_instance" "one" { instance_id = aws_instance.one.id }
data "aws_instances" "all" {
  instance_tags = { project = var.name }
  depends_on    = [aws_instance.one, aws_instance.two]
}

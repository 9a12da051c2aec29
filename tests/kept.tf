# What the store keeps, and what it keeps of things that CloudStack has: a plan is empty only if all of it is told.
variable "endpoint" { type = string }
variable "image" { type = string }
variable "zone" { type = string }

provider "aws" {
  endpoints {
    ec2 = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_vpc" "main" {
  cidr_block = "10.42.0.0/16"
  tags       = { Name = "kept", "availability-zone" = var.zone, name = "differs by case alone" }
}

resource "aws_subnet" "web" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.42.1.0/24"
  availability_zone = var.zone
}

resource "aws_internet_gateway" "out" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "kept" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.out.id
  }
  tags = { Name = "kept" }
}

resource "aws_route_table_association" "web" {
  subnet_id      = aws_subnet.web.id
  route_table_id = aws_route_table.public.id
}

resource "aws_security_group" "web" {
  name   = "kept"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_network_interface" "first" {
  subnet_id       = aws_subnet.web.id
  security_groups = [aws_security_group.web.id]
  tags            = { Name = "kept" }
}

resource "aws_network_interface" "spare" {
  subnet_id   = aws_subnet.web.id
  description = "on no instance"
}

resource "aws_key_pair" "key" {
  key_name   = "kept"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOs32X0RA2hBs+01t9bSktJ4sVMBMryKR78zrPVQhhrO kept@example"
  tags       = { Name = "kept" }
}

resource "aws_launch_template" "web" {
  name          = "kept"
  image_id      = var.image
  instance_type = "t2.micro"
  key_name      = aws_key_pair.key.key_name
}

resource "aws_instance" "web" {
  ami           = var.image
  instance_type = "t2.micro"
  key_name      = aws_key_pair.key.key_name
  network_interface {
    device_index         = 0
    network_interface_id = aws_network_interface.first.id
  }
  tags = { Name = "kept" }
}

resource "aws_ebs_volume" "empty" {
  availability_zone = var.zone
  size              = 5
}

resource "aws_ebs_snapshot" "empty" {
  volume_id = aws_ebs_volume.empty.id
  tags      = { Name = "kept" }
}

resource "aws_placement_group" "apart" {
  name     = "kept"
  strategy = "spread"
  tags     = { Name = "kept" }
}

resource "aws_eip" "nat" {
  domain = "vpc"
}

resource "aws_nat_gateway" "out" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.web.id
  tags          = { Name = "kept" }
}

resource "aws_customer_gateway" "office" {
  bgp_asn    = 65000
  ip_address = "198.51.100.7"
  type       = "ipsec.1"
}

# A plain setup, as anyone's first: no flag tells the provider to skip anything.
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
}

data "aws_caller_identity" "me" {}

data "aws_availability_zones" "all" {}

data "aws_vpc" "default" {
  default = true
}

data "aws_ami" "image" {
  owners      = ["self", "amazon", "aws-marketplace"]
  most_recent = true
  filter {
    name   = "image-id"
    values = [var.image]
  }
}

resource "aws_key_pair" "key" {
  key_name   = var.name
  public_key = var.public_key
  tags       = { purpose = "test" }
}

resource "aws_security_group" "web" {
  name        = var.name
  description = "web and ssh"

  ingress {
    description = "ssh"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["192.0.2.0/24", "198.51.100.0/24"]
  }
  ingress {
    from_port = 0
    to_port   = 0
    protocol  = "-1"
    self      = true
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  tags = { Name = var.name }
}

resource "aws_instance" "web" {
  count                  = 2
  ami                    = data.aws_ami.image.id
  instance_type          = var.type
  availability_zone      = var.zone
  key_name               = aws_key_pair.key.key_name
  vpc_security_group_ids = [aws_security_group.web.id]
  user_data              = "#cloud-config\n"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }
  tags = {
    Name  = "${var.name}-${count.index}"
    Empty = ""
  }
}

resource "aws_ebs_volume" "data" {
  availability_zone = aws_instance.web[0].availability_zone
  size              = 5
  tags              = { Name = "${var.name}-data" }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.web[0].id
}

resource "aws_ebs_snapshot" "data" {
  volume_id  = aws_ebs_volume.data.id
  depends_on = [aws_volume_attachment.data]
  tags       = { Name = var.name }
}

output "account" {
  value = data.aws_caller_identity.me.account_id
}

output "addresses" {
  value = aws_instance.web[*].private_ip
}

# Everything of EC2's networking that Adit makes, as an ordinary user would state it.
#
# `step` moves every resource that can be changed in place from its first state to its second.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "region" {
  type = string
}

variable "step" {
  type    = number
  default = 1
}

locals {
  changed = var.step > 1
  tags    = { Step = tostring(var.step) }
  service = "com.amazonaws.${var.region}.s3"
}

provider "aws" {
  region                      = var.region
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true
  skip_requesting_account_id  = false

  endpoints {
    ec2             = var.endpoint
    iam             = var.endpoint
    route53         = var.endpoint
    route53resolver = var.endpoint
    s3              = var.endpoint
    sts             = var.endpoint
  }

  s3_use_path_style = true
}

data "aws_availability_zones" "all" {}

resource "aws_vpc" "main" {
  cidr_block           = "10.20.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = local.tags
}

resource "aws_vpc" "peer" {
  cidr_block           = "10.30.0.0/16"
  enable_dns_hostnames = true
  tags                 = local.tags
}

resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.21.0.0/16"
}

resource "aws_subnet" "public" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.20.1.0/24"
  availability_zone       = data.aws_availability_zones.all.names[0]
  map_public_ip_on_launch = local.changed
  tags                    = local.tags
}

resource "aws_subnet" "private" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.20.2.0/24"
  availability_zone = data.aws_availability_zones.all.names[1]
  tags              = local.tags
}

resource "aws_subnet" "secondary" {
  vpc_id     = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  cidr_block = "10.21.1.0/24"
  tags       = local.tags
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = local.tags
}

resource "aws_eip" "nat" {
  domain = "vpc"
  tags   = local.tags
}

resource "aws_nat_gateway" "main" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public.id
  tags          = local.tags
  depends_on    = [aws_internet_gateway.main]
}

resource "aws_nat_gateway" "private" {
  connectivity_type = "private"
  subnet_id         = aws_subnet.private.id
  tags              = local.tags
}

resource "aws_ec2_managed_prefix_list" "offices" {
  name           = local.changed ? "offices-changed" : "offices"
  address_family = "IPv4"
  max_entries    = 5
  tags           = local.tags

  entry {
    cidr        = "192.0.2.0/24"
    # It stays: when a description alone changes, some versions of the provider send a stale version
    # of the list, which is refused here as by AWS (hashicorp/terraform-provider-aws#43528).
    description = "the first"
  }

  dynamic "entry" {
    for_each = local.changed ? ["198.51.100.0/24"] : []
    content {
      cidr = entry.value
    }
  }
}

resource "aws_ec2_managed_prefix_list" "apart" {
  name           = "apart"
  address_family = "IPv4"
  max_entries    = 2
}

resource "aws_ec2_managed_prefix_list_entry" "apart" {
  prefix_list_id = aws_ec2_managed_prefix_list.apart.id
  cidr           = "203.0.113.0/24"
  description    = "alone"
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  tags   = local.tags

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }

  route {
    destination_prefix_list_id = aws_ec2_managed_prefix_list.offices.id
    gateway_id                 = aws_internet_gateway.main.id
  }
}

resource "aws_route_table" "private" {
  vpc_id           = aws_vpc.main.id
  propagating_vgws = [aws_vpn_gateway.main.id]
  tags             = local.tags
}

resource "aws_route" "nat" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.main.id
}

resource "aws_route" "peer" {
  route_table_id            = aws_route_table.private.id
  destination_cidr_block    = aws_vpc.peer.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.main.id
}

resource "aws_route" "interface" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = local.changed ? "172.30.0.0/16" : "172.29.0.0/16"
  network_interface_id   = aws_network_interface.main.id
}

resource "aws_route_table_association" "public" {
  subnet_id      = aws_subnet.public.id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  subnet_id      = aws_subnet.private.id
  route_table_id = local.changed ? aws_route_table.public.id : aws_route_table.private.id
}

resource "aws_route_table" "edge" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table_association" "edge" {
  gateway_id     = aws_internet_gateway.main.id
  route_table_id = aws_route_table.edge.id
}

resource "aws_route_table" "peer" {
  vpc_id = aws_vpc.peer.id
}

resource "aws_main_route_table_association" "peer" {
  vpc_id         = aws_vpc.peer.id
  route_table_id = aws_route_table.peer.id
}

resource "aws_default_network_acl" "peer" {
  default_network_acl_id = aws_vpc.peer.default_network_acl_id
  tags                   = local.tags

  ingress {
    rule_no    = 100
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }

  egress {
    rule_no    = 100
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_default_security_group" "peer" {
  vpc_id = aws_vpc.peer.id
  tags   = local.tags
}

resource "aws_network_acl" "main" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = local.changed ? [aws_subnet.private.id, aws_subnet.secondary.id] : [aws_subnet.private.id]
  tags       = local.tags

  ingress {
    rule_no    = 100
    protocol   = "tcp"
    action     = "allow"
    cidr_block = local.changed ? "10.0.0.0/8" : "10.20.0.0/16"
    from_port  = 443
    to_port    = 443
  }

  egress {
    rule_no    = 100
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_network_acl" "apart" {
  vpc_id = aws_vpc.main.id
}

resource "aws_network_acl_rule" "ping" {
  network_acl_id = aws_network_acl.apart.id
  rule_number    = 200
  protocol       = "icmp"
  rule_action    = "allow"
  cidr_block     = "10.0.0.0/8"
  icmp_type      = 8
  icmp_code      = -1
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "web"
  vpc_id      = aws_vpc.main.id
  tags        = local.tags

  ingress {
    description = "clients"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = local.changed ? ["10.0.0.0/8", "192.168.0.0/16"] : ["10.0.0.0/8"]
    self        = true
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "rules" {
  name   = "rules"
  vpc_id = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "offices" {
  security_group_id = aws_security_group.rules.id
  description       = local.changed ? "offices, again" : "offices"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  prefix_list_id    = aws_ec2_managed_prefix_list.offices.id
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "web" {
  security_group_id            = aws_security_group.rules.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = local.changed ? 444 : 443
  referenced_security_group_id = aws_security_group.web.id
}

resource "aws_network_interface" "main" {
  subnet_id         = aws_subnet.public.id
  description       = local.changed ? "an interface, again" : "an interface"
  private_ips       = local.changed ? ["10.20.1.50", "10.20.1.51"] : ["10.20.1.50"]
  security_groups   = local.changed ? [aws_security_group.web.id, aws_security_group.rules.id] : [aws_security_group.web.id]
  source_dest_check = !local.changed
  tags              = local.tags
}

resource "aws_eip" "interface" {
  domain            = "vpc"
  network_interface = aws_network_interface.main.id
  tags              = local.tags
  depends_on        = [aws_internet_gateway.main]
}

resource "aws_vpc_dhcp_options" "main" {
  domain_name         = "corp.example"
  domain_name_servers = ["10.20.1.53", "AmazonProvidedDNS"]
  ntp_servers         = ["10.20.1.123"]
  tags                = local.tags
}

resource "aws_vpc_dhcp_options_association" "main" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = aws_vpc_dhcp_options.main.id
}

resource "aws_vpc_peering_connection" "main" {
  vpc_id      = aws_vpc.main.id
  peer_vpc_id = aws_vpc.peer.id
  auto_accept = true
  tags        = local.tags

  accepter {
    allow_remote_vpc_dns_resolution = local.changed
  }

  requester {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_vpn_gateway" "main" {
  vpc_id          = aws_vpc.main.id
  amazon_side_asn = 64600
  tags            = local.tags
}

resource "aws_customer_gateway" "main" {
  bgp_asn     = 65010
  ip_address  = "203.0.113.77"
  type        = "ipsec.1"
  device_name = "router"
  tags        = local.tags
}

resource "aws_vpn_connection" "main" {
  vpn_gateway_id        = aws_vpn_gateway.main.id
  customer_gateway_id   = aws_customer_gateway.main.id
  type                  = "ipsec.1"
  static_routes_only    = true
  tunnel1_inside_cidr   = "169.254.44.88/30"
  tunnel1_preshared_key = "a_shared_key_1"
  tags                  = local.tags
}

resource "aws_vpn_connection_route" "office" {
  vpn_connection_id      = aws_vpn_connection.main.id
  destination_cidr_block = "192.168.40.0/24"
}

resource "aws_vpc_endpoint" "gateway" {
  vpc_id          = aws_vpc.main.id
  service_name    = local.service
  route_table_ids = local.changed ? [aws_route_table.private.id, aws_route_table.public.id] : [aws_route_table.private.id]
  tags            = local.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = local.changed ? ["s3:GetObject", "s3:PutObject"] : ["s3:GetObject"]
      Resource  = "*"
    }]
  })
}

resource "aws_vpc_endpoint" "interface" {
  vpc_id              = aws_vpc.main.id
  service_name        = local.service
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.changed ? [aws_subnet.public.id, aws_subnet.private.id] : [aws_subnet.private.id]
  security_group_ids  = [aws_security_group.web.id]
  private_dns_enabled = true
  tags                = local.tags

  dns_options {
    private_dns_only_for_inbound_resolver_endpoint = false
  }
}

data "aws_prefix_list" "s3" {
  name = local.service
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = local.service
}

data "aws_vpc_peering_connection" "main" {
  id = aws_vpc_peering_connection.main.id
}

data "aws_route_tables" "main" {
  vpc_id     = aws_vpc.main.id
  depends_on = [aws_route_table.public, aws_route_table.private, aws_route_table.edge]
}

output "s3" {
  value = data.aws_prefix_list.s3.cidr_blocks
}

output "tables" {
  value = length(data.aws_route_tables.main.ids)
}

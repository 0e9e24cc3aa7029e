# IPv6, where packets follow it.

variable "ipv6" {
  type    = bool
  default = false
}

resource "aws_vpc" "six" {
  count                            = var.ipv6 ? 1 : 0
  cidr_block                       = "10.60.0.0/16"
  assign_generated_ipv6_cidr_block = true
  tags                             = local.tags
}

resource "aws_subnet" "six" {
  count                           = var.ipv6 ? 1 : 0
  vpc_id                          = aws_vpc.six[0].id
  cidr_block                      = "10.60.1.0/24"
  ipv6_cidr_block                 = cidrsubnet(aws_vpc.six[0].ipv6_cidr_block, 8, 1)
  assign_ipv6_address_on_creation = local.changed
  tags                            = local.tags
}

resource "aws_egress_only_internet_gateway" "six" {
  count  = var.ipv6 ? 1 : 0
  vpc_id = aws_vpc.six[0].id
  tags   = local.tags
}

resource "aws_route_table" "six" {
  count  = var.ipv6 ? 1 : 0
  vpc_id = aws_vpc.six[0].id

  route {
    ipv6_cidr_block        = "::/0"
    egress_only_gateway_id = aws_egress_only_internet_gateway.six[0].id
  }
}

resource "aws_network_interface" "six" {
  count              = var.ipv6 ? 1 : 0
  subnet_id          = aws_subnet.six[0].id
  ipv6_address_count = local.changed ? 2 : 1
  tags               = local.tags
}

# What stands beside the network: identities, names, resolvers and buckets. S3 Control is left to boto3: the provider
# puts the account in front of the host, which would have to be a name that resolves.

data "aws_caller_identity" "me" {}

resource "aws_iam_user" "ann" {
  name = "ann"
  path = local.changed ? "/second/" : "/first/"
  tags = local.tags
}

resource "aws_iam_user_policy" "own" {
  name   = "own"
  user   = aws_iam_user.ann.name
  policy = data.aws_iam_policy_document.look.json
}

data "aws_iam_policy_document" "look" {
  statement {
    actions   = local.changed ? ["ec2:Describe*", "s3:ListBucket"] : ["ec2:Describe*"]
    resources = ["*"]
  }
}

resource "aws_iam_group" "readers" {
  name = "readers"
}

resource "aws_iam_group_membership" "readers" {
  name  = "readers"
  group = aws_iam_group.readers.name
  users = [aws_iam_user.ann.name]
}

resource "aws_iam_policy" "look" {
  name   = "look"
  policy = data.aws_iam_policy_document.look.json
  tags   = local.tags
}

resource "aws_iam_role" "reader" {
  name                 = "reader"
  description          = local.changed ? "reads more" : "reads"
  max_session_duration = local.changed ? 7200 : 3600
  permissions_boundary = aws_iam_policy.look.arn
  tags                 = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "reader" {
  role       = aws_iam_role.reader.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_route53_zone" "corp" {
  name    = "corp.example"
  comment = local.changed ? "ours, again" : "ours"
  tags    = local.tags

  vpc {
    vpc_id = aws_vpc.main.id
  }

  dynamic "vpc" {
    for_each = local.changed ? [aws_vpc.peer.id] : []
    content {
      vpc_id = vpc.value
    }
  }
}

resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.corp.zone_id
  name    = "www.corp.example"
  type    = "A"
  ttl     = local.changed ? 60 : 30
  records = local.changed ? ["10.20.1.8", "10.20.1.9"] : ["10.20.1.7"]
}

resource "aws_route53_record" "s3" {
  zone_id = aws_route53_zone.corp.zone_id
  name    = "s3.corp.example"
  type    = "A"

  alias {
    name                   = aws_vpc_endpoint.interface.dns_entry[0].dns_name
    zone_id                = aws_vpc_endpoint.interface.dns_entry[0].hosted_zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_resolver_endpoint" "out" {
  name               = local.changed ? "out-again" : "out"
  direction          = "OUTBOUND"
  security_group_ids = [aws_security_group.web.id]
  tags               = local.tags

  ip_address {
    subnet_id = aws_subnet.public.id
  }

  ip_address {
    subnet_id = aws_subnet.private.id
  }
}

resource "aws_route53_resolver_rule" "office" {
  name                 = local.changed ? "office-again" : "office"
  domain_name          = "office.example"
  rule_type            = "FORWARD"
  resolver_endpoint_id = aws_route53_resolver_endpoint.out.id
  tags                 = local.tags

  target_ip {
    ip = local.changed ? "192.168.40.54" : "192.168.40.53"
  }
}

resource "aws_route53_resolver_rule_association" "office" {
  resolver_rule_id = aws_route53_resolver_rule.office.id
  vpc_id           = aws_vpc.main.id
}

resource "aws_s3_bucket" "data" {
  bucket        = "terraform-data"
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_policy" "data" {
  bucket = aws_s3_bucket.data.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = local.changed ? ["s3:GetObject", "s3:PutObject"] : ["s3:GetObject"]
      Resource  = "${aws_s3_bucket.data.arn}/secret/*"
      Condition = { StringNotEquals = { "aws:SourceVpce" = aws_vpc_endpoint.gateway.id } }
    }]
  })
}

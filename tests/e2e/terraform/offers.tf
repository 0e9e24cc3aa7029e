# What is offered to others and asked of them, what is recorded, and what can be stated beside a resource instead of in it.
#
# The load balancer is not Terraform's: its provider reads attributes of load balancers that Adit does not have.

variable "balancer" {
  description = "The ARN of a network load balancer in the Region's first zone."
  type        = string
}

resource "aws_vpc_endpoint_service" "own" {
  network_load_balancer_arns = [var.balancer]
  acceptance_required        = true
  private_dns_name           = local.changed ? "api2.example.com" : "api.example.com"
  tags                       = local.tags
}

resource "aws_vpc_endpoint_service_allowed_principal" "me" {
  vpc_endpoint_service_id = aws_vpc_endpoint_service.own.id
  principal_arn           = local.changed ? "*" : "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"
}

resource "aws_vpc_endpoint" "own" {
  vpc_id             = aws_vpc.main.id
  service_name       = aws_vpc_endpoint_service.own.service_name
  vpc_endpoint_type  = "Interface"
  subnet_ids         = [aws_subnet.public.id]
  security_group_ids = local.changed ? [aws_security_group.web.id, aws_security_group.rules.id] : [aws_security_group.web.id]
  tags               = local.tags
}

resource "aws_vpc_endpoint_connection_notification" "own" {
  vpc_endpoint_service_id     = aws_vpc_endpoint_service.own.id
  connection_notification_arn = "arn:aws:sns:${var.region}:${data.aws_caller_identity.me.account_id}:events"
  connection_events           = local.changed ? ["Accept", "Reject"] : ["Accept"]
}

resource "aws_vpc_endpoint" "apart" {
  vpc_id       = aws_vpc.peer.id
  service_name = local.service
}

resource "aws_vpc_endpoint_policy" "apart" {
  vpc_endpoint_id = aws_vpc_endpoint.apart.id

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

resource "aws_vpc_endpoint_route_table_association" "apart" {
  vpc_endpoint_id = aws_vpc_endpoint.apart.id
  route_table_id  = aws_route_table.peer.id
}

resource "aws_flow_log" "bucket" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "ALL"
  log_destination_type     = "s3"
  log_destination          = "${aws_s3_bucket.data.arn}/flows"
  max_aggregation_interval = 60
  tags                     = local.tags
}

resource "aws_flow_log" "group" {
  subnet_id       = aws_subnet.private.id
  traffic_type    = "REJECT"
  log_destination = "arn:aws:logs:${var.region}:${data.aws_caller_identity.me.account_id}:log-group:flows"
  iam_role_arn    = aws_iam_role.reader.arn
  tags            = local.tags
}

resource "aws_route53_resolver_query_log_config" "questions" {
  name            = "questions"
  destination_arn = "arn:aws:logs:${var.region}:${data.aws_caller_identity.me.account_id}:log-group:questions"
  tags            = local.tags
}

resource "aws_route53_resolver_query_log_config_association" "questions" {
  resolver_query_log_config_id = aws_route53_resolver_query_log_config.questions.id
  resource_id                  = aws_vpc.main.id
}

resource "aws_route53_resolver_config" "peer" {
  resource_id              = aws_vpc.peer.id
  autodefined_reverse_flag = local.changed ? "DISABLE" : "ENABLE"
}

resource "aws_iam_access_key" "ann" {
  user   = aws_iam_user.ann.name
  status = local.changed ? "Inactive" : "Active"
}

resource "aws_iam_user_policy_attachment" "ann" {
  user       = aws_iam_user.ann.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_group_policy" "readers" {
  name   = "own"
  group  = aws_iam_group.readers.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_group_policy_attachment" "readers" {
  group      = aws_iam_group.readers.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_role_policy" "reader" {
  name   = "own"
  role   = aws_iam_role.reader.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_account_alias" "me" {
  account_alias = "terraform-alias"
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id

  versioning_configuration {
    status = local.changed ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    object_ownership = local.changed ? "BucketOwnerEnforced" : "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket                  = aws_s3_bucket.data.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = local.changed
}

resource "aws_s3_bucket_cors_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  cors_rule {
    allowed_methods = local.changed ? ["GET", "PUT"] : ["GET"]
    allowed_origins = ["https://app.example.com"]
    max_age_seconds = 300
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    id     = "old"
    status = "Enabled"

    filter {
      prefix = "tmp/"
    }

    expiration {
      days = local.changed ? 7 : 3
    }
  }
}

resource "aws_s3_object" "note" {
  bucket  = aws_s3_bucket.data.id
  key     = "note"
  content = local.changed ? "second" : "first"
  tags    = local.tags
}

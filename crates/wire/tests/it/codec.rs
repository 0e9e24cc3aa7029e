//! Requests in, replies out, as clients and the wire have them.

use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service, Value, list, map, protocol};

use crate::common::{form, read, refusal};

fn op(service: Service, name: &str) -> OperationRef {
    OperationRef::find(service, name).expect("an operation")
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).expect("text")
}

#[test]
fn ec2_reads_a_create_as_botocore_sends_it() {
    let body = "Action=CreateVpcEndpoint&Version=2016-11-15&VpcEndpointType=Interface&VpcId=vpc-1\
        &ServiceName=com.amazonaws.us-east-1.s3&SubnetId.1=subnet-a&SubnetId.2=subnet-b\
        &DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint=false&PrivateDnsEnabled=true\
        &TagSpecification.1.ResourceType=vpc-endpoint&TagSpecification.1.Tag.1.Key=a+b%26\
        &TagSpecification.1.Tag.1.Value=%C3%A9&SubnetConfiguration.1.Ipv4=10.0.0.5&DryRun=true";
    let (name, value) = read(Service::Ec2, &form(body)).unwrap();
    assert_eq!(name, "CreateVpcEndpoint");
    let wanted = map! {
        "DnsOptions" => map! { "PrivateDnsOnlyForInboundResolverEndpoint" => false },
        "DryRun" => true,
        "PrivateDnsEnabled" => true,
        "ServiceName" => "com.amazonaws.us-east-1.s3",
        "SubnetConfigurations" => list![map! { "Ipv4" => "10.0.0.5" }],
        "SubnetIds" => list!["subnet-a", "subnet-b"],
        "TagSpecifications" => list![map! {
            "ResourceType" => "vpc-endpoint",
            "Tags" => list![map! { "Key" => "a b&", "Value" => "é" }],
        }],
        "VpcEndpointType" => "Interface",
        "VpcId" => "vpc-1",
    };
    assert_eq!(value, wanted);
}

#[test]
fn ec2_keeps_the_order_of_numbers_and_passes_over_gaps() {
    let body = "Action=DescribeVpcs&VpcId.10=c&VpcId.2=b&VpcId.1=a&Filter.7.Name=state\
        &Filter.7.Value.3=y&Filter.7.Value.1=x";
    let (_, value) = read(Service::Ec2, &form(body)).unwrap();
    assert_eq!(
        value.get("VpcIds").strings().collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let filter = &value.get("Filters").list()[0];
    assert_eq!(
        filter.get("Values").strings().collect::<Vec<_>>(),
        ["x", "y"]
    );
}

#[test]
fn ec2_also_takes_a_query() {
    let parts = Parts {
        method: "GET",
        path: "/",
        query: "Action=DescribeVpcs&VpcId.1=a&Version=2014-10-01&X-Amz-Date=20130524T000000Z&\
                AWSAccessKeyId=x&SignatureVersion=2",
        headers: Headers(&[]),
        body: b"",
    };
    let (_, value) = read(Service::Ec2, &parts).unwrap();
    assert_eq!(value, map! { "VpcIds" => list!["a"] });
}

#[test]
fn ec2_refuses_in_its_own_words() {
    for (body, code, message) in [
        (
            "Version=2016-11-15",
            "MissingAction",
            "The request must contain the parameter Action",
        ),
        (
            "Action=Foo",
            "InvalidAction",
            "The action Foo is not valid for this web service.",
        ),
        (
            "Action=CreateFleet",
            "UnsupportedOperation",
            "The operation CreateFleet is not supported by this installation.",
        ),
        (
            "Action=CreateVpcEndpoint&ServiceName=x",
            "MissingParameter",
            "The request must contain the parameter VpcId",
        ),
        (
            "Action=CreateRoute&RouteTableId=r&ClientToken=x",
            "UnknownParameter",
            "The parameter ClientToken is not recognized",
        ),
        (
            "Action=CreateVpcEndpoint&VpcId=v&SubnetId.member.1=x",
            "UnknownParameter",
            "The parameter SubnetId.member.1 is not recognized",
        ),
        (
            "Action=CreateVpcEndpoint&VpcId=v&VpcId.1=x",
            "UnknownParameter",
            "The parameter VpcId is not recognized",
        ),
        (
            "Action=DescribeVpcs&MaxResults=ten",
            "InvalidParameterValue",
            "Value (ten) for parameter MaxResults is invalid. Member must be an integer.",
        ),
        (
            "Action=CreateVpcEndpoint&VpcId=v&PrivateDnsEnabled=maybe",
            "InvalidParameterValue",
            "Value (maybe) for parameter PrivateDnsEnabled is invalid. \
             Member must be true or false.",
        ),
        (
            "Action=CreateVpcEndpoint&VpcId=v&DnsOptions.DnsRecordIpType=v4",
            "InvalidParameterValue",
            "Value (v4) for parameter DnsOptions.DnsRecordIpType is invalid. Member must satisfy \
             enum value set: [ipv4, dualstack, ipv6, service-defined].",
        ),
        (
            "Action=DescribeVpcs&VpcId.1=a&VpcId.1=b",
            "MalformedQueryString",
            "parameter `VpcId.1` is given twice",
        ),
        (
            "Action=DescribeVpcs&VpcId.1=%zz",
            "MalformedQueryString",
            "parameter `VpcId.1` is not well encoded",
        ),
        (
            "Action=DescribeVpcs&Version=2030-01-01",
            "NoSuchVersion",
            "The requested version (2030-01-01) of service ec2 does not exist",
        ),
    ] {
        assert_eq!(
            refusal(Service::Ec2, &form(body)),
            (code.to_owned(), message.to_owned())
        );
    }
}

#[test]
fn list_indices_do_not_cost_memory() {
    for index in [
        "0",
        "01",
        "10001",
        "1000000",
        "99999999999999999999",
        "-1",
        "x",
        "1 ",
    ] {
        let body = format!("Action=DescribeVpcs&VpcId.{index}=a");
        assert_eq!(
            refusal(Service::Ec2, &form(&body)).0,
            "UnknownParameter",
            "{index}"
        );
    }
    let deep = format!("Action=DescribeVpcs&Filter.1{}=a", ".1".repeat(5000));
    assert_eq!(refusal(Service::Ec2, &form(&deep)).0, "UnknownParameter");
    let many = format!("Action=DescribeVpcs{}", "&A=1".repeat(20_001));
    assert_eq!(
        refusal(Service::Ec2, &form(&many)).0,
        "InvalidParameterValue"
    );
}

#[test]
fn ec2_writes_its_envelope() {
    let output = map! {
        "VpcEndpoints" => list![map! {
            "VpcEndpointId" => "vpce-1",
            "CreationTimestamp" => Value::Time { millis: 1_504_645_066_307 },
            "PrivateDnsEnabled" => true,
            "RouteTableIds" => Value::List(Vec::new()),
            "Groups" => list![map! { "GroupId" => "sg-1", "GroupName" => "a<b" }],
            "PolicyDocument" => None::<String>,
        }],
        "NextToken" => None::<String>,
    };
    let op = op(Service::Ec2, "DescribeVpcEndpoints");
    assert_eq!(
        protocol::unknown_members(&op, &output),
        Vec::<String>::new()
    );
    let reply = protocol::encode(&op, &output, "req");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/xml;charset=UTF-8"));
    assert_eq!(
        text(&reply.body),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <DescribeVpcEndpointsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>req</requestId><vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId>\
         <creationTimestamp>2017-09-05T20:57:46.307Z</creationTimestamp>\
         <privateDnsEnabled>true</privateDnsEnabled><routeTableIdSet/>\
         <groupSet><item><groupId>sg-1</groupId><groupName>a&lt;b</groupName></item></groupSet>\
         </item></vpcEndpointSet></DescribeVpcEndpointsResponse>"
    );
}

#[test]
fn ec2_says_return_true_where_it_has_nothing_else_to_say() {
    for name in [
        "DeleteVpc",
        "CreateTags",
        "ModifyVpcEndpoint",
        "CreateRoute",
    ] {
        let reply = protocol::encode(&op(Service::Ec2, name), &Value::Null, "req");
        assert!(text(&reply.body).contains("<requestId>req</requestId><return>true</return>"));
    }
    let told = map! { "Return" => false };
    let reply = protocol::encode(&op(Service::Ec2, "CreateRoute"), &told, "req");
    assert!(text(&reply.body).contains("<return>false</return>"));
}

#[test]
fn unknown_members_are_named() {
    let op = op(Service::Ec2, "CreateVpc");
    let output = map! { "Vpc" => map! { "VpcID" => "x", "State" => "gone", "Tags" => "y" } };
    let found = protocol::unknown_members(&op, &output);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("CreateVpc.Vpc.VpcID"));
}

#[test]
fn query_reads_members_entries_and_empty_lists() {
    let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:role/r\
        &RoleSessionName=me&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/ReadOnlyAccess\
        &Tags.member.1.Key=k&Tags.member.1.Value=v&TransitiveTagKeys=";
    let (_, value) = read(Service::Sts, &form(body)).unwrap();
    assert_eq!(
        value.get("PolicyArns").list()[0].get("arn").str(),
        Some("arn:aws:iam::aws:policy/ReadOnlyAccess")
    );
    assert_eq!(value.get("TransitiveTagKeys"), &Value::List(Vec::new()));

    let body = "Action=CreateTopic&Version=2010-03-31&Name=t&Attributes.entry.1.key=DisplayName\
        &Attributes.entry.1.value=x";
    let (_, value) = read(Service::Sns, &form(body)).unwrap();
    assert_eq!(value.get("Attributes"), &map! { "DisplayName" => "x" });
}

#[test]
fn query_refuses_as_the_common_validator_does() {
    for (body, message) in [
        (
            "Action=AssumeRole&RoleSessionName=me",
            "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: \
             Member must not be null",
        ),
        (
            "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=m",
            "1 validation error detected: Value 'm' at 'roleSessionName' failed to satisfy \
             constraint: Member must have length greater than or equal to 2",
        ),
        (
            "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=Session1:2",
            "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
        ),
        (
            "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=me\
             &DurationSeconds=1",
            "1 validation error detected: Value '1' at 'durationSeconds' failed to satisfy \
             constraint: Member must have value greater than or equal to 900",
        ),
        (
            "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=me\
             &Tags.member.1.Value=v",
            "1 validation error detected: Value null at 'tags.1.member.key' failed to satisfy \
             constraint: Member must not be null",
        ),
    ] {
        assert_eq!(
            refusal(Service::Sts, &form(body)),
            ("ValidationError".to_owned(), message.to_owned())
        );
    }
    assert_eq!(
        refusal(Service::Iam, &form("Action=Nothing&Version=2010-05-08")).1,
        "Could not find operation Nothing for version 2010-05-08"
    );
}

#[test]
fn query_writes_result_and_metadata() {
    let reply = protocol::encode(
        &op(Service::Iam, "ListRoles"),
        &map! { "Roles" => Value::List(Vec::new()), "IsTruncated" => false },
        "req",
    );
    assert_eq!(
        text(&reply.body),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListRolesResult>\
         <Roles/><IsTruncated>false</IsTruncated></ListRolesResult><ResponseMetadata>\
         <RequestId>req</RequestId></ResponseMetadata></ListRolesResponse>"
    );
    let reply = protocol::encode(&op(Service::Iam, "DeleteUser"), &Value::Null, "req");
    assert!(text(&reply.body).contains("/\"><ResponseMetadata>"));
}

#[test]
fn route53_reads_paths_bodies_and_prefixed_ids() {
    let body = "<?xml version=\"1.0\"?><ChangeResourceRecordSetsRequest \
        xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes><Change>\
        <Action>UPSERT</Action><ResourceRecordSet><Name>a.b.</Name><Type>A</Type><TTL>60</TTL>\
        <ResourceRecords><ResourceRecord><Value>10.0.0.1</Value></ResourceRecord>\
        </ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch>\
        </ChangeResourceRecordSetsRequest>";
    for path in [
        "/2013-04-01/hostedzone/Z1/rrset/",
        "/2013-04-01/hostedzone/%2Fhostedzone%2FZ1/rrset",
    ] {
        let parts = Parts {
            method: "POST",
            path,
            query: "",
            headers: Headers(&[]),
            body: body.as_bytes(),
        };
        let (name, value) = read(Service::Route53, &parts).unwrap();
        assert_eq!(name, "ChangeResourceRecordSets");
        assert_eq!(value.get("HostedZoneId").str(), Some("Z1"));
        let change = &value.get("ChangeBatch").get("Changes").list()[0];
        assert_eq!(change.get("ResourceRecordSet").get("TTL").int(), Some(60));
    }
    let parts = Parts {
        method: "GET",
        path: "/2013-04-01/hostedzone",
        query: "maxitems=5&hostedzonetype=PrivateHostedZone",
        headers: Headers(&[]),
        body: b"",
    };
    let (name, value) = read(Service::Route53, &parts).unwrap();
    assert_eq!(name, "ListHostedZones");
    assert_eq!(
        value,
        map! { "MaxItems" => "5", "HostedZoneType" => "PrivateHostedZone" }
    );
}

#[test]
fn route53_creates_with_201_and_a_location() {
    let output = map! {
        "HostedZone" => map! { "Id" => "/hostedzone/Z1", "Name" => "a.", "CallerReference" => "r" },
        "Location" => "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1",
    };
    let reply = protocol::encode(&op(Service::Route53, "CreateHostedZone"), &output, "req");
    assert_eq!(reply.status, 201);
    assert!(reply.header("location").is_some_and(|l| l.ends_with("/Z1")));
    assert!(text(&reply.body).contains("<CreateHostedZoneResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><HostedZone><Id>/hostedzone/Z1</Id>"));
}

#[test]
fn documents_that_are_traps_are_refused() {
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    for body in [
        "<!DOCTYPE x [<!ENTITY a \"b\">]><Delete><Object><Key>&a;</Key></Object></Delete>",
        "<Delete><Object><Key>&a;</Key></Object></Delete>",
        "<Delete><Object><Key>k</Key></Object>",
        "<Delete></Delete><Delete></Delete>",
        "<Delete><Object><Key>k</Key></Object></Deleted>",
        "<?php x?><Delete/>",
        "text",
        "<Tagging/>",
        "<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>",
        "<Delete><Object><Key>k</Key><Evil/></Object></Delete>",
        &deep,
    ] {
        let parts = Parts {
            method: "POST",
            path: "/b",
            query: "delete",
            headers: Headers(&[]),
            body: body.as_bytes(),
        };
        assert_eq!(refusal(Service::S3, &parts).0, "MalformedXML", "{body:.80}");
    }
}

#[test]
fn json_reads_and_refuses() {
    let call = |target: &'static str, body: &'static str| {
        let headers: &'static [(&str, &[u8])] =
            Box::leak(Box::new([("X-Amz-Target", target.as_bytes())]));
        Parts {
            method: "POST",
            path: "/",
            query: "",
            headers: Headers(headers),
            body: body.as_bytes(),
        }
    };
    let parts = call(
        "Route53Resolver.GetResolverRule",
        "{\"ResolverRuleId\":\"rslvr-rr-1\"}",
    );
    let (name, value) = read(Service::Route53Resolver, &parts).unwrap();
    assert_eq!(
        (name.as_str(), value.get("ResolverRuleId").str()),
        ("GetResolverRule", Some("rslvr-rr-1"))
    );
    for (target, body, code) in [
        ("Route53Resolver.Nothing", "{}", "UnknownOperationException"),
        ("Other.GetResolverRule", "{}", "UnknownOperationException"),
        (
            "Route53Resolver.GetResolverRule",
            "{}",
            "ValidationException",
        ),
        (
            "Route53Resolver.GetResolverRule",
            "{",
            "SerializationException",
        ),
        (
            "Route53Resolver.GetResolverRule",
            "{\"ResolverRuleId\":1}",
            "ValidationException",
        ),
        (
            "Route53Resolver.GetResolverRule",
            "{\"ResolverRuleId\":\"r\",\"x\":1}",
            "SerializationException",
        ),
    ] {
        assert_eq!(
            refusal(Service::Route53Resolver, &call(target, body)).0,
            code,
            "{target} {body}"
        );
    }
    let parts = call(
        "Adit.Explain",
        "{\"From\":{\"Vpc\":\"vpc-1\",\"N\":[1,2.5,null,true]}}",
    );
    let (name, value) = read(Service::Adit, &parts).unwrap();
    assert_eq!(name, "Explain");
    let reply = protocol::encode(
        &OperationRef::find(Service::Adit, "Explain").unwrap(),
        &value,
        "r",
    );
    assert_eq!(
        text(&reply.body),
        "{\"From\":{\"Vpc\":\"vpc-1\",\"N\":[1,2.5,null,true]}}"
    );
}

#[test]
fn errors_have_the_form_of_their_service() {
    let error = ErrorReply::new("NoSuchThing", 404, "a < b").with("BucketName", "b");
    let body = |service| {
        let reply = protocol::encode_error(service, &error, "req");
        assert_eq!(reply.status, 404);
        let text = text(&reply.body).to_owned();
        text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
            .map(str::to_owned)
            .unwrap_or(text)
    };
    assert_eq!(
        body(Service::Ec2),
        "<Response><Errors><Error><Code>NoSuchThing</Code><Message>a &lt; b</Message></Error>\
         </Errors><RequestID>req</RequestID></Response>"
    );
    assert_eq!(
        body(Service::Sts),
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Type>Sender</Type><Code>NoSuchThing</Code><Message>a &lt; b</Message>\
         <BucketName>b</BucketName></Error><RequestId>req</RequestId></ErrorResponse>"
    );
    let s3 = body(Service::S3);
    assert!(s3.starts_with(
        "<Error><Code>NoSuchThing</Code><Message>a &lt; b</Message><BucketName>b</BucketName>\
         <RequestId>req</RequestId><HostId>"
    ));
    assert_eq!(
        s3.split("<HostId>")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
            .len(),
        76
    );
    assert!(body(Service::S3Control).starts_with("<ErrorResponse><Error><Code>NoSuchThing"));
    assert_eq!(
        body(Service::Route53Resolver),
        "{\"__type\":\"NoSuchThing\",\"message\":\"a < b\",\"BucketName\":\"b\"}"
    );
}

#[test]
fn s3_reads_headers_query_and_body() {
    let parts = Parts {
        method: "PUT",
        path: "/b/dir//a%20b",
        query: "x-id=PutObject",
        headers: Headers(&[
            ("Content-Type", b"text/plain"),
            ("x-amz-acl", b"private"),
            ("X-Amz-Meta-Some-Name", b"v1"),
            ("x-amz-meta-some-name", b"v2"),
            ("x-amz-storage-class", b"standard_ia"),
            (
                "x-amz-object-lock-retain-until-date",
                b"2030-01-01T00:00:00Z",
            ),
            ("content-length", b"3"),
            ("expires", b"soon"),
        ]),
        body: b"",
    };
    let (name, value) = read(Service::S3, &parts).unwrap();
    assert_eq!(name, "PutObject");
    assert_eq!(value.get("Key").str(), Some("dir//a b"));
    assert_eq!(value.get("StorageClass").str(), Some("STANDARD_IA"));
    assert_eq!(value.get("Metadata"), &map! { "some-name" => "v1,v2" });
    assert_eq!(
        value.get("ObjectLockRetainUntilDate").millis(),
        Some(1_893_456_000_000)
    );
    assert_eq!(value.get("ContentLength").int(), Some(3));
    assert_eq!(value.get("Expires").str(), Some("soon"));
}

#[test]
fn s3_refuses_bad_headers_by_name() {
    for (header, value, code) in [
        ("x-amz-acl", "publik", "InvalidArgument"),
        ("x-amz-storage-class", "FAST", "InvalidStorageClass"),
        ("content-length", "x", "InvalidArgument"),
        (
            "x-amz-object-lock-retain-until-date",
            "soon",
            "InvalidArgument",
        ),
    ] {
        let headers = [(header, value.as_bytes())];
        let parts = Parts {
            method: "PUT",
            path: "/b/k",
            query: "",
            headers: Headers(&headers),
            body: b"",
        };
        let reply = read(Service::S3, &parts).unwrap_err().reply(Service::S3);
        assert_eq!(reply.code, code);
        assert!(
            reply
                .fields
                .iter()
                .any(|(_, text)| text == value || text == header),
            "{reply:?}"
        );
    }
}

#[test]
fn s3_writes_roots_headers_and_bare_values() {
    let reply = protocol::encode(
        &op(Service::S3, "GetBucketLocation"),
        &map! { "LocationConstraint" => "eu-west-2" },
        "req",
    );
    assert!(text(&reply.body).ends_with(
        "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-2\
         </LocationConstraint>"
    ));
    let reply = protocol::encode(
        &op(Service::S3, "HeadObject"),
        &map! {
            "ContentLength" => 5i64,
            "ETag" => "\"x\"",
            "LastModified" => Value::Time { millis: 1_369_353_600_123 },
            "Metadata" => map! { "a" => "b", "evil" => "x\r\ny: z" },
        },
        "req",
    );
    assert!(reply.body.is_empty());
    let headers: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()))
        .collect();
    assert_eq!(
        &headers[..4],
        [
            ("content-length", "5"),
            ("etag", "\"x\""),
            ("last-modified", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-meta-a", "b"),
        ]
    );
    let reply = protocol::encode(
        &op(Service::S3, "ListObjectsV2"),
        &map! {
            "Name" => "b",
            "Prefix" => "",
            "Contents" => list![
                map! { "Key" => "a\u{1}\r", "LastModified" => Value::Time { millis: 0 } },
                map! { "Key" => "b", "ETag" => "\"e\"" },
            ],
        },
        "req",
    );
    assert!(text(&reply.body).ends_with(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
         <Prefix></Prefix><Contents><Key>a&#x1;&#13;</Key>\
         <LastModified>1970-01-01T00:00:00.000Z</LastModified></Contents><Contents><Key>b</Key>\
         <ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>"
    ));
    let reply = protocol::encode(
        &op(Service::S3, "GetObjectAcl"),
        &map! { "Grants" => list![map! {
            "Grantee" => map! { "Type" => "CanonicalUser", "ID" => "1" },
            "Permission" => "READ",
        }]},
        "req",
    );
    assert!(text(&reply.body).contains(
        "<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"CanonicalUser\"><ID>1</ID></Grantee>"
    ));
    let reply = protocol::encode(&op(Service::S3, "PutBucketPolicy"), &Value::Null, "req");
    assert_eq!((reply.status, reply.body.len()), (204, 0));
}

#[test]
fn an_error_is_readable_whatever_it_quotes() {
    let odd = "k\0\u{1}\u{b}\u{fffe}\u{ffff}<&\"\r\n\u{fffd}";
    for service in [Service::S3, Service::S3Control, Service::Ec2, Service::Iam] {
        let error = adit_wire::ErrorReply::new("InvalidArgument", 400, odd).with("Value", odd);
        let sent = protocol::encode_error(service, &error, "id");
        let tree = adit_wire::xml::parse(&sent.body).unwrap();
        let mut found = None;
        let mut left = vec![&tree];
        while let Some(element) = left.pop() {
            found = found.or(element.get("Message"));
            left.extend(&element.children);
        }
        let fffd = "\u{fffd}";
        let expected = format!("k{fffd}{fffd}{fffd}{fffd}{fffd}<&\"\r\n{fffd}");
        assert_eq!(found, Some(&*expected), "{service:?}");
    }
}

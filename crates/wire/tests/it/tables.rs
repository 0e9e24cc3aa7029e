//! The tables are whole: nothing was dropped while they were read.

use adit_wire::Service;
use adit_wire::tables::{Kind, Shape, Table};

fn tables() -> impl Iterator<Item = (Service, &'static Table, &'static str)> {
    const TEXTS: [(Service, &str); 10] = [
        (Service::Ec2, include_str!("../../tables/ec2.txt")),
        (Service::Iam, include_str!("../../tables/iam.txt")),
        (Service::Sts, include_str!("../../tables/sts.txt")),
        (Service::Route53, include_str!("../../tables/route53.txt")),
        (
            Service::Route53Resolver,
            include_str!("../../tables/route53resolver.txt"),
        ),
        (Service::S3, include_str!("../../tables/s3.txt")),
        (
            Service::S3Control,
            include_str!("../../tables/s3control.txt"),
        ),
        (Service::Elbv2, include_str!("../../tables/elbv2.txt")),
        (Service::Sns, include_str!("../../tables/sns.txt")),
        (Service::DynamoDb, include_str!("../../tables/dynamodb.txt")),
    ];
    TEXTS
        .into_iter()
        .map(|(service, text)| (service, service.table().expect("a table"), text))
}

fn members(shape: &Shape) -> usize {
    shape
        .structure()
        .map_or(0, |structure| structure.members.len())
}

#[test]
fn every_line_was_read() {
    for (service, table, text) in tables() {
        let count = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).count();
        assert_eq!(table.operations().count(), count("op\t"), "{service:?}");
        assert_eq!(table.shapes().count(), count("s\t"), "{service:?}");
        assert_eq!(
            table.shapes().map(members).sum::<usize>(),
            count("m\t"),
            "{service:?}"
        );
        assert!(!table.version.is_empty());
        assert_eq!(
            table.namespace.is_empty(),
            !table.json_version.is_empty(),
            "{service:?}"
        );
    }
}

#[test]
fn every_name_leads_somewhere() {
    for (service, table, _) in tables() {
        for operation in table.operations() {
            assert_eq!(
                table.operation(operation.name).map(|op| op.name),
                Some(operation.name)
            );
            for id in operation
                .input
                .iter()
                .chain(&operation.output)
                .chain(&operation.errors)
            {
                assert!(
                    table.shape(*id).structure().is_some(),
                    "{service:?} {}",
                    operation.name
                );
            }
        }
        for shape in table.shapes() {
            let below = match &shape.kind {
                Kind::List { member, .. } => vec![*member],
                Kind::Map { key, value, .. } => vec![*key, *value],
                Kind::Structure(s) => s.members.iter().map(|member| member.shape).collect(),
                _ => Vec::new(),
            };
            assert!(
                below.iter().all(|id| !table.shape(*id).name.is_empty()),
                "{}",
                shape.name
            );
        }
    }
}

#[test]
fn what_is_left_out_is_still_known() {
    let ec2 = Service::Ec2.table().expect("a table");
    assert!(ec2.operation("CreateFleet").is_none());
    assert!(ec2.knows("CreateFleet"));
    assert!(ec2.knows("CreateVpcEndpoint"));
    assert!(!ec2.knows("CreateVpcEndpoints"));
}

#[test]
fn services_by_scope() {
    for service in Service::ALL {
        let found = Service::from_signing_name(service.signing_name());
        let wanted = if service == Service::S3Control {
            Service::S3
        } else {
            service
        };
        assert_eq!(found, Some(wanted));
    }
}

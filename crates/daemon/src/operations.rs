//! What is built, for whoever asks the program rather than its documents.

use adit_api::OPERATIONS;
use adit_gateway::OBJECT_OPERATIONS;
use adit_wire::Service;

/// One operation that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Built {
    /// The service as AWS's tools call it: `ec2`, `s3control`, or `adit` for our own.
    pub service: &'static str,
    /// Its name in the API reference.
    pub operation: &'static str,
    /// Whether it changes anything.
    pub writes: bool,
}

/// Every operation that is built, the front door's on objects included, in the order of their names.
pub fn built() -> Vec<Built> {
    let intent = OPERATIONS.iter().map(|row| Built {
        service: row.service.name(),
        operation: row.name,
        writes: row.writes(),
    });
    let objects = OBJECT_OPERATIONS.iter().map(|name| Built {
        service: Service::S3.name(),
        operation: name,
        writes: !["Get", "Head", "List"]
            .iter()
            .any(|verb| name.starts_with(verb)),
    });
    let mut all: Vec<Built> = intent.chain(objects).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_among_them_and_none_stands_twice() {
        let all = built();
        let of = |name| all.iter().find(|b| b.operation == name).copied();
        assert!(of("PutObject").is_some_and(|b| b.writes));
        assert!(of("ListObjectsV2").is_some_and(|b| !b.writes));
        assert!(of("CreateVpc").is_some_and(|b| b.writes && b.service == "ec2"));
        for pair in all.windows(2) {
            let [one, next] = pair else { continue };
            assert_ne!((one.service, one.operation), (next.service, next.operation));
        }
    }
}

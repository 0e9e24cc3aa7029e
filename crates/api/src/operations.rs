//! The one visible table of what is built.

use adit_model::Draft;
use adit_wire::{Service, Value};

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;
use crate::{ec2, iam, own, s3, sts};

/// How an operation runs.
#[derive(Clone, Copy)]
pub enum Run {
    /// Looks at the newest durable intent and what the planes made of it.
    Read(ReadFn),
    /// Changes a draft, in a transaction.
    Write(WriteFn),
}

pub(crate) type ReadFn = fn(&Input<'_>, View<'_>, &Ctx) -> Result<Value, Refusal>;
pub(crate) type WriteFn = fn(&Input<'_>, &mut Draft, &mut Ctx) -> Result<Answer, Refusal>;

/// One operation.
pub struct Row {
    /// The service.
    pub service: Service,
    /// Its name in the API reference.
    pub name: &'static str,
    /// The action that the caller must be allowed; none when anybody may.
    pub action: Option<&'static str>,
    /// What it does.
    pub run: Run,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.service.name(), self.name)
    }
}

macro_rules! rows {
    ($($service:ident $prefix:literal { $($kind:ident $name:ident $run:path;)* })*) => {
        &[$($(Row {
            service: Service::$service,
            name: stringify!($name),
            action: Some(concat!($prefix, ":", stringify!($name))),
            run: Run::$kind($run),
        },)*)*]
    };
}

/// Every operation that is built. What is not here answers with the service's own error.
pub static OPERATIONS: &[Row] = rows! {
    Ec2 "ec2" {
        Write CreateVpc ec2::vpc::create;
        Write DeleteVpc ec2::vpc::delete;
        Read DescribeVpcs ec2::vpc::describe;
        Write ModifyVpcAttribute ec2::vpc::modify_attribute;
        Read DescribeVpcAttribute ec2::vpc::describe_attribute;
    }
};

/// The row of an operation.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Row> {
    OPERATIONS.iter().find(|row| row.service == service && row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_an_operation_of_its_service() {
        for row in OPERATIONS.iter().filter(|row| row.service != Service::Adit) {
            let table = row.service.table().unwrap();
            assert!(table.operation(row.name).is_some(), "{row:?}");
        }
    }

    #[test]
    fn no_row_stands_twice() {
        let mut names: Vec<String> = OPERATIONS.iter().map(|row| format!("{row:?}")).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

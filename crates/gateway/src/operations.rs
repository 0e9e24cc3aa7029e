//! Operations that change intent: decided here, carried out by whoever wires the gateway.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use adit_model::{AccountId, Millis, Region};
use adit_snapshot::KeyView;
use adit_wire::{ErrorReply, OperationRef, Value};

/// Who calls. Their right to do so has been decided already, with every layer.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody whose signature was verified.
    Signed(Arc<KeyView>),
    /// Somebody without a signature, whom a bucket policy lets in.
    Anonymous,
}

impl Caller {
    /// The account, if there is one.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Caller::Signed(key) => Some(&key.key.account),
            Caller::Anonymous => None,
        }
    }

    /// The identity's ARN, or `anonymous`.
    pub fn arn(&self) -> &str {
        match self {
            Caller::Signed(key) => &key.arn,
            Caller::Anonymous => "anonymous",
        }
    }
}

/// The answer of an operation, on its way.
pub type Call<'a> = Pin<Box<dyn Future<Output = Result<Value, ErrorReply>> + Send + 'a>>;

/// Carries out operations of S3 and S3 Control on buckets' settings. The caller's right to call has been
/// decided: an implementation must not ask identity policies again (a bucket policy may have granted it).
///
/// A write returns when its generation is in force in this process: the gateway's next request sees it.
pub trait Operations: Send + Sync {
    /// Runs a decoded operation. `region` is the Region that the request was sent to.
    fn call<'a>(
        &'a self,
        op: &'a OperationRef,
        input: &'a Value,
        caller: &'a Caller,
        region: &'a Region,
        now: Millis,
    ) -> Call<'a>;
}

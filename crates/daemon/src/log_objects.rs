//! Log files as objects of a bucket that the embedded store keeps.

use adit_model::Bucket;
use adit_objects::{BodyChecks, BodyOptions, PutOptions, Store as Objects};
use bytes::Bytes;

use crate::planes::net::chain;

/// What makes the name of a file its own.
pub(crate) fn unique() -> String {
    adit_api::Ids::random().text("0123456789abcdef", 8)
}

/// Puts a whole file.
///
/// # Errors
/// Why there is no such object now, with its causes.
pub(crate) async fn put(
    objects: &Objects,
    bucket: &Bucket,
    key: &str,
    body: Vec<u8>,
) -> Result<(), String> {
    let options = PutOptions {
        body: BodyOptions {
            length: Some(body.len() as u64),
            ..BodyOptions::default()
        },
        ..PutOptions::default()
    };
    let put = async {
        let bucket = adit_gateway::stored_bucket(bucket);
        let mut writer = objects.begin_put(&bucket, key, options).await?;
        writer.write(Bytes::from(body)).await?;
        writer.finish(BodyChecks::default()).await
    };
    put.await.map(drop).map_err(|e| chain(&e))
}

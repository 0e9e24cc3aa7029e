//! What strangers' text is read with takes any text.

use adit_objects::{
    Bucket, Checksum, ChecksumAlgorithm, EtagMatch, GetOptions, ListQuery, ListStart,
    ObjectChecksum, Range, UploadQuery, VersionId, VersionQuery,
};
use proptest::prelude::*;

use crate::lab::{Lab, put};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z0-9._-]{0,40}",
        "bytes=[0-9]{0,25}-[0-9]{0,25}",
        "(\"[a-f0-9-]{0,8}\",? ?){0,4}",
        "[A-Za-z0-9+/]{0,44}={0,2}(-[0-9]{1,12})?",
        "(\\.\\.|a|/|\\.){0,12}",
    ]
}

proptest! {
    #[test]
    fn values_are_read_or_refused(text in text(), size in 0..5000u64) {
        if let Some(range) = Range::parse(&text)
            && let Some((first, count)) = range.resolve(size)
        {
            prop_assert!(count > 0 && first + count <= size);
        }
        let matched = EtagMatch::parse(&text).matches("0123");
        prop_assert!(!matched || text.contains("0123") || text.contains('*'));
        for algorithm in ChecksumAlgorithm::ALL {
            if let Some(checksum) = ObjectChecksum::parse(algorithm, &text) {
                prop_assert_eq!(ObjectChecksum::parse(algorithm, &checksum.to_string()), Some(checksum));
            }
            if let Some(checksum) = Checksum::from_base64(algorithm, &text) {
                prop_assert_eq!(checksum.to_string(), text.as_str());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn markers_tokens_and_ids_are_taken_or_refused(texts in prop::collection::vec(text(), 8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let lab = Lab::new();
            let (store, bucket) = (&lab.store, Bucket::new("b"));
            for key in ["a/1", "a/2", "..a", "0"] {
                put(store, &bucket, key, "v").await;
            }
            for (one, other) in texts.iter().zip(texts.iter().skip(1)) {
                let (one, other) = (one.clone(), other.clone());
                for start in [ListStart::Token(one.clone()), ListStart::After(one.clone())] {
                    let query = ListQuery { prefix: String::new(), delimiter: other.clone(), start, max_keys: 2 };
                    match store.list(&bucket, &query).await {
                        Ok(page) => assert!(page.objects.iter().all(|entry| entry.key.as_str() > one.as_str())),
                        Err(error) => assert_eq!(error.code(), "InvalidArgument"),
                    }
                }
                let query = VersionQuery {
                    key_marker: Some(one.clone()),
                    version_marker: Some(VersionId::new(other.clone())),
                    ..VersionQuery::default()
                };
                assert!(store.list_versions(&bucket, &query).await.map_or_else(|e| e.code() == "InvalidArgument", |_| true));
                let query = UploadQuery {
                    key_marker: Some(one.clone()),
                    upload_id_marker: Some(other.clone()),
                    ..UploadQuery::default()
                };
                assert!(store.list_uploads(&bucket, &query).await.map_or_else(|e| e.code() == "InvalidArgument", |_| true));
                let options = GetOptions { version: Some(VersionId::new(other.clone())), ..GetOptions::default() };
                let code = store.get(&bucket, &one, &options).await.unwrap_err().code();
                assert!(["InvalidArgument", "NoSuchVersion", "KeyTooLongError", "InvalidURI"].contains(&code), "{code}");
                assert_eq!(store.upload(&bucket, &one, &other).await.unwrap_err().code(), "NoSuchUpload");
            }
        });
    }
}

//! Expiry by rules, on a clock of the test's own.

use adit_objects::{
    Attributes, Bucket, ExpireReport, Expiry, GetOptions, NewUpload, PutOptions, Rule, UnixMillis,
    Versioning,
};

use crate::lab::{Lab, bytes, delete, get, put, put_with, upload_part};

const DAY: i64 = 24 * 3600 * 1000;

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn versioned() -> Bucket {
    plain().versioned(Versioning::Enabled)
}

fn later(lab: &Lab, days: i64) -> UnixMillis {
    UnixMillis(lab.now().0 + days * DAY)
}

#[tokio::test]
async fn current_objects_go_when_their_days_are_over() {
    let lab = Lab::new();
    let store = &lab.store;
    let tagged = PutOptions {
        attributes: Attributes {
            tags: vec![("tmp".into(), "1".into())],
            ..Attributes::default()
        },
        ..PutOptions::default()
    };
    put_with(store, &plain(), "logs/tagged", bytes(1, 5000), tagged)
        .await
        .unwrap();
    for n in 0..1100 {
        put(store, &plain(), &format!("logs/{n:04}"), "12345").await;
    }
    put(store, &plain(), "keep", "12345").await;
    put(store, &plain(), "logs/big", bytes(2, 6000)).await;
    let by_tag = Rule {
        prefix: "logs/".into(),
        tags: vec![("tmp".into(), "1".into())],
        expiration: Some(Expiry::Days(1)),
        ..Rule::default()
    };
    let small = Rule {
        prefix: "logs/".into(),
        size_less_than: Some(100),
        expiration: Some(Expiry::Days(3)),
        ..Rule::default()
    };
    let rules = [by_tag.clone(), small];
    let head = store
        .head(&plain(), "logs/tagged", &GetOptions::default())
        .await
        .unwrap();
    // Written at midnight: one day later is the midnight after.
    assert_eq!(by_tag.expires_at(head.info()), Some(later(&lab, 2)));
    assert_eq!(rules[1].expires_at(head.info()), None);
    let early = UnixMillis(later(&lab, 2).0 - 1);
    assert_eq!(
        store
            .expire(&plain(), &rules, early, &mut |_| {})
            .await
            .unwrap(),
        ExpireReport::default()
    );
    let report = store
        .expire(&plain(), &rules, later(&lab, 2), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        report,
        ExpireReport {
            objects: 1,
            ..ExpireReport::default()
        }
    );
    let report = store
        .expire(&plain(), &rules, later(&lab, 4), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        report,
        ExpireReport {
            objects: 1100,
            ..ExpireReport::default()
        }
    );
    assert_eq!(store.usage(&plain()).await.unwrap().objects, 2);
    let on_date = Rule {
        expiration: Some(Expiry::Date(later(&lab, 5))),
        ..Rule::default()
    };
    let rules = [on_date];
    assert_eq!(
        store
            .expire(&plain(), &rules, later(&lab, 4), &mut |_| {})
            .await
            .unwrap()
            .objects,
        0
    );
    assert_eq!(
        store
            .expire(&plain(), &rules, later(&lab, 5), &mut |_| {})
            .await
            .unwrap()
            .objects,
        2
    );
    assert!(store.is_empty(&plain()).await.unwrap());
}

#[tokio::test]
async fn versions_markers_and_uploads_go_by_their_own_rules() {
    let lab = Lab::new();
    let store = &lab.store;
    for n in 0..4 {
        put(store, &versioned(), "k", n.to_string()).await;
        lab.advance(DAY);
    }
    put(store, &versioned(), "other", "v").await;
    let noncurrent = Rule {
        noncurrent_days: Some(0),
        keep_noncurrent: 1,
        ..Rule::default()
    };
    let report = store
        .expire(&versioned(), &[noncurrent], later(&lab, 1), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(report.versions, 2, "the newest noncurrent version is kept");
    let current = Rule {
        expiration: Some(Expiry::Days(0)),
        ..Rule::default()
    };
    let mut told = Vec::new();
    let report = store
        .expire(
            &versioned(),
            std::slice::from_ref(&current),
            later(&lab, 1),
            &mut |gone| told.push(gone),
        )
        .await
        .unwrap();
    assert_eq!(report.objects, 2);
    assert!(
        told.iter()
            .all(|gone| gone.what == adit_objects::Departure::Covered && gone.version.is_none())
    );
    assert_eq!(told.len(), 2);
    assert_eq!(
        get(store, &versioned(), "k").await.unwrap_err().code(),
        "NoSuchKey"
    );
    // Markers are not current objects: nothing more happens.
    let report = store
        .expire(&versioned(), &[current], later(&lab, 9), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(report, ExpireReport::default());
    let markers = Rule {
        expired_delete_markers: true,
        ..Rule::default()
    };
    assert_eq!(
        store
            .expire(
                &versioned(),
                std::slice::from_ref(&markers),
                later(&lab, 9),
                &mut |_| {}
            )
            .await
            .unwrap()
            .markers,
        0
    );
    let all = Rule {
        noncurrent_days: Some(1),
        ..Rule::default()
    };
    let report = store
        .expire(&versioned(), &[all, markers], later(&lab, 9), &mut |_| {})
        .await
        .unwrap();
    assert_eq!((report.versions, report.markers), (3, 2));
    assert!(store.is_empty(&versioned()).await.unwrap());

    let old = store
        .create_upload(&plain(), "a/old", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    upload_part(store, &plain(), "a/old", &old, 1, bytes(1, 5000))
        .await
        .unwrap();
    lab.advance(3 * DAY);
    let young = store
        .create_upload(&plain(), "a/young", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    let rule = Rule {
        prefix: "a/".into(),
        abort_uploads_days: Some(2),
        ..Rule::default()
    };
    let report = store
        .expire(&plain(), &[rule], lab.now(), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(report.uploads, 1);
    assert!(store.upload(&plain(), "a/old", &old).await.is_err());
    assert!(store.upload(&plain(), "a/young", &young).await.is_ok());
}

#[tokio::test]
async fn a_marker_above_a_deleted_key_outlives_it() {
    let lab = Lab::new();
    delete(&lab.store, &versioned(), "ghost").await;
    let rules = [Rule {
        expired_delete_markers: true,
        ..Rule::default()
    }];
    assert_eq!(
        lab.store
            .expire(&versioned(), &rules, lab.now(), &mut |_| {})
            .await
            .unwrap()
            .markers,
        1
    );
    assert!(lab.store.is_empty(&versioned()).await.unwrap());
}

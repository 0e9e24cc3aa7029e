//! Object Lock: what is locked stays, until its time is over or who may lifts it.

use adit_objects::{
    Attributes, Bucket, Completion, DefaultRetention, DeleteOptions, Error, Expiry, GetOptions,
    Lock, LockMode, NewUpload, ObjectLock, Period, PutOptions, Retention, Rule, UnixMillis,
    VersionId, Versioning,
};
use rusqlite::Connection;

use crate::lab::{
    EPOCH, Lab, claim, copy_of, delete, delete_version, first_layout, get_version, put, put_with,
    upload_part,
};

const DAY: i64 = 24 * 3600 * 1000;

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn locking() -> Bucket {
    plain()
        .versioned(Versioning::Enabled)
        .locked(Some(ObjectLock::default()))
}

fn by_default(mode: LockMode, days: u32) -> Bucket {
    let period = Period::Days(days);
    let default = Some(DefaultRetention { mode, period });
    locking().locked(Some(ObjectLock { default }))
}

fn until(mode: LockMode, days: i64) -> Option<Retention> {
    Some(Retention {
        mode,
        until: UnixMillis(EPOCH + days * DAY),
    })
}

fn with(retention: Option<Retention>, legal_hold: Option<bool>) -> PutOptions {
    let lock = Lock {
        retention,
        legal_hold,
    };
    PutOptions {
        attributes: Attributes {
            lock,
            ..Attributes::default()
        },
        ..PutOptions::default()
    }
}

async fn put_locked(lab: &Lab, bucket: &Bucket, options: PutOptions) -> VersionId {
    let put = put_with(&lab.store, bucket, "k", "body", options).await;
    put.unwrap().version_id.unwrap()
}

async fn lock_of(lab: &Lab, version: &VersionId) -> Lock {
    let found = lab.store.lock(&locking(), "k", Some(version)).await;
    found.unwrap().0
}

async fn set_hold(
    lab: &Lab,
    version: &VersionId,
    on: bool,
) -> Result<Option<VersionId>, &'static str> {
    let (store, bucket) = (&lab.store, locking());
    let done = store.set_legal_hold(&bucket, "k", Some(version), on);
    done.await.map_err(|why| why.code())
}

/// Whether a version can be removed: by anybody, by who may bypass governance.
async fn try_remove(lab: &Lab, version: &VersionId, bypass: bool) -> Result<(), &'static str> {
    let options = DeleteOptions {
        version: Some(version.clone()),
        bypass_governance: bypass,
        ..DeleteOptions::default()
    };
    let done = lab.store.delete(&locking(), "k", options).await;
    done.map(drop).map_err(|why| why.code())
}

#[tokio::test]
async fn what_is_locked_is_not_removed() {
    use LockMode::{Compliance, Governance};
    const DENIED: Result<(), &str> = Err("AccessDenied");
    for (retention, hold, plainly, bypassed, after) in [
        (None, None, Ok(()), Ok(()), Ok(())),
        (until(Governance, 5), None, DENIED, Ok(()), Ok(())),
        (until(Compliance, 5), None, DENIED, DENIED, Ok(())),
        (None, Some(true), DENIED, DENIED, DENIED),
        (until(Governance, 5), Some(true), DENIED, DENIED, DENIED),
        (until(Governance, 5), Some(false), DENIED, Ok(()), Ok(())),
    ] {
        let case = format!("{retention:?} {hold:?}");
        let lab = Lab::new();
        let options = || with(retention, hold);
        let version = put_locked(&lab, &locking(), options()).await;
        assert_eq!(lock_of(&lab, &version).await, options().attributes.lock);
        // A marker covers it and goes again, whatever the lock.
        let marker = delete(&lab.store, &locking(), "k").await;
        assert!(marker.delete_marker);
        let marker = marker.version_id.unwrap();
        assert!(
            delete_version(&lab.store, &locking(), "k", &marker)
                .await
                .delete_marker
        );
        // Another write makes another version and leaves this one.
        put(&lab.store, &locking(), "k", "other").await;
        assert_eq!(try_remove(&lab, &version, false).await, plainly, "{case}");
        if plainly.is_ok() {
            continue;
        }
        let lab = lab.reopen();
        let again = get_version(&lab.store, &locking(), "k", &version).await;
        assert_eq!(again.unwrap().info().size, 4);
        assert_eq!(try_remove(&lab, &version, true).await, bypassed, "{case}");
        if bypassed.is_ok() {
            continue;
        }
        lab.advance(5 * DAY);
        assert_eq!(try_remove(&lab, &version, false).await, after, "{case}");
        if after.is_err() {
            assert_eq!(
                set_hold(&lab, &version, false).await,
                Ok(Some(version.clone()))
            );
            assert_eq!(lock_of(&lab, &version).await.legal_hold, Some(false));
            assert_eq!(try_remove(&lab, &version, false).await, Ok(()), "{case}");
        }
        assert_eq!(lab.store.verify().await.unwrap().problems, []);
    }
}

#[tokio::test]
async fn one_locked_key_does_not_keep_the_others() {
    let lab = Lab::new();
    let kept = put_locked(&lab, &locking(), with(None, Some(true))).await;
    let free = put_locked(&lab, &locking(), with(None, None)).await;
    let items = [&kept, &free].map(|version| {
        let options = DeleteOptions {
            version: Some(version.clone()),
            bypass_governance: true,
            ..DeleteOptions::default()
        };
        ("k".to_owned(), options)
    });
    let done = lab.store.delete_many(&locking(), items.into()).await;
    assert!(matches!(&done[0], Err(Error::ObjectLocked { key }) if key == "k"));
    assert_eq!(done[1].as_ref().unwrap().version_id.as_ref(), Some(&free));
    let retired = lab.store.retire_bucket(&locking()).await;
    assert_eq!(retired.unwrap_err().code(), "BucketNotEmpty");
}

#[tokio::test]
async fn versions_get_the_default_from_when_they_are_whole() {
    let lab = Lab::new();
    let bucket = by_default(LockMode::Governance, 3);
    let put = put_locked(&lab, &bucket, with(None, Some(true))).await;
    let lock = lock_of(&lab, &put).await;
    assert_eq!(lock.retention, until(LockMode::Governance, 3));
    assert_eq!(lock.legal_hold, Some(true));
    let said = with(until(LockMode::Compliance, 1), None);
    let said = put_locked(&lab, &bucket, said).await;
    let own = lock_of(&lab, &said).await;
    assert_eq!(own.retention, until(LockMode::Compliance, 1));

    // An upload without a word of it, and one with.
    for (retention, made) in [
        (None, until(LockMode::Governance, 5)),
        (
            until(LockMode::Compliance, 9),
            until(LockMode::Compliance, 9),
        ),
    ] {
        let lab = Lab::new();
        let upload = NewUpload {
            attributes: with(retention, None).attributes,
            ..NewUpload::default()
        };
        let store = &lab.store;
        let begun = store.create_upload(&bucket, "k", upload).await.unwrap();
        let id = begun.upload_id;
        let part = upload_part(store, &bucket, "k", &id, 1, "part").await;
        lab.advance(2 * DAY);
        let completion = Completion {
            parts: vec![claim(1, &part.unwrap())],
            ..Completion::default()
        };
        let done = store.complete_upload(&bucket, "k", &id, completion).await;
        let version = done.unwrap().version_id.unwrap();
        assert_eq!(lock_of(&lab, &version).await.retention, made);
    }

    // A copy has the lock of its own request, never its source's.
    let copy = |lock, bucket: Bucket| {
        let mut request = copy_of(&locking(), "k");
        request.source.version = Some(said.clone());
        request.attributes.lock = lock;
        let store = lab.store.clone();
        async move {
            let copied = store.copy(&bucket, "k", request).await?;
            let version = copied.version_id.as_ref();
            Ok::<_, Error>(store.lock(&locking(), "k", version).await?.0)
        }
    };
    let lock = Lock::default();
    assert_eq!(copy(lock, locking()).await.unwrap(), lock);
    let given = copy(lock, bucket.clone()).await.unwrap();
    assert_eq!(given.retention, until(LockMode::Governance, 3));
    let lock = with(until(LockMode::Compliance, 2), Some(false));
    let lock = lock.attributes.lock;
    assert_eq!(copy(lock, bucket).await.unwrap(), lock);
    let refused = copy(lock, plain().versioned(Versioning::Enabled)).await;
    assert_eq!(refused.unwrap_err().code(), "InvalidRequest");
}

#[tokio::test]
async fn locks_need_a_bucket_that_has_them_and_a_date_to_come() {
    let lab = Lab::new();
    let store = &lab.store;
    let lock = || with(until(LockMode::Governance, 1), None);
    let past = || with(until(LockMode::Governance, 0), None);
    let upload = |options: PutOptions| NewUpload {
        attributes: options.attributes,
        ..NewUpload::default()
    };
    for (bucket, options, code) in [
        (plain(), lock(), "InvalidRequest"),
        (plain(), with(None, Some(false)), "InvalidRequest"),
        (locking(), past(), "InvalidArgument"),
    ] {
        let put = put_with(store, &bucket, "k", "body", options.clone()).await;
        assert_eq!(put.unwrap_err().code(), code);
        let begun = store.create_upload(&bucket, "k", upload(options)).await;
        assert_eq!(begun.unwrap_err().code(), code);
    }
    put(store, &plain(), "k", "body").await;
    let code = |why: Error| why.code();
    let set = |bucket, retention| async move {
        let done = store.set_retention(&bucket, "k", None, retention, true);
        done.await.map_err(code)
    };
    assert_eq!(set(plain(), None).await, Err("InvalidRequest"));
    let past = until(LockMode::Governance, 0);
    assert_eq!(set(locking(), past).await, Err("InvalidArgument"));
    let hold = store.set_legal_hold(&plain(), "k", None, true).await;
    assert_eq!(hold.map_err(code), Err("InvalidRequest"));
    let lock = store.lock(&plain(), "k", None).await;
    assert_eq!(lock.map_err(code), Err("InvalidRequest"));
    let missing = store.set_legal_hold(&locking(), "none", None, true).await;
    assert_eq!(missing.map_err(code), Err("NoSuchKey"));
    let marker = delete(store, &locking(), "k").await.version_id.unwrap();
    assert_eq!(set_hold(&lab, &marker, true).await, Err("MethodNotAllowed"));
}

#[tokio::test]
async fn retentions_change_as_they_may() {
    use LockMode::{Compliance, Governance};
    let lab = Lab::new();
    let options = with(until(Governance, 5), None);
    let version = put_locked(&lab, &locking(), options).await;
    for (new, bypass, allowed) in [
        (until(Governance, 4), false, false),
        (None, false, false),
        (until(Compliance, 6), false, false),
        (until(Governance, 6), false, true),
        (until(Governance, 3), true, true),
        (until(Compliance, 4), true, true),
        (until(Compliance, 3), true, false),
        (until(Governance, 9), true, false),
        (None, true, false),
        (until(Compliance, 7), false, true),
    ] {
        let before = lock_of(&lab, &version).await.retention;
        let (store, bucket) = (&lab.store, locking());
        let done = store.set_retention(&bucket, "k", Some(&version), new, bypass);
        let done = done.await;
        match &done {
            Ok(id) => assert_eq!(id.as_ref(), Some(&version)),
            Err(why) => assert_eq!(why.code(), "AccessDenied"),
        }
        assert_eq!(done.is_ok(), allowed, "{before:?} to {new:?}");
        let expected = if allowed { new } else { before };
        assert_eq!(lock_of(&lab, &version).await.retention, expected);
    }
    // What a reader kept of the current version is what was set.
    let head = lab
        .store
        .head(&locking(), "k", &GetOptions::default())
        .await;
    let shown = head.unwrap().info().attributes.lock.retention;
    assert_eq!(shown, until(Compliance, 7));
}

#[tokio::test]
async fn rules_let_locked_versions_stay() {
    let lab = Lab::new();
    let store = &lab.store;
    let options = with(until(LockMode::Compliance, 10), None);
    let locked = put_locked(&lab, &locking(), options).await;
    let free = put_locked(&lab, &locking(), with(None, None)).await;
    put(store, &locking(), "k", "newest").await;
    let rules = [Rule {
        expiration: Some(Expiry::Days(1)),
        noncurrent_days: Some(1),
        ..Rule::default()
    }];
    let run = |days: i64| {
        let now = UnixMillis(EPOCH + days * DAY);
        let rules = &rules;
        async move {
            let bucket = locking();
            store
                .expire(&bucket, rules, now, &mut |_| ())
                .await
                .unwrap()
        }
    };
    lab.advance(5 * DAY);
    let report = run(5).await;
    // The current one is covered by a marker, the free one is gone, the locked one stays.
    assert_eq!((report.objects, report.versions), (1, 1));
    assert!(get_version(store, &locking(), "k", &free).await.is_err());
    assert!(get_version(store, &locking(), "k", &locked).await.is_ok());
    lab.advance(6 * DAY);
    run(11).await;
    assert!(get_version(store, &locking(), "k", &locked).await.is_err());
}

/// A body that was on its way when its bucket got versions and Object Lock.
#[tokio::test]
async fn a_late_write_does_not_replace_what_was_locked_meanwhile() {
    for versioning in [Versioning::Unversioned, Versioning::Suspended] {
        let lab = Lab::new();
        let store = &lab.store;
        let old = plain().versioned(versioning);
        put(store, &old, "k", "first").await;
        let null = VersionId::null();
        let mut writer = store
            .begin_put(&old, "k", PutOptions::default())
            .await
            .unwrap();
        writer.write("late".into()).await.unwrap();
        set_hold(&lab, &null, true).await.unwrap();
        let refused = writer.finish(Default::default()).await;
        assert_eq!(refused.unwrap_err().code(), "AccessDenied");
        let options = DeleteOptions::default();
        let refused = store.delete(&old, "k", options.clone()).await;
        assert_eq!(refused.unwrap_err().code(), "AccessDenied");
        // Also under a newer version.
        put(store, &locking(), "k", "second").await;
        if versioning == Versioning::Suspended {
            let refused = store.delete(&old, "k", options).await;
            assert_eq!(refused.unwrap_err().code(), "AccessDenied");
        }
        let kept = get_version(store, &locking(), "k", &null).await.unwrap();
        assert_eq!(kept.info().size, 5);
        assert_eq!(store.verify().await.unwrap().problems, []);
    }
}

#[tokio::test]
async fn a_store_of_an_older_program_gets_locks() {
    let lab = Lab::new();
    let before = put_locked(&lab, &locking(), with(None, None)).await;
    let upload = lab
        .store
        .create_upload(&locking(), "u", NewUpload::default())
        .await;
    let upload = upload.unwrap().upload_id;
    let lab = lab.reopen_after(first_layout);
    assert_eq!(lock_of(&lab, &before).await, Lock::default());
    let known = lab.store.upload(&locking(), "u", &upload).await.unwrap();
    assert!(known.attributes.lock.is_empty());
    set_hold(&lab, &before, true).await.unwrap();
    let lab = lab.reopen();
    assert_eq!(try_remove(&lab, &before, true).await, Err("AccessDenied"));
    assert_eq!(lab.store.verify().await.unwrap().problems, []);
}

#[tokio::test]
async fn verify_finds_locks_that_are_none() {
    let lab = Lab::new();
    put_locked(&lab, &locking(), with(None, Some(true))).await;
    for change in [
        "lock_mode = 1, lock_until = NULL",
        "lock_mode = 3, lock_until = 1",
        "lock_mode = NULL, lock_until = NULL, legal_hold = 2",
    ] {
        let conn = Connection::open(lab.path().join("index.sqlite")).unwrap();
        let text = format!("UPDATE version SET {change}");
        conn.execute_batch(&text).unwrap();
        let problems = lab.store.verify().await.unwrap().problems;
        assert_eq!(problems.len(), 1, "{change}");
        assert_eq!(problems[0].what, "the lock is none");
    }
}

//! Which jobs are worked on, and when they are forgotten.

use adit_model::{Draft, JobManifest, JobOperation, JobReport, Tags};

use super::*;

fn job(id: &str, priority: u32, status: JobStatus) -> Job {
    Job {
        id: id.into(),
        owner: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        role: String::new(),
        priority,
        description: None,
        confirmation_required: false,
        operation: JobOperation::DeleteTagging,
        manifest: JobManifest {
            fields: Vec::new(),
            object: String::new(),
            version: None,
            etag: String::new(),
        },
        report: JobReport::default(),
        tags: Tags::new(),
        created: 0,
        status,
        status_reason: None,
        suspended: None,
        ended: None,
        failure: None,
        progress: adit_model::JobProgress::default(),
    }
}

#[test]
fn the_most_important_jobs_act_and_manifests_are_read_beside_them() {
    use JobStatus::*;
    let mut draft = Draft::new(&Intent::default());
    for (id, priority, status) in [
        ("a", 1, Active),
        ("b", 9, Ready),
        ("c", 5, Paused),
        ("d", 7, Suspended),
        ("e", 9, Complete),
        ("f", 2, Cancelling),
        ("g", 0, New),
        ("h", 3, Preparing),
        ("i", 1, New),
    ] {
        draft.put(job(id, priority, status));
    }
    let (intent, _) = draft.finish();
    let chosen = |most: usize, rests: &str| {
        let ids = wanted(&intent, most, |key| key.ends_with(rests));
        let mut ids: Vec<String> = ids.iter().map(|key| key[key.len() - 1..].into()).collect();
        ids.sort();
        ids.concat()
    };
    assert_eq!(chosen(2, "none"), "bcfhi");
    assert_eq!(chosen(3, "none"), "abcfhi");
    assert_eq!(chosen(1, "b"), "cfhi");
}

#[tokio::test]
async fn jobs_end_when_nobody_confirms_them_and_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let now = now_millis();
    let author = Author {
        who: "test",
        operation: "test",
    };
    let made = store.write(author, |draft| {
        let mut old = job("old", 1, JobStatus::Suspended);
        old.suspended = Some(now - CONFIRM - 1);
        let mut young = job("young", 1, JobStatus::Suspended);
        young.suspended = Some(now - CONFIRM + DAY);
        let mut gone = job("gone", 1, JobStatus::Complete);
        gone.ended = Some(now - SHOWN - 1);
        for job in [old, young, gone] {
            draft.put(job);
        }
        Ok::<_, std::convert::Infallible>(())
    });
    made.await.unwrap();
    expire(&store, &store.intent()).await;
    let left: Vec<_> = store
        .intent()
        .jobs
        .values()
        .map(|job| (job.id.clone(), job.status))
        .collect();
    assert_eq!(
        left,
        [
            ("old".to_string(), JobStatus::Failed),
            ("young".to_string(), JobStatus::Suspended)
        ]
    );
}

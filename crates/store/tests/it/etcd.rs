//! Several nodes on one etcd.

use std::sync::Arc;
use std::time::Duration;

use adit_model::{Account, Generation};
use adit_store::etcd::{Node, Options};
use adit_store::{OpenError, Store, WriteError};

use crate::home::{AUTHOR, Etcd, account, patiently, put, until};

struct Nodes {
    etcd: Etcd,
    directories: Vec<tempfile::TempDir>,
}

impl Nodes {
    fn new() -> Nodes {
        Nodes {
            etcd: Etcd::start(),
            directories: Vec::new(),
        }
    }

    fn join(&mut self, planes: bool) -> Result<Store, OpenError> {
        let directory = tempfile::tempdir().unwrap();
        let name = format!("node-{}", self.directories.len());
        let store = Store::connect(directory.path(), &self.etcd.options(&name, planes));
        self.directories.push(directory);
        store
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_see_what_others_write() {
    let mut nodes = Nodes::new();
    let (one, two) = (nodes.join(false).unwrap(), nodes.join(false).unwrap());
    put(&one, 1).await;
    until("the other's write", || two.intent().accounts.size() == 1).await;
    put(&two, 2).await;
    until("the answer", || one.intent().accounts.size() == 2).await;
    // Followers of an intent can follow it without building everything again.
    let seen = one.intent();
    put(&two, 3).await;
    until("one more", || one.intent().accounts.size() == 3).await;
    let changed = one.intent();
    assert_eq!(changed.changed_since(seen.generation).unwrap().len(), 1);
    assert_eq!(one.intent().dump(), two.intent().dump());
}

/// Read, add one, write: from both nodes at once. A write built on an old read would lose one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_no_write_is_built_on_what_another_node_replaced() {
    let mut nodes = Nodes::new();
    let stores = [nodes.join(false).unwrap(), nodes.join(false).unwrap()].map(Arc::new);
    put(&stores[0], 1).await;
    until("the account", || stores[1].intent().accounts.size() == 1).await;
    let key = account(1).id;
    let add = |store: Arc<Store>| {
        let key = key.clone();
        tokio::spawn(async move {
            let work = |draft: &mut adit_model::Draft| {
                let read = draft.get::<Account>(&key).map_or(0, |a| a.created);
                draft.edit::<Account>(&key, |a| a.created = read + 1);
                Ok::<_, ()>(())
            };
            store.write(AUTHOR, work).await.unwrap().intent.generation
        })
    };
    let all: Vec<_> = (0..60).map(|n| add(stores[n % 2].clone())).collect();
    let mut generations = std::collections::BTreeSet::new();
    for one in all {
        generations.insert(one.await.unwrap());
    }
    assert_eq!(generations.len(), 60);
    for store in &stores {
        until("the last", || store.intent().generation == Generation(61)).await;
        assert_eq!(store.intent().get::<Account>(&key).unwrap().created, 60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_is_followed_through() {
    let mut nodes = Nodes::new();
    let (one, two) = (nodes.join(false).unwrap(), nodes.join(false).unwrap());
    for n in 0..5 {
        put(&one, n).await;
        let said = nodes.etcd.post("kv/range", r#"{"key":"AA=="}"#).unwrap();
        let revision: String = said
            .split("\"revision\":\"")
            .nth(1)
            .unwrap()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let body = format!(r#"{{"revision":"{revision}","physical":true}}"#);
        assert!(
            nodes
                .etcd
                .post("kv/compaction", &body)
                .unwrap()
                .contains("200 OK")
        );
    }
    until("all of them", || two.intent().accounts.size() == 5).await;
    assert_eq!(nodes.join(false).unwrap().intent().accounts.size(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_and_nothing_is_lost_by_it() {
    let mut nodes = Nodes::new();
    let (one, two) = (
        Arc::new(nodes.join(false).unwrap()),
        nodes.join(false).unwrap(),
    );
    for round in 0..12u64 {
        let all: Vec<_> = (0..64)
            .map(|n| {
                let store = one.clone();
                tokio::spawn(async move { put(&store, round * 64 + n).await })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
    }
    // `/adit/t/` to `/adit/t0`
    let log = || {
        let body = r#"{"key":"L2FkaXQvdC8=","range_end":"L2FkaXQvdDA=","count_only":true}"#;
        let said = nodes.etcd.post("kv/range", body).unwrap();
        let count: String = said
            .split("\"count\":\"")
            .nth(1)
            .map_or(String::new(), |rest| {
                rest.chars().take_while(char::is_ascii_digit).collect()
            });
        count.parse::<u64>().unwrap_or(0)
    };
    assert!(log() < 768, "{} transactions are left", log());
    until("all of them", || two.intent().accounts.size() == 768).await;
    let third = nodes.join(false).unwrap();
    assert_eq!(third.intent().generation, Generation(768));
    assert_eq!(third.intent().dump(), one.intent().dump());
    assert_eq!(two.intent().dump(), one.intent().dump());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_without_etcd_reads_go_on_and_writes_are_refused() {
    let mut nodes = Nodes::new();
    let (one, two) = (nodes.join(false).unwrap(), nodes.join(false).unwrap());
    put(&one, 1).await;
    until("the write", || two.intent().accounts.size() == 1).await;
    nodes.etcd.kill();
    let refused = one
        .write::<_, ()>(AUTHOR, |draft| {
            draft.put(account(2));
            Ok(())
        })
        .await;
    assert!(
        matches!(&refused, Err(WriteError::Unreachable(_))),
        "{refused:?}"
    );
    assert_eq!(one.intent().accounts.size(), 1);
    assert_eq!(two.intent().accounts.size(), 1);
    nodes.etcd.again();
    put(&two, 3).await;
    until("the write after", || one.intent().accounts.size() == 2).await;
    assert_eq!(put(&one, 4).await.intent.accounts.size(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_nodes_planes_run() {
    let mut nodes = Nodes::new();
    let first = nodes.join(true).unwrap();
    let _without = nodes.join(false).unwrap();
    // Its lease would have ended if it were not renewed.
    let refused = nodes.join(true).unwrap_err().to_string();
    assert!(
        refused.contains("node-0") && refused.contains("--planes none"),
        "{refused}"
    );
    drop(first);
    // Its place is free when it has let go.
    until("a free place", || nodes.join(true).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_a_newer_adit_is_refused() {
    let mut nodes = Nodes::new();
    drop(nodes.join(false).unwrap());
    // `/adit/version` = `9`
    let body = r#"{"key":"L2FkaXQvdmVyc2lvbg==","value":"OQ=="}"#;
    assert!(nodes.etcd.post("kv/put", body).unwrap().contains("200 OK"));
    let refused = nodes.join(false).unwrap_err().to_string();
    assert!(
        refused.contains("version 9") && refused.contains("newer adit"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let wish = adit_store::etcd::Options::parse("etcd://127.0.0.1:1").unwrap();
    let refused = Store::connect(directory.path(), &wish)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("127.0.0.1:1"), "{refused}");
    // And lets go of the directory.
    patiently(|| Store::open(directory.path()));
    tokio::time::sleep(Duration::ZERO).await;
}

/// An authority, and a server's certificate that it made, as files.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text);
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write("ca.pem", authority.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, key);
        let server = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let made = server.signed_by(&key, &issuer).unwrap();
        write("server.pem", made.pem()).unwrap();
        write("server-key.pem", key.serialize_pem()).unwrap();
        Certificates { folder }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// Makes the user `adit` with a password, who may do everything below `/adit` and nothing else, and turns logins on.
fn ask_for_logins(etcd: &Etcd) {
    // `/adit` and `/adiu`
    let below = r#"{"name":"adit","perm":{"permType":"READWRITE","key":"L2FkaXQ=","range_end":"L2FkaXU="}}"#;
    for (method, body) in [
        ("auth/user/add", r#"{"name":"root","password":"r"}"#),
        ("auth/role/add", r#"{"name":"root"}"#),
        ("auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("auth/user/add", r#"{"name":"adit","password":"pw-one"}"#),
        ("auth/role/add", r#"{"name":"adit"}"#),
        ("auth/role/grant", below),
        ("auth/user/grant", r#"{"user":"adit","role":"adit"}"#),
        ("auth/enable", "{}"),
    ] {
        let said = etcd.post(method, body).unwrap();
        assert!(said.contains("200 OK"), "{method}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_logins_are_asked_for_and_checked() {
    let (mut etcd, certificates) = (Etcd::start(), Certificates::new());
    ask_for_logins(&etcd);
    etcd.kill();
    etcd.again_with_tls(
        &certificates.file("server.pem"),
        &certificates.file("server-key.pem"),
    );
    let join = |number: u32, planes: bool, authority: &std::path::Path, password: Option<&str>| {
        let directory = tempfile::tempdir().unwrap();
        let login = password.map(|password| ("adit".to_string(), password.to_string()));
        let wish = Options::parse(&format!("https://127.0.0.1:{}", etcd.port))
            .unwrap()
            .with_authority(Some(authority.to_path_buf()))
            .with_login(login)
            .as_node(Node {
                id: format!("node-{number}"),
                address: "127.0.0.1:1".into(),
                planes,
            });
        let store = Store::connect(directory.path(), &wish);
        store.map(|store| (store, directory))
    };
    let trusted = certificates.file("ca.pem");
    let mut first = None;
    until("etcd's answer with TLS", || {
        first = join(0, true, &trusted, Some("pw-one")).ok();
        first.is_some()
    })
    .await;
    let (one, _one) = first.unwrap();
    put(&one, 1).await;
    let (two, _two) = join(1, false, &trusted, Some("pw-one")).unwrap();
    put(&two, 2).await;
    until("the other's write", || one.intent().accounts.size() == 2).await;
    // The first node's planes hold their place by a lease, which only a login can renew.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused = |authority: &std::path::Path, password: Option<&str>, planes: bool| {
        join(2, planes, authority, password)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&trusted, Some("pw-one"), true).contains("node-0"));
    let strangers = Certificates::new();
    for (why, text) in [
        ("wrong password", refused(&trusted, Some("pw-two"), false)),
        ("no login", refused(&trusted, None, false)),
        (
            "a stranger's certificate",
            refused(&strangers.file("ca.pem"), Some("pw-one"), false),
        ),
    ] {
        assert!(text.contains(&etcd.port.to_string()), "{why}: {text}");
        assert!(!text.contains("pw-"), "{why}: {text}");
    }
    assert_eq!(one.intent().accounts.size(), 2);
}

//! What the store costs: CPU time of this process per operation, and what the machine could do at best
//! (the "floor" lines), in one run. `cargo bench -p adit-objects [-- small|large|floors|list]`.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::io::Write;
use std::time::Instant;

use adit_objects::{
    BodyChecks, BodyOptions, Bucket, Checksum, ChecksumAlgorithm, EtagKind, GetOptions, ListQuery,
    Options, PutOptions, Store,
};
use bytes::Bytes;

const LARGE: usize = 64 << 20;

fn main() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(&dir.path().join("store"), Options::default()).unwrap();
        let wanted = std::env::args()
            .nth(1)
            .filter(|name| !name.starts_with('-'));
        let runs = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        for _ in 0..2 {
            if runs("small") {
                small(&store).await;
            }
            if runs("large") {
                large(&store).await;
            }
        }
        if runs("floors") {
            floors(dir.path());
        }
        if runs("list") {
            listing(&store).await;
        }
    });
}

fn bucket() -> Bucket {
    Bucket::new("bench")
}

async fn small(store: &Store) {
    for (tasks, each) in [(1, 1000), (8, 1000), (64, 200)] {
        let cost = Cost::begin();
        run(store, tasks, each, |store, n| async move {
            put(
                &store,
                &format!("small/{n}"),
                Bytes::from_static(&[7; 1024]),
            )
            .await;
        })
        .await;
        cost.end(
            &format!("put 1 KiB durable, {tasks} at a time"),
            tasks * each,
        );
    }
    let cost = Cost::begin();
    run(store, 8, 50_000, |store, n| async move {
        let key = format!("small/{}", n % 200);
        let mut object = store
            .get(&bucket(), &key, &GetOptions::default())
            .await
            .unwrap();
        while let Some(chunk) = object.body.next().await {
            std::hint::black_box(chunk.unwrap());
        }
    })
    .await;
    cost.end("get 1 KiB, cached", 8 * 50_000);
}

async fn large(store: &Store) {
    for (name, kind) in [("md5", EtagKind::Md5), ("opaque etag", EtagKind::Opaque)] {
        let cost = Cost::begin();
        for n in 0..4 {
            put_large(store, n, kind).await;
        }
        cost.end_bytes(&format!("put 64 MiB durable, {name}"), 4 * LARGE);
    }
    let cost = Cost::begin();
    for n in 0..8 {
        get_large(store, n % 4).await;
    }
    cost.end_bytes("get 64 MiB", 8 * LARGE);
    let cost = Cost::begin();
    run(store, 32, 1, |store, n| async move {
        put_large(&store, n, EtagKind::Md5).await
    })
    .await;
    cost.end_bytes("put 64 MiB durable, 32 at a time", 32 * LARGE);
    let cost = Cost::begin();
    run(store, 32, 1, |store, n| async move {
        get_large(&store, n).await
    })
    .await;
    cost.end_bytes("get 64 MiB, 32 at a time", 32 * LARGE);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap()
    );
}

/// From one frame again and again, so that the memory seen is the store's.
async fn put_large(store: &Store, n: usize, etag: EtagKind) {
    static FRAME: [u8; 64 * 1024] = [0x5a; 64 * 1024];
    let body = BodyOptions {
        etag,
        ..BodyOptions::default()
    };
    let options = PutOptions {
        body,
        ..PutOptions::default()
    };
    let mut writer = store
        .begin_put(&bucket(), &format!("large/{n}"), options)
        .await
        .unwrap();
    for _ in 0..LARGE / FRAME.len() {
        writer.write(Bytes::from_static(&FRAME)).await.unwrap();
    }
    writer.finish(BodyChecks::default()).await.unwrap();
}

async fn get_large(store: &Store, n: usize) {
    let key = format!("large/{n}");
    let mut object = store
        .get(&bucket(), &key, &GetOptions::default())
        .await
        .unwrap();
    while let Some(chunk) = object.body.next().await {
        std::hint::black_box(chunk.unwrap());
    }
}

/// The kernel's part and the digests' part alone.
fn floors(dir: &std::path::Path) {
    let body = vec![7u8; LARGE];
    let cost = Cost::begin();
    for n in 0..4 {
        let mut file = std::fs::File::create(dir.join(format!("floor-{n}"))).unwrap();
        body.chunks(256 * 1024)
            .for_each(|chunk| file.write_all(chunk).unwrap());
        file.sync_data().unwrap();
    }
    cost.end_bytes("floor: write 64 MiB and fdatasync", 4 * LARGE);
    for algorithm in ChecksumAlgorithm::ALL {
        let cost = Cost::begin();
        std::hint::black_box(Checksum::of(algorithm, &body));
        cost.end_bytes(&format!("floor: {}", algorithm.name()), LARGE);
    }
    let cost = Cost::begin();
    std::hint::black_box(<md5::Md5 as md5::Digest>::digest(&body));
    cost.end_bytes("floor: MD5", LARGE);
}

async fn listing(store: &Store) {
    let many = Bucket::new("many");
    for total in [2_000, 50_000] {
        run(store, 64, total / 64, |store, n| {
            let many = Bucket::new("many");
            async move {
                let key = format!("{:03}/{n:08}", n % 500);
                let writer = store
                    .begin_put(&many, &key, PutOptions::default())
                    .await
                    .unwrap();
                writer.finish(BodyChecks::default()).await.unwrap();
            }
        })
        .await;
        for (name, delimiter) in [("keys", ""), ("common prefixes", "/")] {
            let query = ListQuery {
                delimiter: delimiter.into(),
                ..ListQuery::default()
            };
            let mut shown = 0;
            let cost = Cost::begin();
            for _ in 0..50 {
                let page = store.list(&many, &query).await.unwrap();
                shown += page.objects.len() + page.common_prefixes.len();
            }
            cost.end(&format!("list, {name}, of {total} (per entry)"), shown);
        }
    }
}

async fn put(store: &Store, key: &str, body: Bytes) {
    let mut writer = store
        .begin_put(&bucket(), key, PutOptions::default())
        .await
        .unwrap();
    writer.write(body).await.unwrap();
    writer.finish(BodyChecks::default()).await.unwrap();
}

async fn run<F: Future<Output = ()> + Send + 'static>(
    store: &Store,
    tasks: usize,
    each: usize,
    work: impl Fn(Store, usize) -> F + Copy + Send + 'static,
) {
    let mut set = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let store = store.clone();
        set.spawn(async move {
            for n in 0..each {
                work(store.clone(), task * each + n).await;
            }
        });
    }
    set.join_all().await;
}

struct Cost {
    cpu: f64,
    wall: Instant,
}

impl Cost {
    fn begin() -> Cost {
        Cost {
            cpu: cpu_seconds(),
            wall: Instant::now(),
        }
    }

    fn end(self, name: &str, count: usize) {
        let (cpu, wall) = (cpu_seconds() - self.cpu, self.wall.elapsed().as_secs_f64());
        let each = |seconds: f64| seconds * 1e6 / count as f64;
        println!(
            "{name:48} {:9.2} us CPU {:9.2} us wall each",
            each(cpu),
            each(wall)
        );
    }

    fn end_bytes(self, name: &str, bytes: usize) {
        let gib = bytes as f64 / f64::from(1 << 30);
        let (cpu, wall) = (cpu_seconds() - self.cpu, self.wall.elapsed().as_secs_f64());
        println!(
            "{name:48} {:9.2} s CPU/GiB {:7.2} s wall/GiB",
            cpu / gib,
            wall / gib
        );
    }
}

/// User and system time of this process, all threads, ended ones too.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // utime and stime, in the 100 ticks a second that Linux shows to programs.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

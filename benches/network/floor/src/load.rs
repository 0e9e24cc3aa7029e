//! The two ends of connections through a router.
//!
//! `bulk`: one connection, as fast as it goes, in GiB. `turns`: one byte there and back on one connection.
//! `fresh`: a new connection for each turn. Says how much was done, and in how many seconds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const BLOCK: usize = 256 * 1024;

pub fn serve(port: u16) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    println!("ready");
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        thread::spawn(move || answer(stream));
    }
}

/// The first byte says what is wanted: to be swallowed, or to be given back.
fn answer(mut stream: TcpStream) {
    let mut first = [0];
    if stream.read_exact(&mut first).is_err() {
        return;
    }
    let _ = stream.set_nodelay(true);
    if first == *b"b" {
        let mut block = vec![0; BLOCK];
        while stream.read(&mut block).is_ok_and(|count| count > 0) {}
        return;
    }
    while stream.write_all(&first).is_ok() && stream.read_exact(&mut first).is_ok() {}
}

pub fn load(kind: &str, to: &str, seconds: f64) {
    let to: SocketAddr = to.parse().unwrap();
    let connect = || {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let turn = |stream: &mut TcpStream| {
        stream.write_all(b"t").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    };
    let (start, end) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut done = 0.0;
    match kind {
        "bulk" => {
            let mut stream = connect();
            let mut block = vec![0; BLOCK];
            block[0] = b'b';
            while start.elapsed() < end {
                stream.write_all(&block).unwrap();
                done += BLOCK as f64 / f64::from(1 << 30);
            }
        }
        "turns" => {
            let mut stream = connect();
            while start.elapsed() < end {
                turn(&mut stream);
                done += 1.0;
            }
        }
        "fresh" => {
            while start.elapsed() < end {
                turn(&mut connect());
                done += 1.0;
            }
        }
        _ => panic!("bulk, turns or fresh"),
    }
    let took = start.elapsed().as_secs_f64();
    println!("{done} {took}");
}

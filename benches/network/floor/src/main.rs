//! The floor of the network bench.
//!
//! `network-floor raw ROUTERS DIRECTORY` makes what an interface endpoint with two subnets is made of by
//! netlink messages alone, one for each line of its standard input. When that ends it removes
//! everything. `network-floor serve PORT` and `network-floor load KIND
//! ADDRESS:PORT SECONDS` are the two ends of a connection through a router.

mod load;
mod netlink;
mod raw;

use std::str::FromStr;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["raw", routers, directory] => raw::run(number(routers), directory),
        ["serve", port] => load::serve(number(port)),
        ["load", kind, to, seconds] => load::load(kind, to, number(seconds)),
        _ => panic!("raw ROUTERS DIRECTORY | serve PORT | load KIND ADDRESS:PORT SECONDS"),
    }
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().ok().expect("a number")
}

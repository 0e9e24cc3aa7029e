//! Which etcd, and how: `etcd://host:port,host:port/prefix`.

use std::path::PathBuf;

/// An etcd and how to speak to it.
#[derive(Clone)]
pub struct Options {
    /// `host:port`, one of which must answer.
    pub(crate) hosts: Vec<String>,
    /// Whether they speak TLS.
    pub(crate) tls: bool,
    /// The key below which everything is, such as `/adit`.
    pub(crate) prefix: String,
    /// A file with the authority of the servers' certificates; needed with TLS.
    pub(crate) authority: Option<PathBuf>,
    /// Name and password, where etcd asks for them.
    pub(crate) login: Option<(String, String)>,
    /// This node.
    pub(crate) node: Node,
}

/// What other nodes see of this one.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Its id, steady over restarts.
    pub id: String,
    /// Where its API answers.
    pub address: String,
    /// Whether its planes run. Of the nodes of one state only one may.
    pub planes: bool,
}

/// Why an address is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "--store `{text}`: {why}; write etcd://HOST:PORT[,HOST:PORT…][/PREFIX], or https:// for TLS"
)]
pub struct AddressError {
    text: String,
    why: &'static str,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Options {
    /// Reads an address.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Options, AddressError> {
        let bad = |why| AddressError {
            text: text.to_string(),
            why,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme"))?;
        let tls = match scheme {
            "etcd" | "http" => false,
            "https" => true,
            _ => return Err(bad("the scheme is not known")),
        };
        let (hosts, prefix) = match rest.split_once('/') {
            Some((hosts, prefix)) => (hosts, prefix.trim_matches('/')),
            None => (rest, ""),
        };
        if hosts.contains('@') {
            return Err(bad(
                "a name and password in it would be seen by everybody; use --store-user",
            ));
        }
        let word = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        };
        if !word(prefix) {
            return Err(bad(
                "the prefix may have letters, digits, `-`, `_`, `.` and `/`",
            ));
        }
        let hosts: Vec<String> = hosts.split(',').map(str::to_string).collect();
        for host in &hosts {
            let port = host.rsplit_once(':').filter(|(name, _)| !name.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                return Err(bad("each server needs a host and a port"));
            }
        }
        Ok(Options {
            hosts,
            tls,
            prefix: format!("/{}", if prefix.is_empty() { "adit" } else { prefix }),
            authority: None,
            login: None,
            node: Node::default(),
        })
    }

    /// With the file of the authority that made the servers' certificates.
    pub fn with_authority(mut self, file: Option<PathBuf>) -> Options {
        self.authority = file;
        self
    }

    /// With a name and password.
    pub fn with_login(mut self, login: Option<(String, String)>) -> Options {
        self.login = login;
        self
    }

    /// As this node.
    pub fn as_node(mut self, node: Node) -> Options {
        self.node = node;
        self
    }

    /// The address without anything secret.
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "etcd" };
        format!("{scheme}://{}{}", self.hosts.join(","), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let one = Options::parse("etcd://127.0.0.1:2379").unwrap();
        assert_eq!((one.tls, one.prefix.as_str()), (false, "/adit"));
        let two = Options::parse("https://a:1,b:2/team/one/").unwrap();
        assert_eq!(two.hosts, ["a:1", "b:2"]);
        assert_eq!((two.tls, two.prefix.as_str()), (true, "/team/one"));
        assert_eq!(two.shown(), "https://a:1,b:2/team/one");
        for bad in [
            "127.0.0.1:2379",
            "redis://a:1",
            "etcd://a",
            "etcd://:1",
            "etcd://a:x",
            "etcd://u:p@a:1",
            "etcd://a:1/ü",
        ] {
            assert!(Options::parse(bad).is_err(), "{bad}");
        }
    }
}

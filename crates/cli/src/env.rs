//! `adit env`: what AWS's tools need to know.

use std::process::ExitCode;

use crate::args::{EnvOptions, Target};

pub(crate) fn print(target: &Target, options: &EnvOptions) -> anyhow::Result<ExitCode> {
    let file = target.client_file()?;
    let ca = file.ca_bundle.display().to_string();
    let variables = [
        ("AWS_ENDPOINT_URL", file.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", &file.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &file.secret_access_key),
        ("AWS_REGION", &file.region),
        ("AWS_DEFAULT_REGION", &file.region),
        ("AWS_CA_BUNDLE", &ca),
        ("ADIT_ENDPOINT", &file.endpoint),
    ];
    for (name, value) in variables {
        match options.plain {
            true => println!("{name}={value}"),
            false => println!("export {name}={}", quoted(value)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A word that a POSIX shell takes literally.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_take_it_literally() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

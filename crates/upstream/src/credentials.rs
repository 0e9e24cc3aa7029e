//! The credentials that Adit itself has at an upstream.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use adit_wire::sigv4::{Key, Secret};

/// An access key. Its secret does not print.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret: Secret,
    session_token: Option<Secret>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials `{path}`: {why}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// Others could read the secret.
    #[error("the credentials `{path}` can be read by others (mode {mode:04o}); make it 0600")]
    Open {
        /// Which file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The file does not hold them.
    #[error("the credentials `{path}` have no `{missing}` in the profile `{profile}`")]
    Incomplete {
        /// Which file.
        path: String,
        /// Which profile.
        profile: String,
        /// What is missing.
        missing: &'static str,
    },
    /// An environment variable is not set.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

impl Credentials {
    /// Credentials as they are.
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<Box<str>>) -> Credentials {
        Credentials {
            access_key_id: access_key_id.into(),
            secret: Secret::new(secret),
            session_token: None,
        }
    }

    /// Reads a profile of a file in the form of AWS's shared credentials. Nobody but its owner and root may
    /// be able to read it.
    ///
    /// # Errors
    /// [`CredentialsError`]
    pub fn from_file(path: &Path, profile: &str) -> Result<Credentials, CredentialsError> {
        let shown = path.display().to_string();
        let failed = |why| CredentialsError::Read {
            path: shown.clone(),
            why,
        };
        let mode = std::fs::metadata(path).map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CredentialsError::Open { path: shown, mode });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let find = |missing: &'static str| {
            value(&text, profile, missing).ok_or_else(|| CredentialsError::Incomplete {
                path: shown.clone(),
                profile: profile.to_owned(),
                missing,
            })
        };
        let mut made = Credentials::new(find("aws_access_key_id")?, find("aws_secret_access_key")?);
        made.session_token = find("aws_session_token").ok().map(Secret::new);
        Ok(made)
    }

    /// Reads two environment variables.
    ///
    /// # Errors
    /// [`CredentialsError::Unset`]
    pub fn from_environment(id: &str, secret: &str) -> Result<Credentials, CredentialsError> {
        let read = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .ok_or_else(|| CredentialsError::Unset(name.to_owned()))
        };
        Ok(Credentials::new(read(id)?, read(secret)?))
    }

    pub(crate) fn key(&self) -> Key<'_> {
        Key {
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: self.session_token.as_ref().map(Secret::expose),
        }
    }
}

/// One value of one section.
fn value(text: &str, section: &str, name: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = title.trim() == section;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == name
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_and_complete() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# mine\n[other]\naws_access_key_id=X\n[default]\naws_access_key_id = AKIA\n\
                    aws_secret_access_key = s/e+c=ret\n";
        std::fs::write(file.path(), text).unwrap();
        let made = Credentials::from_file(file.path(), "default").unwrap();
        assert_eq!(made.key().access_key_id, "AKIA");
        assert_eq!(made.key().secret.expose(), "s/e+c=ret");
        assert!(!format!("{made:?}").contains("ret"));
        let why = Credentials::from_file(file.path(), "other").unwrap_err();
        assert!(why.to_string().contains("aws_secret_access_key"), "{why}");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let why = Credentials::from_file(file.path(), "default").unwrap_err();
        assert!(why.to_string().contains("0640"), "{why}");
    }
}

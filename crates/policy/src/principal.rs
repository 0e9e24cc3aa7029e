//! Who asks: the caller of a request.

use std::borrow::Cow;

use crate::hash::hash;

/// What kind of caller a [`Principal`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// No credentials.
    Anonymous,
    /// The root user of an account.
    Root,
    /// An IAM user.
    User,
    /// A session of a role.
    AssumedRole,
    /// A `GetFederationToken` session.
    FederatedUser,
    /// An AWS service such as `vpce.amazonaws.com`.
    Service,
    /// An identity provider's token, in a trust policy decision.
    WebIdentity,
}

/// A text that names no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a principal: expected an account id or the ARN of a root user, user, role, \
         role session or federated user, or a service name"
)]
pub struct PrincipalError(pub String);

/// The caller of a request, resolved once per credential and then borrowed by every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    pub(crate) kind: PrincipalKind,
    /// How messages name the caller; the service or provider name for those kinds; empty for
    /// anonymous callers.
    pub(crate) arn: Cow<'a, str>,
    /// Sessions of roles only: the role's ARN, which is `aws:PrincipalArn`.
    pub(crate) role_arn: Option<Cow<'a, str>>,
    pub(crate) account: Cow<'a, str>,
    pub(crate) user_id: Option<Cow<'a, str>>,
    pub(crate) canonical_id: Option<Cow<'a, str>>,
    pub(crate) hashes: Hashes,
}

/// Hashes that a policy's index compares before it compares text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashes {
    pub(crate) arn: u32,
    pub(crate) role: u32,
    pub(crate) account: u32,
}

impl<'a> Principal<'a> {
    /// A caller without credentials.
    pub fn anonymous() -> Self {
        Self::build(
            PrincipalKind::Anonymous,
            Cow::Borrowed(""),
            Cow::Borrowed(""),
        )
    }

    /// An AWS service, for example `vpce.amazonaws.com`.
    pub fn service(name: impl Into<Cow<'a, str>>) -> Self {
        Self::build(PrincipalKind::Service, name.into(), Cow::Borrowed(""))
    }

    /// The bearer of an identity provider's token, for trust policies: the provider's ARN or name.
    pub fn web_identity(provider: impl Into<Cow<'a, str>>) -> Self {
        Self::build(
            PrincipalKind::WebIdentity,
            provider.into(),
            Cow::Borrowed(""),
        )
    }

    /// A session of a role. The role's ARN has the role's path, the session's ARN has not, so both
    /// are needed: policies may name either, and `aws:PrincipalArn` is the role's.
    pub fn session(
        session_arn: impl Into<Cow<'a, str>>,
        role_arn: impl Into<Cow<'a, str>>,
        account: impl Into<Cow<'a, str>>,
    ) -> Self {
        let mut this = Self::build(
            PrincipalKind::AssumedRole,
            session_arn.into(),
            account.into(),
        );
        let role = role_arn.into();
        this.hashes.role = hash(role.as_bytes());
        this.role_arn = Some(role);
        this
    }

    /// Reads a principal as policies and logs write it: a 12-digit account id or `…:root` (the root
    /// user), a user ARN, a role ARN (some session of it), an assumed-role or federated-user ARN, an
    /// OIDC or SAML provider ARN, a service name, or `*` for an anonymous caller.
    ///
    /// For an assumed-role ARN the role is taken to have no path; use [`Principal::session`] when
    /// the role is known. That form allocates (the role's ARN), as does a federated user's id.
    pub fn parse(text: &'a str) -> Result<Self, PrincipalError> {
        let refuse = || PrincipalError(text.to_owned());
        if text == "*" {
            return Ok(Self::anonymous());
        }
        if is_account(text) {
            let arn = format!("arn:aws:iam::{text}:root");
            return Ok(Self::build(PrincipalKind::Root, arn.into(), text.into()));
        }
        let mut parts = text.splitn(6, ':');
        let (Some("arn"), Some(partition), Some(service), Some(""), Some(account), Some(rest)) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            let is_service = text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com");
            return if is_service {
                Ok(Self::service(text))
            } else {
                Err(refuse())
            };
        };
        if !is_account(account) {
            return Err(refuse());
        }
        let (form, name) = rest.split_once('/').unwrap_or((rest, ""));
        let build = |kind| Self::build(kind, Cow::Borrowed(text), Cow::Borrowed(account));
        match (service, form) {
            ("iam", "root") if rest == "root" => Ok(build(PrincipalKind::Root)),
            ("iam", "user") if !name.is_empty() => Ok(build(PrincipalKind::User)),
            ("iam", "role") if !name.is_empty() => Ok(Self::session(text, text, account)),
            ("sts", "assumed-role") => {
                let role = name.split_once('/').ok_or_else(refuse)?.0;
                let role_arn = format!("arn:{partition}:iam::{account}:role/{role}");
                Ok(Self::session(text, role_arn, account))
            }
            ("sts", "federated-user") if !name.is_empty() => {
                Ok(build(PrincipalKind::FederatedUser).with_user_id(format!("{account}:{name}")))
            }
            ("iam", "oidc-provider" | "saml-provider") => Ok(Self::web_identity(text)),
            _ => Err(refuse()),
        }
    }

    /// Adds the unique id (`AIDA…`, or `AROA…:session`), which is `aws:userid`.
    #[must_use]
    pub fn with_user_id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// Adds the account's canonical id (64 hexadecimal digits), which S3 policies may name.
    #[must_use]
    pub fn with_canonical_id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.canonical_id = Some(id.into());
        self
    }

    /// The same principal without borrowed parts.
    pub fn into_owned(self) -> Principal<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        Principal {
            kind: self.kind,
            arn: own(self.arn),
            role_arn: self.role_arn.map(own),
            account: own(self.account),
            user_id: self.user_id.map(own),
            canonical_id: self.canonical_id.map(own),
            hashes: self.hashes,
        }
    }

    /// The kind of caller.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The ARN that messages name: the session's for a role session. Empty for anonymous callers,
    /// the service or provider name for those.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// `aws:PrincipalArn`: the role's ARN for a role session; `None` for callers without one.
    pub fn principal_arn(&self) -> Option<&str> {
        match self.kind {
            PrincipalKind::Anonymous | PrincipalKind::Service | PrincipalKind::WebIdentity => None,
            _ => Some(self.role_arn.as_deref().unwrap_or(&self.arn)),
        }
    }

    /// The caller's account; `None` for anonymous callers, services and token bearers.
    pub fn account(&self) -> Option<&str> {
        (!self.account.is_empty()).then_some(&*self.account)
    }

    /// `aws:PrincipalType`.
    pub fn principal_type(&self) -> &'static str {
        match self.kind {
            PrincipalKind::Anonymous => "Anonymous",
            PrincipalKind::Root => "Account",
            PrincipalKind::User => "User",
            PrincipalKind::AssumedRole => "AssumedRole",
            PrincipalKind::FederatedUser => "FederatedUser",
            PrincipalKind::Service => "Service",
            PrincipalKind::WebIdentity => "WebIdentity",
        }
    }

    /// `aws:username`: the name of an IAM user without its path.
    pub fn user_name(&self) -> Option<&str> {
        (self.kind == PrincipalKind::User).then(|| self.arn.rsplit('/').next().unwrap_or_default())
    }

    /// `aws:userid`, as far as it is known.
    pub fn user_id(&self) -> Option<&str> {
        match self.kind {
            PrincipalKind::Anonymous => Some("anonymous"),
            PrincipalKind::Root => Some(&self.account),
            _ => self.user_id.as_deref(),
        }
    }

    fn build(kind: PrincipalKind, arn: Cow<'a, str>, account: Cow<'a, str>) -> Self {
        let hashes = Hashes {
            arn: hash(arn.as_bytes()),
            role: 0,
            account: hash(account.as_bytes()),
        };
        Principal {
            kind,
            arn,
            role_arn: None,
            account,
            user_id: None,
            canonical_id: None,
            hashes,
        }
    }
}

/// Whether a text is a 12-digit account id.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        use PrincipalKind::*;
        let cases = [
            ("*", Anonymous, None, None),
            (
                "111122223333",
                Root,
                Some("111122223333"),
                Some("arn:aws:iam::111122223333:root"),
            ),
            (
                "arn:aws:iam::111122223333:root",
                Root,
                Some("111122223333"),
                Some("arn:aws:iam::111122223333:root"),
            ),
            (
                "arn:aws:iam::111122223333:user/a/b",
                User,
                Some("111122223333"),
                Some("arn:aws:iam::111122223333:user/a/b"),
            ),
            (
                "arn:aws:iam::111122223333:role/p/r",
                AssumedRole,
                Some("111122223333"),
                Some("arn:aws:iam::111122223333:role/p/r"),
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/r/s",
                AssumedRole,
                Some("111122223333"),
                Some("arn:aws:iam::111122223333:role/r"),
            ),
            (
                "arn:aws:sts::111122223333:federated-user/f",
                FederatedUser,
                Some("111122223333"),
                Some("arn:aws:sts::111122223333:federated-user/f"),
            ),
            ("vpce.amazonaws.com", Service, None, None),
            (
                "arn:aws:iam::111122223333:saml-provider/x",
                WebIdentity,
                None,
                None,
            ),
        ];
        for (text, kind, account, arn) in cases {
            let principal = Principal::parse(text).unwrap();
            assert_eq!(principal.kind(), kind, "{text}");
            assert_eq!(principal.account(), account, "{text}");
            assert_eq!(principal.principal_arn(), arn, "{text}");
            assert_eq!(principal.clone().into_owned(), principal);
        }
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for text in [
            "",
            "arn",
            "12345678901",
            "arn:aws:iam::1:user/u",
            "arn:aws:iam::111122223333:group/g",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:sts::111122223333:assumed-role/r",
            "arn:aws:s3:::b",
        ] {
            assert!(Principal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn derived_names() {
        let user = Principal::parse("arn:aws:iam::111122223333:user/a/bob").unwrap();
        assert_eq!(user.user_name(), Some("bob"));
        assert_eq!(user.user_id(), None);
        let root = Principal::parse("111122223333").unwrap();
        assert_eq!(
            (root.user_name(), root.user_id()),
            (None, Some("111122223333"))
        );
        let fed = Principal::parse("arn:aws:sts::111122223333:federated-user/f").unwrap();
        assert_eq!(fed.user_id(), Some("111122223333:f"));
        assert_eq!(Principal::anonymous().user_id(), Some("anonymous"));
    }
}

//! A policy document, compiled once and then only read.

use crate::compile;
use crate::compiled::Compiled;
use crate::document;
use crate::evaluate::Grant;
use crate::facts::{Facts, head_of};
use crate::finding::Errors;
use crate::index::Index;
use crate::json::Tree;
use crate::keys::{self, Key};
use crate::kind::PolicyKind;
use crate::messages::Problem;
use crate::pattern;
use crate::public;
use crate::trace::{Effect, StatementTrace};

/// Most bytes of a document that are looked at, whatever its place allows.
pub const MAX_TEXT: usize = 1 << 20;

/// A compiled policy. Immutable; share it in an `Arc`.
#[derive(Debug)]
pub struct Policy {
    kind: PolicyKind,
    text_len: usize,
    compiled: Compiled,
    denies: Index,
    allows: Index,
    is_public: bool,
    /// The known keys that its conditions and variables mention, as bits.
    keys: KeySet,
}

type KeySet = [u64; keys::COUNT.div_ceil(64)];

/// What a policy says about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The first Deny statement that applies.
    pub(crate) deny: Option<u32>,
    /// How strongly the Allow statements that apply name the caller.
    pub(crate) grant: Grant,
}

impl Policy {
    /// Compiles a document.
    ///
    /// Refuses what has no meaning: broken or ambiguous JSON, unknown elements, operators or
    /// effects, a missing or forbidden `Principal`, more than [`MAX_TEXT`] bytes. What AWS in
    /// addition refuses to *store* in this place (size, unknown actions, a resource that is not the
    /// bucket's) is for [`crate::check`], which the API asks before it writes.
    ///
    /// A condition value that does not fit its operator (`"NumericEquals": {"…": "ten"}`) compiles
    /// to one that never matches.
    ///
    /// ```
    /// use adit_policy::{Policy, PolicyKind};
    /// let text = r#"{"Statement":{"Effect":"Allow","Action":"s3:*"}}"#;
    /// let errors = Policy::compile(text, PolicyKind::Bucket).unwrap_err();
    /// assert_eq!(errors.message(), "Missing required field Principal");
    /// assert_eq!(errors.findings()[0].path, "Statement");
    /// ```
    pub fn compile(text: &str, kind: PolicyKind) -> Result<Policy, Errors> {
        let mut findings = document::Findings::new(text, kind);
        let Some(tree) = parse(text, &mut findings) else {
            return Err(Errors(findings.list));
        };
        match document::read(&tree, kind, &mut findings) {
            Some(document) => Ok(Policy::build(&tree, &document, text, kind)),
            None => Err(Errors(findings.list)),
        }
    }

    pub(crate) fn build(
        tree: &Tree<'_>,
        document: &document::Document,
        text: &str,
        kind: PolicyKind,
    ) -> Policy {
        let compiled = compile::compile(tree, document, kind);
        let denies = Index::build(&compiled, Effect::Deny);
        let allows = Index::build(&compiled, Effect::Allow);
        let is_public = public::is_public(&compiled, kind);
        let mut keys = KeySet::default();
        for key in compiled.keys() {
            if let Some(word) = keys.get_mut(usize::from(key.0) / 64) {
                *word |= 1 << (key.0 % 64);
            }
        }
        Policy {
            kind,
            text_len: text.len(),
            compiled,
            denies,
            allows,
            is_public,
            keys,
        }
    }

    /// A policy that allows nothing, for a place whose stored document does not compile: what
    /// cannot be read must not count as absent.
    pub fn allowing_nothing(kind: PolicyKind) -> Policy {
        Policy {
            kind,
            text_len: 0,
            compiled: Compiled::default(),
            denies: Index::default(),
            allows: Index::default(),
            is_public: false,
            keys: KeySet::default(),
        }
    }

    /// The document exactly as it was given.
    pub fn text(&self) -> &str {
        self.compiled.pool.get(..self.text_len).unwrap_or_default()
    }

    /// Where it is attached.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// How many statements it has.
    pub fn statements(&self) -> usize {
        self.compiled.statements.len()
    }

    /// The `Sid` of the statement at a position, if it has one.
    pub fn sid(&self, statement: usize) -> Option<&str> {
        let sid = self.compiled.statements.get(statement)?.sid?;
        Some(self.compiled.get(sid.0))
    }

    /// The bucket's ARN, if all resources of the policy are one bucket and its objects.
    pub(crate) fn only_bucket(&self) -> Option<&str> {
        let resources = self.compiled.resources.iter();
        let mut buckets = resources.map(|text| head_of(self.compiled.get(text.span)));
        let bucket = buckets
            .next()
            .filter(|bucket| bucket.starts_with("arn:aws:s3:::"))?;
        let same = !pattern::has_wildcard(bucket) && buckets.all(|other| other == bucket);
        same.then_some(bucket)
    }

    /// Whether S3 counts the policy as public: some Allow is not limited to fixed principals,
    /// accounts, networks or endpoints. `BlockPublicPolicy` refuses to store such a policy,
    /// `RestrictPublicBuckets` narrows it.
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// Whether a condition or variable mentions the key (for a family: any of its members). A key that
    /// no policy of a request mentions need not be found out, which matters for those that cost a
    /// question, such as the tags of a stored object.
    pub fn mentions(&self, key: Key) -> bool {
        let word = self.keys.get(usize::from(key.0) / 64).copied().unwrap_or(0);
        word >> (key.0 % 64) & 1 == 1
    }

    /// The condition keys that the policy asks for, in conditions and in variables, sorted; each once,
    /// whatever its case.
    ///
    /// ```
    /// use adit_policy::{Policy, PolicyKind};
    /// let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject",
    ///     "Resource":"arn:aws:s3:::b/${aws:username}/*",
    ///     "Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1","aws:PrincipalTag/team":"a"}}}}"#;
    /// let policy = Policy::compile(text, PolicyKind::Identity).unwrap();
    /// let keys = ["aws:PrincipalTag/team", "aws:SourceVpce", "aws:username"];
    /// assert_eq!(policy.condition_keys(), keys);
    /// ```
    pub fn condition_keys(&self) -> Vec<String> {
        let mut names: Vec<String> = self.compiled.key_names().collect();
        names.sort_by_key(|name| name.to_ascii_lowercase());
        names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        names
    }

    /// Bytes that the compiled policy occupies, its text included.
    pub fn memory_size(&self) -> usize {
        let heap = self.compiled.heap_size() + self.denies.heap_size() + self.allows.heap_size();
        size_of::<Policy>() + heap
    }

    /// Whether its statements can say anything about this request: an endpoint's policy is about
    /// its own service only.
    fn is_about(&self, facts: &Facts<'_>) -> bool {
        match self.kind {
            PolicyKind::VpcEndpoint { service, .. } if !service.is_empty() => {
                facts.request.action.is_of(service)
            }
            _ => true,
        }
    }

    /// What the policy says, by way of the index.
    pub(crate) fn ask(&self, facts: &Facts<'_>) -> Said {
        if !self.is_about(facts) {
            return Said::default();
        }
        let deny = self.first_deny(facts);
        if deny.is_some() {
            return Said {
                deny,
                grant: Grant::None,
            };
        }
        Said {
            deny,
            grant: self.strongest_allow(facts),
        }
    }

    #[inline]
    fn applies(&self, at: u32, facts: &Facts<'_>) -> Option<Grant> {
        let statement = self.compiled.statements.get(at as usize)?;
        self.compiled.applies(statement, self.kind, facts)
    }

    fn first_deny(&self, facts: &Facts<'_>) -> Option<u32> {
        let applies = |at: &u32| self.applies(*at, facts).is_some();
        let generic = self.denies.generic().iter();
        if !self.denies.has_filed() {
            return generic.copied().find(applies);
        }
        let filed = self.denies.filed(facts).find(applies);
        let earlier = |at: &&u32| filed.is_none_or(|filed| **at < filed);
        let mut earlier_generic = generic.take_while(earlier).copied();
        earlier_generic.find(applies).or(filed)
    }

    fn strongest_allow(&self, facts: &Facts<'_>) -> Grant {
        let mut strongest = Grant::None;
        for at in self.allows.generic() {
            if let Some(grant) = self.applies(*at, facts) {
                strongest = strongest.max(grant);
                if strongest == Grant::Caller {
                    return strongest;
                }
            }
        }
        if !self.allows.has_filed() {
            return strongest;
        }
        for at in self.allows.filed(facts) {
            if let Some(grant) = self.applies(at, facts) {
                strongest = strongest.max(grant);
                if strongest == Grant::Caller {
                    return strongest;
                }
            }
        }
        strongest
    }

    /// What the policy says, statement by statement, with the reasons appended to `trace`.
    pub(crate) fn explain(
        &self,
        position: usize,
        facts: &Facts<'_>,
        trace: &mut Vec<StatementTrace>,
    ) -> Said {
        let mut said = Said::default();
        for (at, statement) in self.compiled.statements.iter().enumerate() {
            let result = self.compiled.mismatch(statement, self.kind, facts);
            if let Ok(grant) = result
                && self.is_about(facts)
            {
                match statement.effect {
                    Effect::Deny => {
                        said.deny = said.deny.or(u32::try_from(at).ok());
                    }
                    Effect::Allow => said.grant = said.grant.max(grant),
                }
            }
            trace.push(StatementTrace {
                policy: position,
                statement: at,
                sid: self.sid(at).map(str::to_owned),
                effect: statement.effect,
                absent_keys: match result {
                    Ok(_) => self.compiled.absent_keys(statement, facts),
                    Err(_) => Vec::new(),
                },
                mismatch: match result {
                    Err(mismatch) => Some(mismatch),
                    Ok(_) if self.is_about(facts) => None,
                    Ok(_) => Some(self.other_service(facts)),
                },
            });
        }
        if said.deny.is_some() {
            said.grant = Grant::None;
        }
        said
    }

    /// A statement of an endpoint's policy has no effect on other services.
    fn other_service(&self, facts: &Facts<'_>) -> crate::trace::Mismatch {
        let service = match self.kind {
            PolicyKind::VpcEndpoint { service, .. } => service,
            _ => "",
        };
        crate::trace::Mismatch {
            element: crate::trace::Element::Action,
            operator: None,
            key: None,
            expected: vec![format!("{service}:*")],
            actual: Some(vec![facts.request.action.name().to_owned()]),
        }
    }
}

/// Reads the JSON of a document; on failure the findings hold the error.
pub(crate) fn parse<'t>(text: &'t str, findings: &mut document::Findings<'_>) -> Option<Tree<'t>> {
    if text.len() > MAX_TEXT {
        let help = format!(
            "the document has {} bytes, at most {MAX_TEXT} are read",
            text.len()
        );
        findings.error_at(0, String::new(), Problem::TooLarge, help);
        return None;
    }
    match Tree::parse(text) {
        Ok(tree) => Some(tree),
        Err(error) => {
            let starts = text.starts_with('{');
            let problem = if starts {
                Problem::Json
            } else {
                Problem::FirstByte
            };
            findings.error_at(error.at, String::new(), problem, error.problem.to_owned());
            None
        }
    }
}

//! Reading an operation's input: absent, present, and of the right form.

use adit_model::{IdError, Tags};
use adit_wire::Value;

use crate::refusal::Refusal;

/// An operation's input, decoded and checked against the wire table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl<'a> Input<'a> {
    /// The member, `Null` when absent.
    pub(crate) fn get(self, name: &str) -> &'a Value {
        self.0.get(name)
    }

    /// A text member.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).str()
    }

    /// A text member that must be there and not be empty.
    pub(crate) fn required(self, name: &'static str) -> Result<&'a str, Refusal> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Refusal::missing(name))
    }

    /// A boolean member, `default` when absent.
    pub(crate) fn flag(self, name: &str, default: bool) -> bool {
        self.0.get(name).bool().unwrap_or(default)
    }

    /// The texts of a list member.
    pub(crate) fn texts(self, name: &str) -> Vec<&'a str> {
        self.0
            .get(name)
            .list()
            .iter()
            .filter_map(Value::str)
            .collect()
    }

    /// Refuses members of features that are not built.
    pub(crate) fn refuse_unbuilt(self, names: &[&str]) -> Result<(), Refusal> {
        match names.iter().find(|name| is_given(self.get(name))) {
            Some(name) => Err(Refusal::unsupported(format!("{name} is not supported."))),
            None => Ok(()),
        }
    }

    /// The tags that `TagSpecifications` gives a new resource of this type [ec2-api §20].
    pub(crate) fn tags(self, resource_type: &str) -> Result<Tags, Refusal> {
        let mut tags = Tags::new();
        for specification in self.0.get("TagSpecifications").list() {
            let kind = specification.get("ResourceType").str().unwrap_or_default();
            if kind != resource_type {
                return Err(Refusal::invalid_value(format!(
                    "'{kind}' is not a valid taggable resource type for this operation."
                )));
            }
            for tag in specification.get("Tags").list() {
                let (key, value) = tag_of(tag)?;
                if tags.insert(key.to_string(), value.to_string()).is_some() {
                    return Err(Refusal::invalid_value(format!(
                        "Duplicate tag key '{key}' specified."
                    )));
                }
            }
        }
        check_tag_count(&tags)?;
        Ok(tags)
    }
}

/// Whether a member says anything: an absent one, an empty list and a `false` do not.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::List(items) => !items.is_empty(),
        _ => true,
    }
}

/// A tag's key and value, checked.
pub(crate) fn tag_of(tag: &Value) -> Result<(&str, &str), Refusal> {
    let key = tag.get("Key").str().unwrap_or_default();
    let value = tag.get("Value").str().unwrap_or_default();
    if key.is_empty() || key.chars().count() > 128 {
        return Err(Refusal::invalid_value(format!(
            "Tag key '{key}' must have between 1 and 128 characters"
        )));
    }
    if value.chars().count() > 256 {
        return Err(Refusal::invalid_value(format!(
            "Tag value of key '{key}' exceeds the maximum length of 256 characters"
        )));
    }
    if key.len() >= 4 && key.as_bytes()[..4].eq_ignore_ascii_case(b"aws:") {
        return Err(Refusal::invalid_value(format!(
            "Tag keys starting with 'aws:' are reserved for internal use: '{key}'"
        )));
    }
    Ok((key, value))
}

/// No resource has more than fifty tags.
pub(crate) fn check_tag_count(tags: &Tags) -> Result<(), Refusal> {
    match tags.len() {
        0..=50 => Ok(()),
        n => Err(Refusal::new(
            "TagLimitExceeded",
            format!("The maximum number of Tags for a resource has been reached: {n} of 50."),
        )),
    }
}

/// The `.Malformed` refusal that security group operations give for an id of the wrong form.
pub(crate) fn malformed_id(code: &'static str, text: &str, prefix: &str) -> Refusal {
    let text: String = text.chars().take(128).collect();
    Refusal::new(
        code,
        format!("Invalid id: \"{text}\" (expecting \"{prefix}...\")"),
    )
}

/// The `.Malformed` refusal that VPC endpoint operations give for an id of the wrong form.
pub(crate) fn malformed(code: &'static str, noun: &str, error: &IdError) -> Refusal {
    Refusal::new(
        code,
        format!(
            "Invalid {noun}: '{}' (expecting '{}; the Id may only contain lowercase alphanumeric characters and a single dash')",
            error.text, error.expecting
        ),
    )
}

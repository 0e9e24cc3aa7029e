//! The condition operators.

/// What an operator compares, before negation, `…IfExists` and set prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    NumericEquals,
    NumericLess,
    NumericLessEquals,
    NumericGreater,
    NumericGreaterEquals,
    DateEquals,
    DateLess,
    DateLessEquals,
    DateGreater,
    DateGreaterEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    ArnLike,
    Null,
}

/// How a multi-valued key is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    /// No prefix: the key must have one value.
    Single,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Operator {
    pub(crate) test: Test,
    /// `…Not…`: no value of the policy may match.
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
    pub(crate) set: Set,
    /// Position in [`NAMES`]: some operators have two names.
    name: u8,
}

/// Operator names without prefix and suffix.
const NAMES: &[(&str, Test, bool)] = &[
    ("ArnEquals", Test::ArnLike, false),
    ("ArnLike", Test::ArnLike, false),
    ("ArnNotEquals", Test::ArnLike, true),
    ("ArnNotLike", Test::ArnLike, true),
    ("BinaryEquals", Test::BinaryEquals, false),
    ("Bool", Test::Bool, false),
    ("DateEquals", Test::DateEquals, false),
    ("DateGreaterThan", Test::DateGreater, false),
    ("DateGreaterThanEquals", Test::DateGreaterEquals, false),
    ("DateLessThan", Test::DateLess, false),
    ("DateLessThanEquals", Test::DateLessEquals, false),
    ("DateNotEquals", Test::DateEquals, true),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("Null", Test::Null, false),
    ("NumericEquals", Test::NumericEquals, false),
    ("NumericGreaterThan", Test::NumericGreater, false),
    (
        "NumericGreaterThanEquals",
        Test::NumericGreaterEquals,
        false,
    ),
    ("NumericLessThan", Test::NumericLess, false),
    ("NumericLessThanEquals", Test::NumericLessEquals, false),
    ("NumericNotEquals", Test::NumericEquals, true),
    ("StringEquals", Test::StringEquals, false),
    (
        "StringEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        false,
    ),
    ("StringLike", Test::StringLike, false),
    ("StringNotEquals", Test::StringEquals, true),
    (
        "StringNotEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        true,
    ),
    ("StringNotLike", Test::StringLike, true),
];

impl Operator {
    /// Reads an operator as policies write it, in exact case. `Null` takes neither set prefix nor
    /// `IfExists`: it is about presence itself.
    pub(crate) fn parse(text: &str) -> Option<Operator> {
        let (set, rest) = match text.split_once(':') {
            None => (Set::Single, text),
            Some(("ForAllValues", rest)) => (Set::All, rest),
            Some(("ForAnyValue", rest)) => (Set::Any, rest),
            Some(_) => return None,
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let at = NAMES.iter().position(|(known, _, _)| *known == name)?;
        let (_, test, negated) = NAMES.get(at)?;
        let plain = !if_exists && set == Set::Single;
        (plain || *test != Test::Null).then_some(Operator {
            test: *test,
            negated: *negated,
            if_exists,
            set,
            name: u8::try_from(at).ok()?,
        })
    }

    /// All names without prefix and suffix.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _, _)| *name)
    }
}

impl std::fmt::Display for Operator {
    /// As policies write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.set {
            Set::Single => "",
            Set::All => "ForAllValues:",
            Set::Any => "ForAnyValue:",
        })?;
        f.write_str(
            NAMES
                .get(usize::from(self.name))
                .map_or("", |(name, _, _)| name),
        )?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

impl Test {
    /// Whether `${…}` in the policy's values is replaced.
    pub(crate) fn takes_variables(self) -> bool {
        match self {
            Test::StringEquals
            | Test::StringEqualsIgnoreCase
            | Test::StringLike
            | Test::ArnLike
            | Test::Bool => true,
            Test::NumericEquals
            | Test::NumericLess
            | Test::NumericLessEquals
            | Test::NumericGreater
            | Test::NumericGreaterEquals
            | Test::DateEquals
            | Test::DateLess
            | Test::DateLessEquals
            | Test::DateGreater
            | Test::DateGreaterEquals
            | Test::BinaryEquals
            | Test::IpAddress
            | Test::Null => false,
        }
    }

    /// Whether `*` and `?` in the policy's values are wildcards.
    pub(crate) fn takes_wildcards(self) -> bool {
        matches!(self, Test::StringLike | Test::ArnLike)
    }

    pub(crate) fn is_numeric(self) -> bool {
        use Test::*;
        matches!(
            self,
            NumericEquals | NumericLess | NumericLessEquals | NumericGreater | NumericGreaterEquals
        )
    }

    pub(crate) fn is_date(self) -> bool {
        use Test::*;
        matches!(
            self,
            DateEquals | DateLess | DateLessEquals | DateGreater | DateGreaterEquals
        )
    }

    /// Whether an ordered pair (request's value against policy's value) satisfies the test.
    pub(crate) fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            Test::NumericEquals | Test::DateEquals => order.is_eq(),
            Test::NumericLess | Test::DateLess => order.is_lt(),
            Test::NumericLessEquals | Test::DateLessEquals => order.is_le(),
            Test::NumericGreater | Test::DateGreater => order.is_gt(),
            Test::NumericGreaterEquals | Test::DateGreaterEquals => order.is_ge(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_prefix_and_suffix() {
        let plain = Operator::parse("StringNotLike").unwrap();
        assert_eq!((plain.test, plain.negated), (Test::StringLike, true));
        let full = Operator::parse("ForAnyValue:NotIpAddressIfExists").unwrap();
        assert_eq!(
            (full.set, full.if_exists, full.negated),
            (Set::Any, true, true)
        );
        for bad in [
            "stringEquals",
            "StringEqualsIfExist",
            "ForAllValue:StringEquals",
            "ForAllValues:Null",
            "NullIfExists",
            "IfExists",
            "",
            "BoolNot",
        ] {
            assert_eq!(Operator::parse(bad), None, "{bad}");
        }
        for name in Operator::names() {
            assert_eq!(Operator::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(full.to_string(), "ForAnyValue:NotIpAddressIfExists");
    }
}

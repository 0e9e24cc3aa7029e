//! Which services and actions exist, and what a misspelt name may have meant.

use crate::catalogue;
use crate::keys::Key;
use crate::pattern;
use crate::spelling::nearest;

/// Prefixes of all services, one a line.
const SERVICES: &str = include_str!("services.txt");
/// Actions of the services that Adit answers for, and of some that endpoint policies often name.
const ACTIONS: &str = include_str!("actions.txt");

/// Whether a service prefix exists. Prefixes are case-insensitive.
pub(super) fn is_service(name: &str) -> bool {
    SERVICES
        .lines()
        .any(|service| service.eq_ignore_ascii_case(name))
}

/// The service that was probably meant.
pub(super) fn nearest_service(name: &str) -> Option<&'static str> {
    nearest(name, SERVICES.lines())
}

/// Whether some action matches the pattern; `None` if the service's actions are not known here.
pub(super) fn some_action_matches(pattern: &str) -> Option<bool> {
    let service = pattern.split(':').next().unwrap_or_default();
    if service.eq_ignore_ascii_case("s3") {
        let matches = |name| pattern::matches_ignoring_case(pattern, name);
        return Some(catalogue::all().any(|(_, entry)| matches(entry.name)));
    }
    let mut actions = actions_of(service).peekable();
    actions.peek()?;
    Some(actions.any(|action| pattern::matches_ignoring_case(pattern, action)))
}

fn actions_of(service: &str) -> impl Iterator<Item = &'static str> {
    ACTIONS.lines().filter(move |action| {
        action
            .split(':')
            .next()
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(service))
    })
}

/// The action that was probably meant.
pub(super) fn nearest_action(name: &str) -> Option<&'static str> {
    let service = name.split(':').next().unwrap_or_default();
    if service.eq_ignore_ascii_case("s3") {
        return nearest(name, catalogue::all().map(|(_, entry)| entry.name));
    }
    nearest(name, actions_of(service))
}

/// The condition key that was probably meant.
pub(super) fn nearest_key(name: &str) -> Option<&'static str> {
    nearest(name, Key::all().map(Key::name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_recognised() {
        assert_eq!(nearest_action("s3:GetObjct"), Some("s3:GetObject"));
        assert_eq!(
            nearest_action("ec2:CreateVpcEndpont"),
            Some("ec2:CreateVpcEndpoint")
        );
        assert_eq!(nearest_service("dynamdb"), Some("dynamodb"));
        assert_eq!(nearest_key("aws:SourceVpcEndpoint"), None);
        assert_eq!(nearest_key("aws:SourcVpce"), Some("aws:SourceVpce"));
        assert_eq!(some_action_matches("s3:Get*"), Some(true));
        assert_eq!(some_action_matches("sts:AssumeRol"), Some(false));
        assert_eq!(some_action_matches("quicksight:Get*"), None);
    }

    #[test]
    fn lists_are_sorted_and_have_no_blanks() {
        for text in [SERVICES, ACTIONS] {
            let lines: Vec<String> = text.lines().map(str::to_ascii_lowercase).collect();
            assert!(lines.windows(2).all(|pair| pair[0] <= pair[1]));
            assert!(
                lines
                    .iter()
                    .all(|line| !line.is_empty() && !line.contains(' '))
            );
        }
    }
}

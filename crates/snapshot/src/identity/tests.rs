//! Following changes of identities gives what building from scratch gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adit_model::*;

use crate::build::{PolicyState, Snapshot, build};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }

    fn name(&mut self) -> String {
        NAMES[self.roll(NAMES.len())].to_string()
    }

    fn policy(&mut self) -> String {
        // One of them does not compile: whoever has it may do nothing.
        match self.roll(12) {
            0 => "{".to_string(),
            n => format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:A{n}","Resource":"*"}}}}"#
            ),
        }
    }

    fn inline(&mut self) -> BTreeMap<String, String> {
        (0..self.roll(3))
            .map(|n| (format!("p{n}"), self.policy()))
            .collect()
    }

    fn attached(&mut self) -> BTreeSet<String> {
        let own = |name: &str| format!("arn:aws:iam::{}:policy/{name}", account());
        let aws = "arn:aws:iam::aws:policy/ReadOnlyAccess".to_string();
        let all: Vec<String> = NAMES.iter().map(|name| own(name)).chain([aws]).collect();
        all.into_iter().filter(|_| self.roll(3) == 0).collect()
    }

    fn boundary(&mut self) -> Option<String> {
        self.attached().into_iter().next()
    }
}

fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

/// One change of one kind of thing.
fn change(draft: &mut Draft, dice: &mut Dice) {
    let name = dice.name();
    let key = identity_key(&account(), &name);
    match dice.roll(10) {
        0 | 1 => {
            draft.put(User {
                account: account(),
                name,
                path: "/".into(),
                unique_id: "AIDA".into(),
                inline_policies: dice.inline(),
                attached: dice.attached(),
                boundary: dice.boundary(),
                groups: NAMES
                    .iter()
                    .filter(|_| dice.roll(2) == 0)
                    .map(|g| g.to_string())
                    .collect(),
                tags: Tags::new(),
                created: 0,
            });
        }
        2 => {
            draft.remove::<User>(key);
        }
        3 | 4 => {
            draft.put(Group {
                account: account(),
                name,
                path: "/".into(),
                unique_id: "AGPA".into(),
                inline_policies: dice.inline(),
                attached: dice.attached(),
                created: 0,
            });
        }
        5 => {
            draft.remove::<Group>(key);
        }
        6 | 7 => {
            let document = dice.policy();
            draft.put(ManagedPolicy {
                account: account(),
                name,
                path: "/".into(),
                unique_id: "ANPA".into(),
                description: None,
                versions: [(
                    1,
                    PolicyVersion {
                        document,
                        created: 0,
                    },
                )]
                .into(),
                default: 1,
                next: 2,
                tags: Tags::new(),
                created: 0,
                updated: 0,
            });
        }
        8 => {
            draft.remove::<ManagedPolicy>(key);
        }
        _ => {
            draft.put(Role {
                account: account(),
                name,
                path: "/".into(),
                unique_id: "AROA".into(),
                description: None,
                trust: dice.policy(),
                max_session: 3600,
                inline_policies: dice.inline(),
                attached: dice.attached(),
                boundary: dice.boundary(),
                tags: Tags::new(),
                created: 0,
            });
        }
    }
}

/// Everything that says what a caller may do.
fn picture(world: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    let texts = |list: &[Arc<adit_policy::Policy>]| -> Vec<String> {
        list.iter()
            .map(|policy| policy.text().to_string())
            .collect()
    };
    for name in NAMES {
        let views = [world.user(&account(), name), world.role(&account(), name)];
        for view in views.into_iter().flatten() {
            let trusts = view
                .trust
                .as_ref()
                .map(|trust| matches!(trust, PolicyState::Ready(_)));
            lines.push(format!(
                "{} {:?} {:?} {:?} {:?} {trusts:?}",
                view.arn,
                view.identity.names,
                texts(&view.identity.policies),
                view.boundary.as_deref().map(texts),
                view.identity.broken,
            ));
        }
        let key = world.key(name);
        lines.push(format!(
            "{:?}",
            key.map(|key| (&key.arn, texts(key.policies()), &key.broken))
        ));
    }
    lines
}

#[test]
fn i4_following_identities_equals_building_them() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut draft = Draft::new(&Intent::default());
        for name in NAMES {
            draft.put(AccessKey {
                id: name.into(),
                secret: Secret::new("s"),
                account: account(),
                owner: KeyOwner::User(name.into()),
                active: true,
                created: 0,
            });
        }
        let mut intent = Arc::new(draft.finish().0);
        let mut followed = build(&intent);
        for step in 0..60 {
            let mut draft = Draft::new(&intent);
            for _ in 0..=dice.roll(3) {
                change(&mut draft, &mut dice);
            }
            intent = Arc::new(draft.finish().0);
            followed = followed.next(&intent);
            assert_eq!(
                picture(&followed),
                picture(&build(&intent)),
                "seed {seed}, step {step}"
            );
        }
    }
}

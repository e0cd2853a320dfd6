//! Kafka's rules as rows; and the index against a plain look at every binding.

use proptest::prelude::*;

use super::*;
use Operation::*;
use PatternType::{Literal, Prefixed};
use Permission::{Allow, Deny};

fn topic(permission: Permission, operation: Operation, pattern: PatternType, name: &str) -> Binding {
    Binding {
        resource: ResourceType::Topic,
        pattern,
        name: name.into(),
        principal: "User:alice".into(),
        host: WILDCARD.into(),
        operation,
        permission,
    }
}

const ALICE: Asker<'_> = Asker { principal: "User:alice", host: "10.0.0.1" };

fn is_allowed(bindings: &[Binding], asker: Asker<'_>, operation: Operation, name: &str) -> bool {
    Rules::new(bindings.iter().cloned().collect()).is_allowed(asker, operation, ResourceType::Topic, name)
}

#[test]
fn what_nobody_allows_is_denied() {
    assert!(!is_allowed(&[], ALICE, Describe, "t"));
    let elsewhere = Binding { resource: ResourceType::Group, ..topic(Allow, All, Literal, "t") };
    assert!(!is_allowed(&[elsewhere], ALICE, Describe, "t"));
}

#[test]
fn patterns_hosts_and_users_match_as_kafka_says() {
    let other_user = Asker { principal: "User:bob", ..ALICE };
    let other_host = Asker { host: "10.0.0.2", ..ALICE };
    let here = Binding { host: "10.0.0.1".into(), ..topic(Allow, Read, Literal, "t") };
    let everyone = Binding { principal: EVERY_USER.into(), ..topic(Allow, Read, Literal, "t") };
    let cases = [
        (topic(Allow, Read, Literal, "t"), ALICE, "t", true),
        (topic(Allow, Read, Literal, "t"), ALICE, "tt", false),
        (topic(Allow, Read, Literal, "*"), ALICE, "anything", true),
        (topic(Allow, Read, Prefixed, "log-"), ALICE, "log-a", true),
        (topic(Allow, Read, Prefixed, "log-"), ALICE, "log-", true),
        (topic(Allow, Read, Prefixed, "log-"), ALICE, "log", false),
        (topic(Allow, Read, Prefixed, "*"), ALICE, "t", false),
        (topic(Allow, Read, Literal, "t"), other_user, "t", false),
        (everyone, other_user, "t", true),
        (here.clone(), ALICE, "t", true),
        (here, other_host, "t", false),
    ];
    for (binding, asker, name, expected) in cases {
        assert_eq!(is_allowed(std::slice::from_ref(&binding), asker, Read, name), expected, "{binding:?} {asker:?} {name}");
    }
}

#[test]
fn a_denial_counts_more() {
    let denials = [
        topic(Deny, Read, Literal, "t"),
        topic(Deny, All, Prefixed, "t"),
        Binding { principal: EVERY_USER.into(), ..topic(Deny, Read, Literal, "*") },
    ];
    for denial in denials {
        assert!(!is_allowed(&[topic(Allow, All, Literal, "t"), denial.clone()], ALICE, Read, "t"), "{denial:?}");
    }
    let denied_write = [topic(Allow, All, Literal, "t"), topic(Deny, Write, Literal, "t")];
    assert!(is_allowed(&denied_write, ALICE, Read, "t"));
    assert!(is_allowed(&denied_write, ALICE, Describe, "t"), "denying WRITE does not deny DESCRIBE");
    assert!(!is_allowed(&denied_write, ALICE, Write, "t"));
}

#[test]
fn some_operations_imply_others() {
    let implied = [
        (Describe, &[Read, Write, Delete, Alter, Describe, All][..]),
        (DescribeConfigs, &[AlterConfigs, DescribeConfigs, All]),
        (Read, &[Read, All]),
        (Create, &[Create, All]),
    ];
    for (asked, by) in implied {
        for code in 2..=15 {
            let operation = Operation::from_code(code).unwrap();
            assert_eq!(
                is_allowed(&[topic(Allow, operation, Literal, "t")], ALICE, asked, "t"),
                by.contains(&operation),
                "{operation:?} for {asked:?}"
            );
        }
    }
}

#[test]
fn allowed_somewhere_means_no_denial_covers_it() {
    let cases = [
        (vec![], false),
        (vec![topic(Allow, Write, Literal, "t")], true),
        (vec![topic(Allow, Read, Literal, "t")], false),
        (vec![topic(Allow, Write, Literal, "t"), topic(Deny, Write, Literal, "t")], false),
        (vec![topic(Allow, Write, Literal, "t"), topic(Deny, Read, Literal, "t")], true),
        (vec![topic(Allow, Write, Prefixed, "ab"), topic(Deny, Write, Prefixed, "a")], false),
        (vec![topic(Allow, Write, Prefixed, "a"), topic(Deny, All, Prefixed, "ab")], true),
        (vec![topic(Allow, Write, Literal, "*"), topic(Deny, Write, Prefixed, "a")], true),
        (vec![topic(Allow, Write, Literal, "*"), topic(Deny, Write, Literal, "*")], false),
    ];
    for (bindings, expected) in cases {
        let rules = Rules::new(bindings.iter().cloned().collect());
        assert_eq!(rules.is_allowed_somewhere(ALICE, Write, ResourceType::Topic), expected, "{bindings:?}");
    }
}

/// The rules once more, without an index.
fn plainly(bindings: &BTreeSet<Binding>, asker: Asker<'_>, asked: Operation, name: &str) -> bool {
    let about = |binding: &&Binding| {
        binding.resource == ResourceType::Topic
            && binding.covers(name)
            && [asker.principal, "User:*"].contains(&binding.principal.as_str())
            && [asker.host, "*"].contains(&binding.host.as_str())
    };
    let is_denied = bindings.iter().filter(about).any(|rule| rule.permission == Deny && [asked, All].contains(&rule.operation));
    !is_denied && bindings.iter().filter(about).any(|rule| rule.permission == Allow && rule.operation.implies(asked))
}

fn a_binding() -> impl Strategy<Value = Binding> {
    let names = prop_oneof![Just("*".to_owned()), "[aé]{0,3}".prop_map(|name| name)];
    let principals = prop_oneof![Just("User:alice"), Just("User:bob"), Just(EVERY_USER)];
    let hosts = prop_oneof![Just("10.0.0.1"), Just("10.0.0.2"), Just(WILDCARD)];
    (2..=3_i8, 3..=4_i8, names, principals, hosts, 2..=11_i8, 2..=3_i8).prop_map(
        |(resource, pattern, name, principal, host, operation, permission)| Binding {
            resource: ResourceType::from_code(resource).unwrap(),
            pattern: PatternType::from_code(pattern).unwrap(),
            name,
            principal: principal.into(),
            host: host.into(),
            operation: Operation::from_code(operation).unwrap(),
            permission: Permission::from_code(permission).unwrap(),
        },
    )
}

proptest! {
    #[test]
    fn the_index_decides_as_a_look_at_all_does(bindings in proptest::collection::btree_set(a_binding(), 0..8), name in "[aé]{0,4}", asked in 2..=11_i8) {
        let asked = Operation::from_code(asked).unwrap();
        let decided = Rules::new(bindings.clone()).is_allowed(ALICE, asked, ResourceType::Topic, &name);
        prop_assert_eq!(decided, plainly(&bindings, ALICE, asked, &name));
    }
}

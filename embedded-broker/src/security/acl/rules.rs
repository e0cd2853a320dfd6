//! Kafka's rules: a denial counts more than any permission; what nobody allows is denied.
//!
//! Looking one resource up costs two lookups and one for each length that a prefix has, however many bindings there are.

use std::collections::{BTreeSet, HashMap};

use super::model::{Binding, EVERY_USER, Operation, PatternType, Permission, ResourceType, WILDCARD};

/// Who asks, from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// As `User:name`.
    pub(crate) principal: &'a str,
    pub(crate) host: &'a str,
}

/// All bindings, found by resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) bindings: BTreeSet<Binding>,
    by_pattern: HashMap<(ResourceType, PatternType), HashMap<String, Vec<Rule>>>,
    /// Lengths of the prefixes there are.
    prefix_bytes: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
struct Rule {
    principal: String,
    host: String,
    operation: Operation,
    permission: Permission,
}

impl Rules {
    pub(super) fn new(bindings: BTreeSet<Binding>) -> Self {
        let mut rules = Self::default();
        for binding in &bindings {
            let Binding { resource, pattern, name, principal, host, operation, permission } = binding.clone();
            if pattern == PatternType::Prefixed {
                rules.prefix_bytes.insert(name.len());
            }
            let by_name = rules.by_pattern.entry((resource, pattern)).or_default();
            by_name.entry(name).or_default().push(Rule { principal, host, operation, permission });
        }
        rules.bindings = bindings;
        rules
    }

    pub(super) fn is_allowed(&self, asker: Asker<'_>, asked: Operation, resource: ResourceType, name: &str) -> bool {
        let mut is_allowed = false;
        for rule in self.about(resource, name).filter(|rule| rule.is_about(asker)) {
            match rule.permission {
                Permission::Deny if rule.operation == asked || rule.operation == Operation::All => return false,
                Permission::Deny => {}
                Permission::Allow => is_allowed |= rule.operation.implies(asked),
            }
        }
        is_allowed
    }

    /// Whether there could be a resource of this type with which it is allowed (KIP-679): a permission that no denial covers.
    pub(super) fn is_allowed_somewhere(&self, asker: Asker<'_>, asked: Operation, resource: ResourceType) -> bool {
        let relevant = |permission: Permission| {
            let of_type = self.bindings.iter().filter(move |binding| binding.resource == resource && binding.permission == permission);
            of_type.filter(move |binding| concerns(&binding.principal, &binding.host, asker))
        };
        let denials: Vec<&Binding> =
            relevant(Permission::Deny).filter(|denial| denial.operation == asked || denial.operation == Operation::All).collect();
        let mut permissions = relevant(Permission::Allow).filter(|permission| permission.operation.implies(asked));
        permissions.any(|permission| !denials.iter().any(|denial| denies_all_of(denial, permission)))
    }

    fn about<'a>(&'a self, resource: ResourceType, name: &'a str) -> impl Iterator<Item = &'a Rule> {
        let literal = self.by_pattern.get(&(resource, PatternType::Literal));
        let prefixed = self.by_pattern.get(&(resource, PatternType::Prefixed));
        let literals = [name, WILDCARD].into_iter().filter_map(move |name| literal?.get(name));
        let prefixes = self.prefix_bytes.range(..=name.len()).filter_map(move |length| prefixed?.get(name.get(..*length)?));
        literals.chain(prefixes).flatten()
    }
}

impl Rule {
    fn is_about(&self, asker: Asker<'_>) -> bool {
        concerns(&self.principal, &self.host, asker)
    }
}

fn concerns(principal: &str, host: &str, asker: Asker<'_>) -> bool {
    (principal == asker.principal || principal == EVERY_USER) && (host == asker.host || host == WILDCARD)
}

/// Every resource the permission covers is covered by the denial as well.
fn denies_all_of(denial: &Binding, permission: &Binding) -> bool {
    let is_everything = |binding: &Binding| binding.pattern == PatternType::Literal && binding.name == WILDCARD;
    match denial.pattern {
        _ if is_everything(denial) => true,
        _ if is_everything(permission) => false,
        PatternType::Literal => permission.pattern == PatternType::Literal && permission.name == denial.name,
        PatternType::Prefixed => permission.name.starts_with(&denial.name),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

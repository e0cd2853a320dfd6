//! Which topics a group reads: named by its members, or matched by their regular expressions.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};

use super::super::ids::TopicName;
use super::super::image::TopicInfo;
use super::super::records::ConsumerRecord;
use super::turn::Turn;
use super::{Change, ConsumerGroup, Member, ResolvedRegex};
use crate::codec::ResponseError;

/// What a compiled regular expression may take. Like RE2's, ours take linear time whatever they are.
const MAX_REGEX_BYTES: usize = 256 * 1024;

impl Turn<'_> {
    /// Resolves what is new; forgets the old one if nobody uses it any more.
    pub(super) fn resolve_regexes(&mut self, new: Option<&str>, old: Option<&str>) -> Result<(), ResponseError> {
        if let Some(new) = new
            && !self.group.regexes.contains_key(new)
        {
            let resolved = self.resolve(&compiled(new)?);
            self.write(ConsumerRecord::Regex(new.to_owned(), Some(resolved)));
        }
        if let Some(old) = old
            && !self.group.members.values().any(|member| member.subscription.regex.as_deref() == Some(old))
            && self.group.regexes.contains_key(old)
        {
            self.write(ConsumerRecord::Regex(old.to_owned(), None));
        }
        Ok(())
    }

    fn resolve(&self, regex: &Regex) -> ResolvedRegex {
        let topics = self.context.topics.public_names().into_iter().filter(|name| regex.is_match(name.as_str()));
        let version = i64::try_from(self.context.topics.version()).unwrap_or(i64::MAX);
        ResolvedRegex { topics: topics.collect(), version, timestamp_ms: self.context.now.wall_ms }
    }

    /// Takes over what has become of the topics, if anything may have. Whether the group must be shared out anew.
    pub(super) fn refresh_topics(&mut self, reads_other: bool) -> bool {
        let version = self.context.topics.version();
        let is_seen = self.live.is_some_and(|live| live.seen_topics == Some(version));
        if is_seen && !reads_other {
            return false;
        }
        let mut changed = false;
        if !is_seen {
            changed |= self.match_again();
            self.change(Change::SeenTopics(version));
        }
        let topics = self.subscribed_topics();
        if topics != self.group.topics {
            self.write(ConsumerRecord::Topics(Some(topics)));
            changed = true;
        }
        changed
    }

    fn match_again(&mut self) -> bool {
        let mut changed = false;
        for (regex, old) in self.group.regexes.clone() {
            let Ok(compiled) = compiled(&regex) else { continue };
            let resolved = self.resolve(&compiled);
            if resolved.topics != old.topics {
                self.write(ConsumerRecord::Regex(regex, Some(resolved)));
                changed = true;
            }
        }
        changed
    }

    fn subscribed_topics(&self) -> BTreeMap<TopicName, TopicInfo> {
        let names: BTreeSet<&TopicName> = self.group.members.values().flat_map(|member| self.group.topics_of(member)).collect();
        names.into_iter().filter_map(|name| Some((name.clone(), self.context.topics.topic(name.as_str())?))).collect()
    }
}

impl ConsumerGroup {
    /// The names of the topics a member reads.
    pub(super) fn topics_of<'a>(&'a self, member: &'a Member) -> impl Iterator<Item = &'a TopicName> {
        let matched = member.subscription.regex.as_ref().and_then(|regex| self.regexes.get(regex));
        member.subscription.topics.iter().chain(matched.into_iter().flat_map(|resolved| &resolved.topics))
    }
}

/// The whole name must match, as in RE2/J's `matches`.
fn compiled(regex: &str) -> Result<Regex, ResponseError> {
    // Alone first: "a)|(b" would be valid between our brackets.
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
    build(regex).and_then(|_| build(&format!("^(?:{regex})$"))).map_err(|_| ResponseError::InvalidRegularExpression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_whole_names_or_are_refused() {
        let check = |regex: &str, name: &str, expect: Option<bool>| {
            assert_eq!(compiled(regex).ok().map(|regex| regex.is_match(name)), expect, "{regex} {name}");
        };
        check("orders", "orders", Some(true));
        check("orders", "orders-eu", Some(false));
        check("orders-.*", "orders-eu", Some(true));
        check("a|b", "ab", Some(false));
        check("", "a", Some(false));
        check("a)|(b", "a", None);
        check("(", "a", None);
        check("(a)\\1", "aa", None);
        check("(a{1000}){1000}", "a", None);
    }
}

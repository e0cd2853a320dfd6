//! Whom a quota is for (KIP-546), and which quota counts for a client (KIP-55).

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A user, client id or address; or all that have no quota of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Named {
    Default,
    Name(String),
}

impl Named {
    /// As on the wire, where no name means the default.
    pub(crate) fn from_option(name: Option<String>) -> Self {
        name.map_or(Self::Default, Self::Name)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// Kafka's names of the entity types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EntityType {
    User,
    ClientId,
    Ip,
}

impl EntityType {
    const ALL: [Self; 3] = [Self::User, Self::ClientId, Self::Ip];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// Whom a quota is for: a user, a client id, both, or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entity(pub(crate) BTreeMap<EntityType, Named>);

impl Entity {
    pub(crate) fn of(parts: impl IntoIterator<Item = (EntityType, Named)>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// An address stands alone, and is one.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.0.is_empty() {
            return Err("a quota is for a user, a client id, both, or an ip");
        }
        if self.0.values().any(|named| named.name() == Some("")) {
            return Err("an entity's name is not empty; no name at all means the default");
        }
        let Some(ip) = self.0.get(&EntityType::Ip) else { return Ok(()) };
        if self.0.len() > 1 {
            return Err("a quota for an ip can't be for a user or client id as well");
        }
        match ip.name().map(str::parse::<IpAddr>) {
            Some(Err(_)) => Err("the name of an ip is an address"),
            _ => Ok(()),
        }
    }
}

/// What a quota is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QuotaKey {
    ProducerByteRate,
    ConsumerByteRate,
    RequestPercentage,
    ControllerMutationRate,
    ConnectionCreationRate,
}

impl QuotaKey {
    const ALL: [Self; 5] = [
        Self::ProducerByteRate,
        Self::ConsumerByteRate,
        Self::RequestPercentage,
        Self::ControllerMutationRate,
        Self::ConnectionCreationRate,
    ];

    /// Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ProducerByteRate => "producer_byte_rate",
            Self::ConsumerByteRate => "consumer_byte_rate",
            Self::RequestPercentage => "request_percentage",
            Self::ControllerMutationRate => "controller_mutation_rate",
            Self::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether such an entity can have it, with this value.
    pub(crate) fn check(self, entity: &Entity, value: f64) -> Result<(), &'static str> {
        let is_for_ip = entity.0.contains_key(&EntityType::Ip);
        if is_for_ip != (self == Self::ConnectionCreationRate) {
            return Err("connection_creation_rate is for an ip; the other quotas are for users and client ids");
        }
        let is_whole = matches!(self, Self::ProducerByteRate | Self::ConsumerByteRate | Self::ConnectionCreationRate);
        if !value.is_finite() || value <= 0.0 {
            return Err("a quota is larger than 0");
        }
        if is_whole && value.fract() != 0.0 { Err("this quota is a whole number") } else { Ok(()) }
    }
}

/// All quotas that are set.
pub(crate) type Settings = BTreeMap<Entity, BTreeMap<QuotaKey, f64>>;

/// The quota that counts for a user with a client id, and who shares it. The most particular one counts: user and client id, user, client id;
/// in each of these a name before the default (Kafka's `ClientQuotaManager`).
pub(super) fn effective(settings: &Settings, key: QuotaKey, user: &str, client_id: &str) -> Option<(f64, Shared)> {
    let named_user = || Named::Name(user.to_owned());
    let named_client = || Named::Name(client_id.to_owned());
    let (both, of_user, of_client) = ((true, true), (true, false), (false, true));
    let order = [
        (Some(named_user()), Some(named_client()), both),
        (Some(named_user()), Some(Named::Default), both),
        (Some(named_user()), None, of_user),
        (Some(Named::Default), Some(named_client()), both),
        (Some(Named::Default), Some(Named::Default), both),
        (Some(Named::Default), None, of_user),
        (None, Some(named_client()), of_client),
        (None, Some(Named::Default), of_client),
    ];
    order.into_iter().find_map(|(user_part, client_part, (by_user, by_client))| {
        let parts = user_part.map(|part| (EntityType::User, part)).into_iter().chain(client_part.map(|part| (EntityType::ClientId, part)));
        let value = *settings.get(&Entity::of(parts))?.get(&key)?;
        let shared = Shared { user: by_user.then(|| user.to_owned()), client_id: by_client.then(|| client_id.to_owned()) };
        Some((value, shared))
    })
}

/// Connections that draw on one quota together: those of a user, of a client id, or of a user's client id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shared {
    pub(super) user: Option<String>,
    pub(super) client_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_quota_counts() {
        let named = |name: &str| Some(Named::Name(name.to_owned()));
        let default = || Some(Named::Default);
        // From the least to the most particular; each is added to those before.
        let order = [
            (None, default(), (None, Some("app"))),
            (None, named("app"), (None, Some("app"))),
            (default(), None, (Some("alice"), None)),
            (default(), default(), (Some("alice"), Some("app"))),
            (default(), named("app"), (Some("alice"), Some("app"))),
            (named("alice"), None, (Some("alice"), None)),
            (named("alice"), default(), (Some("alice"), Some("app"))),
            (named("alice"), named("app"), (Some("alice"), Some("app"))),
        ];
        let mut settings = Settings::new();
        assert_eq!(effective(&settings, QuotaKey::ProducerByteRate, "alice", "app"), None);
        for (value, (user, client_id, shared)) in (1..).zip(order) {
            let parts = user.map(|part| (EntityType::User, part)).into_iter().chain(client_id.map(|part| (EntityType::ClientId, part)));
            settings.insert(Entity::of(parts), BTreeMap::from([(QuotaKey::ProducerByteRate, f64::from(value))]));
            let shared = Shared { user: shared.0.map(str::to_owned), client_id: shared.1.map(str::to_owned) };
            assert_eq!(effective(&settings, QuotaKey::ProducerByteRate, "alice", "app"), Some((f64::from(value), shared)));
            assert_eq!(effective(&settings, QuotaKey::ConsumerByteRate, "alice", "app"), None, "each kind is looked up by itself");
        }
    }

    #[test]
    fn entities_and_values_are_checked() {
        let entity = |parts: &[(EntityType, &str)]| Entity::of(parts.iter().map(|(kind, name)| (*kind, Named::Name((*name).to_owned()))));
        let (user, ip) = (entity(&[(EntityType::User, "a")]), entity(&[(EntityType::Ip, "10.0.0.1")]));
        assert!(user.check().is_ok() && ip.check().is_ok() && Entity::of([(EntityType::Ip, Named::Default)]).check().is_ok());
        for bad in [
            Entity::default(),
            entity(&[(EntityType::User, "")]),
            entity(&[(EntityType::Ip, "host")]),
            entity(&[(EntityType::Ip, "10.0.0.1"), (EntityType::User, "a")]),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let cases = [
            (QuotaKey::ProducerByteRate, &user, 1.0, true),
            (QuotaKey::ProducerByteRate, &user, 1.5, false),
            (QuotaKey::ProducerByteRate, &user, 0.0, false),
            (QuotaKey::ProducerByteRate, &user, -1.0, false),
            (QuotaKey::ProducerByteRate, &user, f64::NAN, false),
            (QuotaKey::RequestPercentage, &user, f64::INFINITY, false),
            (QuotaKey::RequestPercentage, &user, 0.5, true),
            (QuotaKey::RequestPercentage, &ip, 0.5, false),
            (QuotaKey::ConnectionCreationRate, &ip, 5.0, true),
            (QuotaKey::ConnectionCreationRate, &user, 5.0, false),
        ];
        for (key, entity, value, expected) in cases {
            assert_eq!(key.check(entity, value).is_ok(), expected, "{key:?} {entity:?} {value}");
        }
    }
}

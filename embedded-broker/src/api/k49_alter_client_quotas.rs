//! AlterClientQuotas: 0-1. Sets and removes quotas (KIP-546): `producer_byte_rate`, `consumer_byte_rate`, `request_percentage` and
//! `controller_mutation_rate` for users and client ids, `connection_creation_rate` for addresses.
//!
//! - An entry with a fault in it changes nothing and is INVALID_REQUEST; the others are stored together, on disk first. They count at once.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::alter_client_quotas_request::EntryData as Asked;
use crate::codec::messages::alter_client_quotas_response::{EntityData, EntryData};
use crate::codec::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{Entity, EntityType, Named, QuotaKey};

/// The longest user or client id a quota can be for.
const MAX_NAME_BYTES: usize = 1_024;

pub(crate) struct AlterClientQuotas;

impl Api for AlterClientQuotas {
    const KEY: i16 = 49;
    const NAME: &'static str = "AlterClientQuotas";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = AlterClientQuotasRequest;
    type Response = AlterClientQuotasResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: AlterClientQuotasRequest) -> Result<Self::Response, Refusal> {
        let altering = node.blocking(move |node| alter(node, &request));
        let entries = altering.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(Self::Response::default().with_entries(entries))
    }
}

type Fault = (ResponseError, &'static str);
type Change = (Entity, QuotaKey, Option<f64>);

fn alter(node: &Node, request: &AlterClientQuotasRequest) -> Vec<EntryData> {
    let checked: Vec<Result<Vec<Change>, Fault>> = request.entries.iter().map(changes).collect();
    let all: Vec<Change> = checked.iter().filter_map(|checked| checked.as_ref().ok()).flatten().cloned().collect();
    let stored = if request.validate_only || all.is_empty() { Ok(()) } else { store(node, &all) };
    let entries = request.entries.iter().zip(checked).map(|(asked, checked)| {
        let entity = asked
            .entity
            .iter()
            .map(|entity| EntityData::default().with_entity_type(entity.entity_type.clone()).with_entity_name(entity.entity_name.clone()));
        let entry = EntryData::default().with_entity(entity.collect());
        match checked.map(drop).and(stored) {
            Ok(()) => entry,
            Err((error, reason)) => entry.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    entries.collect()
}

fn store(node: &Node, changes: &[Change]) -> Result<(), Fault> {
    let quotas = &node.security.quotas;
    let set = changes.iter().filter(|(_, _, value)| value.is_some()).count();
    if quotas.settings().len() + set > node.config.limits.max_quotas {
        return Err((ResponseError::PolicyViolation, "this broker has as many quotas as its limit allows (max_quotas)"));
    }
    quotas.change(changes).map_err(|error| {
        tracing::error!(%error, "the quotas could not be written");
        (ResponseError::KafkaStorageError, "the quotas could not be written to disk")
    })
}

fn changes(asked: &Asked) -> Result<Vec<Change>, Fault> {
    let invalid = |reason| (ResponseError::InvalidRequest, reason);
    let mut entity = Entity::default();
    for part in &asked.entity {
        let kind = EntityType::from_name(&part.entity_type).ok_or(invalid("quotas are for the entity types user, client-id and ip"))?;
        let name = part.entity_name.as_ref().map(|name| name.to_string());
        if name.as_ref().is_some_and(|name| name.len() > MAX_NAME_BYTES) {
            return Err(invalid("a name has 1,024 bytes at most"));
        }
        if entity.0.insert(kind, Named::from_option(name)).is_some() {
            return Err(invalid("an entity type is named twice"));
        }
    }
    entity.check().map_err(invalid)?;
    let change = |op: &crate::codec::messages::alter_client_quotas_request::OpData| {
        let key = QuotaKey::from_name(&op.key).ok_or(invalid("there is no quota of this name"))?;
        // What is removed needs no value.
        key.check(&entity, if op.remove { 1.0 } else { op.value }).map_err(invalid)?;
        Ok((entity.clone(), key, (!op.remove).then_some(op.value)))
    };
    asked.ops.iter().map(change).collect()
}

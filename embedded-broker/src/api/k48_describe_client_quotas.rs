//! DescribeClientQuotas: 0-1. The quotas that are set, by whom they are for (KIP-546).
//!
//! - Each component asks for a name (0), the default (1) or any (2) of an entity type; strict means nothing but these. No component finds
//!   all. A type twice, or one without a name: INVALID_REQUEST; a type this broker has no quotas for: UNSUPPORTED_VERSION.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::describe_client_quotas_request::ComponentData;
use crate::codec::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use crate::codec::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{Entity, EntityType, Named, QuotaKey};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

pub(crate) struct DescribeClientQuotas;

impl Api for DescribeClientQuotas {
    const KEY: i16 = 48;
    const NAME: &'static str = "DescribeClientQuotas";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = DescribeClientQuotasRequest;
    type Response = DescribeClientQuotasResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DescribeClientQuotasRequest,
    ) -> Result<Self::Response, Refusal> {
        let wanted = match wanted(&request.components) {
            Ok(wanted) => wanted,
            Err((error, reason)) => {
                let refusal = Self::Response::default().with_error_code(error.code()).with_error_message(Some(text(reason)));
                return Ok(refusal.with_entries(None));
            }
        };
        let matches = |entity: &Entity| {
            let is_wanted = |(kind, wanted): (&EntityType, &Wanted)| entity.0.get(kind).is_some_and(|named| wanted.matches(named));
            wanted.iter().all(is_wanted) && (!request.strict || entity.0.len() == wanted.len())
        };
        let settings = node.security.quotas.settings();
        let entries = settings.iter().filter(|(entity, _)| matches(entity)).map(|(entity, values)| entry(entity, values));
        Ok(Self::Response::default().with_entries(Some(entries.collect())))
    }
}

enum Wanted {
    This(Named),
    Any,
}

impl Wanted {
    fn matches(&self, named: &Named) -> bool {
        match self {
            Self::This(wanted) => wanted == named,
            Self::Any => true,
        }
    }
}

fn wanted(components: &[ComponentData]) -> Result<BTreeMap<EntityType, Wanted>, (ResponseError, &'static str)> {
    let mut all = BTreeMap::new();
    for component in components {
        let unknown = (ResponseError::UnsupportedVersion, "quotas are for the entity types user, client-id and ip");
        let kind = EntityType::from_name(&component.entity_type).ok_or(unknown)?;
        let wanted = match (component.match_type, &component._match) {
            (EXACT, Some(name)) => Wanted::This(Named::Name(name.to_string())),
            (DEFAULT, None) => Wanted::This(Named::Default),
            (ANY, None) => Wanted::Any,
            _ => return Err((ResponseError::InvalidRequest, "a component has a name if its match type is exact (0), else none")),
        };
        if all.insert(kind, wanted).is_some() {
            return Err((ResponseError::InvalidRequest, "an entity type is asked for twice"));
        }
    }
    Ok(all)
}

fn entry(entity: &Entity, values: &BTreeMap<QuotaKey, f64>) -> EntryData {
    let entity = entity
        .0
        .iter()
        .map(|(kind, named)| EntityData::default().with_entity_type(text(kind.name())).with_entity_name(named.name().map(text)));
    let values = values.iter().map(|(key, value)| ValueData::default().with_key(text(key.name())).with_value(*value));
    EntryData::default().with_entity(entity.collect()).with_values(values.collect())
}

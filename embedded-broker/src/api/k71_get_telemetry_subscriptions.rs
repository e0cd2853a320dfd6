//! GetTelemetrySubscriptions: 0. Which of a client's own metrics the cluster wants to be sent (KIP-714): none.
//!
//! - A client that has no instance id yet is given one. It asks again after the push interval and never pushes, for nothing is requested.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use crate::node::Node;

/// The one subscription there is: to nothing.
pub(super) const SUBSCRIPTION_ID: i32 = 0;
/// Kafka's `telemetry.max.bytes`.
pub(super) const MAX_BYTES: i32 = 1024 * 1024;
/// Kafka's default `interval.ms` of a subscription.
const PUSH_INTERVAL_MS: i32 = 5 * 60 * 1_000;

pub(crate) struct GetTelemetrySubscriptions;

impl Api for GetTelemetrySubscriptions {
    const KEY: i16 = 71;
    const NAME: &'static str = "GetTelemetrySubscriptions";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = GetTelemetrySubscriptionsRequest;
    type Response = GetTelemetrySubscriptionsResponse;

    async fn handle(
        _node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: GetTelemetrySubscriptionsRequest,
    ) -> Result<Self::Response, Refusal> {
        let asked = request.client_instance_id;
        let response = Self::Response::default()
            .with_client_instance_id(if asked.is_nil() { Uuid::new_v4() } else { asked })
            .with_subscription_id(SUBSCRIPTION_ID)
            // Zero stands for "not compressed", which every broker takes.
            .with_accepted_compression_types(vec![0])
            .with_push_interval_ms(PUSH_INTERVAL_MS)
            .with_telemetry_max_bytes(MAX_BYTES)
            .with_delta_temporality(true);
        Ok(response)
    }
}

//! PushTelemetry: 0. A client's own metrics (KIP-714). Nothing is subscribed to (see GetTelemetrySubscriptions), so what comes is checked,
//! and forgotten.
//!
//! - No instance id: INVALID_REQUEST. Another subscription than ours: UNKNOWN_SUBSCRIPTION_ID, and the client asks for ours. Compressed:
//!   UNSUPPORTED_COMPRESSION_TYPE. Above `telemetry.max.bytes`: TELEMETRY_TOO_LARGE.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k71_get_telemetry_subscriptions::{MAX_BYTES, SUBSCRIPTION_ID};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{PushTelemetryRequest, PushTelemetryResponse};
use crate::codec::{ResponseError, error_code};
use crate::node::Node;

const UNCOMPRESSED: i8 = 0;

pub(crate) struct PushTelemetry;

impl Api for PushTelemetry {
    const KEY: i16 = 72;
    const NAME: &'static str = "PushTelemetry";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = PushTelemetryRequest;
    type Response = PushTelemetryResponse;

    async fn handle(
        _node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: PushTelemetryRequest,
    ) -> Result<PushTelemetryResponse, Refusal> {
        Ok(PushTelemetryResponse::default().with_error_code(error_code(fault(&request))))
    }
}

fn fault(request: &PushTelemetryRequest) -> Option<ResponseError> {
    if request.client_instance_id.is_nil() {
        Some(ResponseError::InvalidRequest)
    } else if request.subscription_id != SUBSCRIPTION_ID {
        Some(ResponseError::UnknownSubscriptionId)
    } else if request.compression_type != UNCOMPRESSED {
        Some(ResponseError::UnsupportedCompressionType)
    } else if request.metrics.len() > MAX_BYTES as usize {
        Some(ResponseError::TelemetryTooLarge)
    } else {
        None
    }
}

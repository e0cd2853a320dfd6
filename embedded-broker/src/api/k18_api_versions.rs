//! ApiVersions: 0-4. Which APIs are served, in which versions; the first thing every client asks.
//!
//! - A version that is not served is answered in the v0 format with UNSUPPORTED_VERSION and the full list (KIP-511): kafka-python asks
//!   for the newest first and waits forever otherwise.
//! - Produce is advertised from version 0 though nothing below 3 is served: librdkafka tells by it what the broker can do (KIP-896).
//! - 3: features (KIP-584). Clients use transaction version 2 (KIP-890) only where it is finalized, so it is; `group.version` 1 is KIP-848's
//!   consumer groups.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::BytesMut;

use super::{APIS, Api, Refusal, RequestContext};
use crate::codec::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use crate::codec::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::codec::{self, CodecError, ResponseError};
use crate::node::Node;

pub(crate) struct ApiVersions;

impl Api for ApiVersions {
    const KEY: i16 = 18;
    const NAME: &'static str = "ApiVersions";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Request = ApiVersionsRequest;
    type Response = ApiVersionsResponse;

    async fn handle(_node: Arc<Node>, context: Arc<RequestContext>, request: ApiVersionsRequest) -> Result<ApiVersionsResponse, Refusal> {
        if context.version >= FIRST_WITH_SOFTWARE {
            context.connection.set_software(&request.client_software_name, &request.client_software_version);
        }
        Ok(response(None))
    }
}

/// The answer to a version we do not know.
pub(super) fn unsupported_version(correlation_id: i32) -> Result<BytesMut, CodecError> {
    codec::encode_response(correlation_id, &response(Some(ResponseError::UnsupportedVersion)), 0)
}

fn response(error: Option<ResponseError>) -> ApiVersionsResponse {
    let keys = APIS.iter().map(|entry| {
        let min_version = if entry.key == PRODUCE_KEY { 0 } else { *entry.versions.start() };
        ApiVersion::default().with_api_key(entry.key).with_min_version(min_version).with_max_version(*entry.versions.end())
    });
    let supported = FEATURES
        .iter()
        .map(|(name, level)| SupportedFeatureKey::default().with_name(codec::text(*name)).with_min_version(0).with_max_version(*level));
    let finalized = FEATURES.iter().map(|(name, level)| {
        FinalizedFeatureKey::default().with_name(codec::text(*name)).with_max_version_level(*level).with_min_version_level(*level)
    });
    ApiVersionsResponse::default()
        .with_error_code(codec::error_code(error))
        .with_api_keys(keys.collect())
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(FEATURES_EPOCH)
}

/// KIP-511: the client says what it is made of.
const FIRST_WITH_SOFTWARE: i16 = 3;
const PRODUCE_KEY: i16 = 0;
/// Every feature and its level (KIP-584). They never change while a broker runs.
pub(super) const FEATURES: &[(&str, i16)] = &[("group.version", 1), ("transaction.version", 2)];
const FEATURES_EPOCH: i64 = 0;

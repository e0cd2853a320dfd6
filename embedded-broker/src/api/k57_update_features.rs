//! UpdateFeatures: 0-2. Raises or lowers the level of a cluster feature (KIP-584). Here the levels come with the program.
//!
//! - To the level a feature has: done. Any other level, or another feature: INVALID_UPDATE_VERSION.
//! - 1: `validate_only` and the kind of upgrade (KIP-778). 2: one error for all updates instead of one each (KIP-1022).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k18_api_versions::FEATURES;
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::update_features_request::FeatureUpdateKey;
use crate::codec::messages::update_features_response::UpdatableFeatureResult;
use crate::codec::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;

const REASON: &str = "the levels of this broker's features come with the program and can't be changed";
const REFUSED: i16 = ResponseError::InvalidUpdateVersion.code();
/// The first version without a result per feature.
const FIRST_WITHOUT_RESULTS: i16 = 2;

pub(crate) struct UpdateFeatures;

impl Api for UpdateFeatures {
    const KEY: i16 = 57;
    const NAME: &'static str = "UpdateFeatures";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = UpdateFeaturesRequest;
    type Response = UpdateFeaturesResponse;

    async fn handle(_node: Arc<Node>, context: Arc<RequestContext>, request: UpdateFeaturesRequest) -> Result<Self::Response, Refusal> {
        let response = UpdateFeaturesResponse::default();
        if context.version >= FIRST_WITHOUT_RESULTS {
            let is_done = request.feature_updates.iter().all(is_as_asked);
            return Ok(if is_done { response } else { response.with_error_code(REFUSED).with_error_message(Some(text(REASON))) });
        }
        let results = request.feature_updates.into_iter().map(|update| {
            let is_done = is_as_asked(&update);
            let result = UpdatableFeatureResult::default().with_feature(update.feature);
            if is_done { result } else { result.with_error_code(REFUSED).with_error_message(Some(text(REASON))) }
        });
        Ok(response.with_results(results.collect()))
    }
}

fn is_as_asked(update: &FeatureUpdateKey) -> bool {
    FEATURES.iter().any(|(feature, level)| *feature == update.feature.as_str() && *level == update.max_version_level)
}

//! SaslHandshake: 0-1. A client names the mechanism it wants to log in with.
//!
//! - A mechanism that is not offered here: UNSUPPORTED_SASL_MECHANISM with those that are, then the connection ends. On a listener without
//!   SASL: ILLEGAL_SASL_STATE.
//! - 1: the login goes on with SaslAuthenticate; 0: with bare tokens, each behind its length.
//! - After a login it begins another one (KIP-368), by the same mechanism.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::ChooseError;

/// The last version whose tokens come without Kafka's headers.
const LAST_WITH_RAW_TOKENS: i16 = 0;

pub(crate) struct SaslHandshake;

impl Api for SaslHandshake {
    const KEY: i16 = 17;
    const NAME: &'static str = "SaslHandshake";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;

    async fn handle(_node: Arc<Node>, context: Arc<RequestContext>, request: SaslHandshakeRequest) -> Result<Self::Response, Refusal> {
        let session = &context.session;
        let offered = session.listener.mechanisms.iter().map(|mechanism| text(mechanism.name()));
        let response = SaslHandshakeResponse::default().with_mechanisms(offered.collect());
        Ok(match session.choose(&request.mechanism, context.version <= LAST_WITH_RAW_TOKENS) {
            Ok(()) => response,
            Err(ChooseError::IllegalState) => response.with_error_code(ResponseError::IllegalSaslState.code()),
            Err(ChooseError::Unsupported) => response.with_error_code(ResponseError::UnsupportedSaslMechanism.code()),
        })
    }
}

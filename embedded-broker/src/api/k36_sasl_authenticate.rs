//! SaslAuthenticate: 0-2. The tokens of a login, by the mechanism of the handshake before.
//!
//! - A failed login is answered SASL_AUTHENTICATION_FAILED after a short while, and the connection ends. The answer does not tell whether
//!   there is such a user; the log does not tell the password.
//! - 1: how long the login lasts (KIP-368); 0 means as long as the connection.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::LoginError;

pub(crate) struct SaslAuthenticate;

impl Api for SaslAuthenticate {
    const KEY: i16 = 36;
    const NAME: &'static str = "SaslAuthenticate";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: SaslAuthenticateRequest) -> Result<Self::Response, Refusal> {
        let lifetime_ms = node.security.session_lifetime_ms();
        let response = SaslAuthenticateResponse::default();
        match node.log_in(&context.session, request.auth_bytes).await {
            Ok(progress) => {
                let lifetime_ms = lifetime_ms.filter(|_| progress.is_done && context.version >= 1).unwrap_or(0);
                Ok(response.with_auth_bytes(progress.token.into()).with_session_lifetime_ms(lifetime_ms))
            }
            Err(LoginError::IllegalState) => {
                let reason = "a SaslHandshake must come before each login";
                Ok(response.with_error_code(ResponseError::IllegalSaslState.code()).with_error_message(Some(text(reason))))
            }
            Err(_) => {
                let reason = "the login failed: invalid credentials";
                Ok(response.with_error_code(ResponseError::SaslAuthenticationFailed.code()).with_error_message(Some(text(reason))))
            }
        }
    }
}

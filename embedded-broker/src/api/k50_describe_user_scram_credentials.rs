//! DescribeUserScramCredentials: 0. Which users can log in with a password, by which mechanism and with how many iterations (KIP-554).
//!
//! - No list, or an empty one, means all users. A user who is not there is RESOURCE_NOT_FOUND, one named twice DUPLICATE_RESOURCE.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult};
use crate::codec::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{ScramCredential, ScramHash};

/// KIP-554's numbers for the mechanisms.
const SCRAM_SHA_256: i8 = 1;
const SCRAM_SHA_512: i8 = 2;

pub(crate) struct DescribeUserScramCredentials;

impl Api for DescribeUserScramCredentials {
    const KEY: i16 = 50;
    const NAME: &'static str = "DescribeUserScramCredentials";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeUserScramCredentialsRequest;
    type Response = DescribeUserScramCredentialsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DescribeUserScramCredentialsRequest,
    ) -> Result<Self::Response, Refusal> {
        let credentials = node.security.users.all();
        let mut times_named: BTreeMap<String, usize> = BTreeMap::new();
        for user in request.users.unwrap_or_default() {
            *times_named.entry(user.name.to_string()).or_default() += 1;
        }
        if times_named.is_empty() {
            times_named = credentials.keys().map(|user| (user.clone(), 1)).collect();
        }
        let results = times_named.into_iter().map(|(user, times)| {
            let result = DescribeUserScramCredentialsResult::default().with_user(text(user.clone()));
            let failed = |error: ResponseError, reason: &str| (error.code(), Some(text(reason)));
            let (code, reason) = match credentials.get(&user) {
                _ if times > 1 => failed(ResponseError::DuplicateResource, "the user is named more than once"),
                None => failed(ResponseError::ResourceNotFound, "there is no such user with a password"),
                Some(keys) => return result.with_credential_infos(keys.values().map(info).collect()),
            };
            result.with_error_code(code).with_error_message(reason)
        });
        Ok(Self::Response::default().with_results(results.collect()))
    }
}

fn info(credential: &ScramCredential) -> CredentialInfo {
    let mechanism = match credential.hash {
        ScramHash::Sha256 => SCRAM_SHA_256,
        ScramHash::Sha512 => SCRAM_SHA_512,
    };
    CredentialInfo::default().with_mechanism(mechanism).with_iterations(i32::try_from(credential.iterations).unwrap_or(i32::MAX))
}

/// The mechanism a request's number means.
pub(super) fn scram_hash(mechanism: i8) -> Option<ScramHash> {
    match mechanism {
        SCRAM_SHA_256 => Some(ScramHash::Sha256),
        SCRAM_SHA_512 => Some(ScramHash::Sha512),
        _ => None,
    }
}

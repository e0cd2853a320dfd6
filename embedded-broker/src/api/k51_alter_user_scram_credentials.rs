//! AlterUserScramCredentials: 0. Sets and removes users' passwords (KIP-554). The client salts the password; it never comes here.
//!
//! - One result per user; a user with a fault in any of his changes keeps all as it was. The others change together, on disk first.
//! - Unknown mechanism: UNSUPPORTED_SASL_MECHANISM. Empty name, iterations outside 4,096 to 16,384, or a salted password of the wrong length:
//!   UNACCEPTABLE_CREDENTIAL. Removing what is not there: RESOURCE_NOT_FOUND. The same twice: DUPLICATE_RESOURCE.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k50_describe_user_scram_credentials::scram_hash;
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use crate::codec::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use crate::codec::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{
    Change, Credentials, MAX_ITERATIONS, MAX_SALT_BYTES, MAX_USER_NAME_BYTES, MIN_ITERATIONS, ScramCredential, ScramHash,
};

pub(crate) struct AlterUserScramCredentials;

impl Api for AlterUserScramCredentials {
    const KEY: i16 = 51;
    const NAME: &'static str = "AlterUserScramCredentials";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = AlterUserScramCredentialsRequest;
    type Response = AlterUserScramCredentialsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: AlterUserScramCredentialsRequest,
    ) -> Result<Self::Response, Refusal> {
        let altering = node.blocking(move |node| alter(node, &request));
        let results = altering.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(Self::Response::default().with_results(results))
    }
}

type Fault = (ResponseError, &'static str);

fn alter(node: &Node, request: &AlterUserScramCredentialsRequest) -> Vec<AlterUserScramCredentialsResult> {
    let mut outcomes: BTreeMap<String, Result<Vec<Change>, Fault>> = BTreeMap::new();
    let credentials = node.security.users.all();
    let mut seen = BTreeSet::new();
    let deletions = request.deletions.iter().map(|asked| (asked.name.to_string(), asked.mechanism, deletion(&credentials, asked)));
    let upsertions = request.upsertions.iter().map(|asked| (asked.name.to_string(), asked.mechanism, upsertion(asked)));
    for (user, mechanism, change) in deletions.chain(upsertions) {
        let is_first = seen.insert((user.clone(), mechanism));
        let change = if is_first { change } else { Err((ResponseError::DuplicateResource, "the credential is named more than once")) };
        let outcome = outcomes.entry(user.clone()).or_insert_with(|| Ok(Vec::new()));
        match (outcome.as_mut(), change) {
            (Ok(changes), Ok((hash, credential))) => changes.push((user, hash, credential)),
            (Ok(_), Err(fault)) => *outcome = Err(fault),
            (Err(_), _) => {}
        }
    }
    let changes: Vec<Change> = outcomes.values().filter_map(|outcome| outcome.as_ref().ok()).flatten().cloned().collect();
    let new_users = changes.iter().filter(|(user, _, new)| new.is_some() && !credentials.contains_key(user)).count();
    let stored = if credentials.len() + new_users > node.config.limits.max_users {
        Err((ResponseError::PolicyViolation, "this broker has as many users as its limit allows (max_users)"))
    } else {
        node.security.users.change(changes).map_err(|error| {
            tracing::error!(%error, "the users could not be written");
            (ResponseError::KafkaStorageError, "the users could not be written to disk")
        })
    };
    let results = outcomes.into_iter().map(|(user, outcome)| {
        let result = AlterUserScramCredentialsResult::default().with_user(text(user));
        match outcome.map(drop).and(stored) {
            Ok(()) => result,
            Err((error, reason)) => result.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    results.collect()
}

fn deletion(credentials: &Credentials, asked: &ScramCredentialDeletion) -> Result<(ScramHash, Option<ScramCredential>), Fault> {
    let hash = known(asked.mechanism)?;
    match credentials.get(asked.name.as_str()).and_then(|keys| keys.get(&hash)) {
        Some(_) => Ok((hash, None)),
        None => Err((ResponseError::ResourceNotFound, "there is no such credential to remove")),
    }
}

fn upsertion(asked: &ScramCredentialUpsertion) -> Result<(ScramHash, Option<ScramCredential>), Fault> {
    let hash = known(asked.mechanism)?;
    let unacceptable = |reason| Err((ResponseError::UnacceptableCredential, reason));
    if asked.name.is_empty() || asked.name.len() > MAX_USER_NAME_BYTES {
        return unacceptable("a user has a name, of 1,024 bytes at most");
    }
    let iterations = u32::try_from(asked.iterations).unwrap_or(0);
    if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
        return unacceptable("iterations must be from 4,096 to 16,384");
    }
    if asked.salt.is_empty() || asked.salt.len() > MAX_SALT_BYTES || asked.salted_password.len() != hash.bytes() {
        return unacceptable("salt or salted password is not as long as the mechanism wants it");
    }
    Ok((hash, Some(ScramCredential::from_salted(hash, &asked.salted_password, asked.salt.to_vec(), iterations))))
}

fn known(mechanism: i8) -> Result<ScramHash, Fault> {
    scram_hash(mechanism)
        .ok_or((ResponseError::UnsupportedSaslMechanism, "the mechanism is neither SCRAM-SHA-256 (1) nor SCRAM-SHA-512 (2)"))
}

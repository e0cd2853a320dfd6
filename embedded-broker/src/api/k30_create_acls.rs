//! CreateAcls: 1-3. Adds ACL bindings (KIP-140). One that is there already is no error.
//!
//! - Each is checked by itself; the good ones are added together, on disk first. While nobody must log in: SECURITY_DISABLED.
//! - 1: prefixed patterns (KIP-290). 3: resources of type User (KIP-373).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k29_describe_acls::DISABLED;
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::create_acls_request::AclCreation;
use crate::codec::messages::create_acls_response::AclCreationResult;
use crate::codec::messages::{CreateAclsRequest, CreateAclsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{Binding, CLUSTER, Operation, PatternType, Permission, ResourceType};

/// The longest name, principal or host of a binding.
const MAX_TEXT_BYTES: usize = 1_024;

pub(crate) struct CreateAcls;

impl Api for CreateAcls {
    const KEY: i16 = 30;
    const NAME: &'static str = "CreateAcls";
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    type Request = CreateAclsRequest;
    type Response = CreateAclsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: CreateAclsRequest) -> Result<CreateAclsResponse, Refusal> {
        let creating = node.blocking(move |node| create(node, &request.creations));
        let results = creating.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(CreateAclsResponse::default().with_results(results))
    }
}

type Fault = (ResponseError, &'static str);

fn create(node: &Node, asked: &[AclCreation]) -> Vec<AclCreationResult> {
    let checked: Vec<Result<Binding, Fault>> = asked.iter().map(binding).collect();
    let stored = store(node, checked.iter().filter_map(|checked| checked.as_ref().ok().cloned()).collect());
    let results = checked.into_iter().map(|checked| {
        let outcome = if stored == Err(NO_ACLS) { stored } else { checked.map(drop).and(stored) };
        match outcome {
            Ok(()) => AclCreationResult::default(),
            Err((error, reason)) => AclCreationResult::default().with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    results.collect()
}

const NO_ACLS: Fault = (ResponseError::SecurityDisabled, DISABLED);

fn store(node: &Node, bindings: Vec<Binding>) -> Result<(), Fault> {
    let Some(acls) = &node.security.acls else { return Err(NO_ACLS) };
    if acls.count() + bindings.len() > node.config.limits.max_acls {
        return Err((ResponseError::PolicyViolation, "this broker has as many ACLs as its limit allows (max_acls)"));
    }
    acls.add(bindings).map_err(|error| {
        tracing::error!(%error, "the ACLs could not be written");
        (ResponseError::KafkaStorageError, "the ACLs could not be written to disk")
    })
}

fn binding(asked: &AclCreation) -> Result<Binding, Fault> {
    let invalid = |reason| (ResponseError::InvalidRequest, reason);
    let resource = ResourceType::from_code(asked.resource_type).ok_or(invalid("an ACL is about one type of resource"))?;
    let pattern = PatternType::from_code(asked.resource_pattern_type).ok_or(invalid("a pattern is LITERAL or PREFIXED"))?;
    let operation = Operation::from_code(asked.operation).ok_or(invalid("an ACL is about one operation, or ALL"))?;
    let permission = Permission::from_code(asked.permission_type).ok_or(invalid("an ACL is ALLOW or DENY"))?;
    let texts = [&asked.resource_name, &asked.principal, &asked.host];
    if texts.iter().any(|text| text.is_empty() || text.len() > MAX_TEXT_BYTES) {
        return Err(invalid("name, principal and host of an ACL have 1 to 1,024 bytes"));
    }
    if resource == ResourceType::Cluster && asked.resource_name.as_str() != CLUSTER {
        return Err(invalid("the only resource of type Cluster is called kafka-cluster"));
    }
    if asked.principal.split_once(':').is_none_or(|(kind, name)| kind.is_empty() || name.is_empty()) {
        return Err(invalid("a principal has the form User:name"));
    }
    Ok(Binding {
        resource,
        pattern,
        name: asked.resource_name.to_string(),
        principal: asked.principal.to_string(),
        host: asked.host.to_string(),
        operation,
        permission,
    })
}

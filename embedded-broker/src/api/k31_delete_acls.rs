//! DeleteAcls: 1-3. Removes the ACL bindings that filters find, and says which these were (KIP-140).
//!
//! - All good filters work together, on disk first. While nobody must log in: SECURITY_DISABLED.
//! - 1: prefixed patterns and MATCH (KIP-290). 3: resources of type User (KIP-373).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k29_describe_acls::DISABLED;
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::delete_acls_request::DeleteAclsFilter;
use crate::codec::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use crate::codec::messages::{DeleteAclsRequest, DeleteAclsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{Binding, Filter};

pub(crate) struct DeleteAcls;

impl Api for DeleteAcls {
    const KEY: i16 = 31;
    const NAME: &'static str = "DeleteAcls";
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    type Request = DeleteAclsRequest;
    type Response = DeleteAclsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: DeleteAclsRequest) -> Result<DeleteAclsResponse, Refusal> {
        let deleting = node.blocking(move |node| delete(node, request.filters));
        let results = deleting.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(DeleteAclsResponse::default().with_filter_results(results))
    }
}

fn delete(node: &Node, asked: Vec<DeleteAclsFilter>) -> Vec<DeleteAclsFilterResult> {
    let failed = |error: ResponseError, reason: &str| {
        DeleteAclsFilterResult::default().with_error_code(error.code()).with_error_message(Some(text(reason)))
    };
    let Some(acls) = &node.security.acls else {
        return vec![failed(ResponseError::SecurityDisabled, DISABLED); asked.len()];
    };
    let filters: Vec<Filter> = asked.into_iter().map(filter).collect();
    let valid: Vec<Filter> = filters.iter().filter(|filter| filter.is_valid()).cloned().collect();
    let removed = match acls.remove(&valid) {
        Ok(removed) => removed,
        Err(error) => {
            tracing::error!(%error, "the ACLs could not be written");
            return vec![failed(ResponseError::KafkaStorageError, "the ACLs could not be written to disk"); filters.len()];
        }
    };
    let mut removed = removed.into_iter();
    let results = filters.iter().map(|filter| {
        if !filter.is_valid() {
            return failed(ResponseError::InvalidRequest, "the filter has a type, operation or permission that does not exist");
        }
        let matching = removed.next().unwrap_or_default().into_iter().map(matching).collect();
        DeleteAclsFilterResult::default().with_matching_acls(matching)
    });
    results.collect()
}

fn filter(asked: DeleteAclsFilter) -> Filter {
    Filter {
        resource: asked.resource_type_filter,
        pattern: asked.pattern_type_filter,
        name: asked.resource_name_filter.map(|text| text.to_string()),
        principal: asked.principal_filter.map(|text| text.to_string()),
        host: asked.host_filter.map(|text| text.to_string()),
        operation: asked.operation,
        permission: asked.permission_type,
    }
}

fn matching(binding: Binding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_resource_type(binding.resource.code())
        .with_resource_name(text(binding.name))
        .with_pattern_type(binding.pattern.code())
        .with_principal(text(binding.principal))
        .with_host(text(binding.host))
        .with_operation(binding.operation.code())
        .with_permission_type(binding.permission.code())
}

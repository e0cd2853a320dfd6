//! DescribeAcls: 1-3. The ACL bindings that a filter finds (KIP-140).
//!
//! - While nobody must log in there are no ACLs: SECURITY_DISABLED.
//! - 1: prefixed patterns, and MATCH, which finds what decides about a name (KIP-290). 3: resources of type User (KIP-373).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use crate::codec::messages::{DescribeAclsRequest, DescribeAclsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::{Binding, Filter};

pub(super) const DISABLED: &str = "there are no ACLs, for no listener of this broker wants a login";

pub(crate) struct DescribeAcls;

impl Api for DescribeAcls {
    const KEY: i16 = 29;
    const NAME: &'static str = "DescribeAcls";
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    type Request = DescribeAclsRequest;
    type Response = DescribeAclsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: DescribeAclsRequest) -> Result<DescribeAclsResponse, Refusal> {
        let failed = |error: ResponseError, reason: &str| {
            Ok(DescribeAclsResponse::default().with_error_code(error.code()).with_error_message(Some(text(reason))))
        };
        let Some(acls) = &node.security.acls else { return failed(ResponseError::SecurityDisabled, DISABLED) };
        let filter = Filter {
            resource: request.resource_type_filter,
            pattern: request.pattern_type_filter,
            name: request.resource_name_filter.map(|text| text.to_string()),
            principal: request.principal_filter.map(|text| text.to_string()),
            host: request.host_filter.map(|text| text.to_string()),
            operation: request.operation,
            permission: request.permission_type,
        };
        if !filter.is_valid() {
            return failed(ResponseError::InvalidRequest, "the filter has a type, operation or permission that does not exist");
        }
        Ok(DescribeAclsResponse::default().with_resources(resources(acls.find(&filter))))
    }
}

/// Bindings by the pattern they are about.
fn resources(bindings: Vec<Binding>) -> Vec<DescribeAclsResource> {
    let mut by_pattern: BTreeMap<(i8, i8, String), Vec<AclDescription>> = BTreeMap::new();
    for binding in bindings {
        let description = AclDescription::default()
            .with_principal(text(binding.principal))
            .with_host(text(binding.host))
            .with_operation(binding.operation.code())
            .with_permission_type(binding.permission.code());
        by_pattern.entry((binding.resource.code(), binding.pattern.code(), binding.name)).or_default().push(description);
    }
    let resources = by_pattern.into_iter().map(|((resource, pattern, name), acls)| {
        DescribeAclsResource::default()
            .with_resource_type(resource)
            .with_pattern_type(pattern)
            .with_resource_name(text(name))
            .with_acls(acls)
    });
    resources.collect()
}

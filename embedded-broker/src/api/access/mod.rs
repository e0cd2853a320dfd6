//! What a client must be allowed for each request, and what it is told when it is not (Kafka's table of operations per API).
//!
//! A gate stands before the API: it takes out of the request what is not allowed, lets the API answer the rest, and puts into that answer
//! what was taken out, with Kafka's error. So the APIs themselves know nothing of access. There is one gate per request type, in the files
//! below; they are asked only when someone must log in, and not for super users.

mod cluster;
mod data;
mod groups;
mod topics;
mod transactions;

use std::sync::Arc;

use uuid::Uuid;

use super::RequestContext;
use super::throttle::Account;
use crate::codec::ResponseError;
use crate::faults::Probe;
use crate::node::Node;
use crate::security::{CLUSTER, Operation, ResourceType};

/// A request with a gate before it.
pub(crate) trait Gated<R> {
    /// Takes out what the caller is not allowed.
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<R>;

    /// Takes out what the client's quota does not allow now. `None`: nothing is to be told.
    fn meter(&mut self, _account: &mut Account) -> Option<Change<R>> {
        None
    }
}

/// What is done to an answer.
pub(crate) type Change<R> = Box<dyn FnOnce(&mut R) + Send>;

/// What becomes of a request.
pub(crate) enum Gate<R> {
    /// It is answered as it now is.
    Open,
    /// The same, and then this is done to the answer.
    Then(Change<R>),
    /// This is the answer.
    Answer(R),
    /// There is no answer that could tell: the connection ends.
    Close(String),
}

impl<R> Gate<R> {
    fn then(change: impl FnOnce(&mut R) + Send + 'static) -> Self {
        Self::Then(Box::new(change))
    }

    /// Open, or this answer.
    fn when(is_allowed: bool, refusal: impl FnOnce() -> R) -> Self {
        if is_allowed { Self::Open } else { Self::Answer(refusal()) }
    }
}

/// A client that ACLs apply to.
pub(crate) struct Caller {
    node: Arc<Node>,
    principal: String,
    host: String,
    version: i16,
    /// Asked in place of the ACLs (fault switches).
    probe: Option<Arc<Probe>>,
}

impl Caller {
    /// `None`: whoever asks may do everything, for there are no ACLs, or he stands above them.
    pub(crate) fn restricted(node: &Arc<Node>, context: &RequestContext) -> Option<Arc<Self>> {
        let acls = node.security.acls.as_ref()?;
        let principal = context.session.principal().to_string();
        if acls.is_super_user(&principal) {
            return None;
        }
        let host = context.session.client_host.to_string();
        Some(Arc::new(Self { node: Arc::clone(node), principal, host, version: context.version, probe: None }))
    }

    /// A client whose permissions are the probe's.
    pub(crate) fn probed(node: &Arc<Node>, context: &RequestContext, probe: Arc<Probe>) -> Arc<Self> {
        let (principal, host) = (String::new(), String::new());
        Arc::new(Self { node: Arc::clone(node), principal, host, version: context.version, probe: Some(probe) })
    }

    fn may(&self, operation: Operation, resource: ResourceType, name: &str) -> bool {
        if let Some(probe) = &self.probe {
            return probe.may(resource, name);
        }
        let acls = self.node.security.acls.as_ref();
        acls.is_some_and(|acls| acls.is_allowed(&self.principal, &self.host, operation, resource, name))
    }

    fn may_cluster(&self, operation: Operation) -> bool {
        self.may(operation, ResourceType::Cluster, CLUSTER)
    }

    fn may_group(&self, operation: Operation, group_id: &str) -> bool {
        self.may(operation, ResourceType::Group, group_id)
    }

    fn may_transactional_id(&self, operation: Operation, transactional_id: &str) -> bool {
        self.may(operation, ResourceType::TransactionalId, transactional_id)
    }

    fn may_topic(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, ResourceType::Topic, name)
    }

    /// By name, or by id when there is one (KIP-516). What an id does not find is left to the API to say.
    fn may_topic_by(&self, operation: Operation, name: &str, id: Uuid) -> bool {
        if id.is_nil() {
            return self.may_topic(operation, name);
        }
        self.node.topics.get_by_id(id).is_none_or(|topic| self.may_topic(operation, &topic.name))
    }

    fn may_some_topic(&self, operation: Operation) -> bool {
        let acls = self.node.security.acls.as_ref();
        acls.is_some_and(|acls| acls.is_allowed_somewhere(&self.principal, &self.host, operation, ResourceType::Topic))
    }

    /// What he may do to a resource, as bits (KIP-430).
    fn operations(&self, resource: ResourceType, name: &str) -> i32 {
        let allowed = Operation::of(resource).iter().filter(|operation| self.may(**operation, resource, name));
        allowed.map(|operation| 1 << operation.code()).sum()
    }
}

/// Takes out of a list what is not allowed.
fn take_denied<T>(list: &mut Vec<T>, mut is_allowed: impl FnMut(&T) -> bool) -> Vec<T> {
    list.extract_if(.., |entry| !is_allowed(entry)).collect()
}

const TOPIC_DENIED: i16 = ResponseError::TopicAuthorizationFailed.code();
const GROUP_DENIED: i16 = ResponseError::GroupAuthorizationFailed.code();
const CLUSTER_DENIED: i16 = ResponseError::ClusterAuthorizationFailed.code();
const TRANSACTIONAL_ID_DENIED: i16 = ResponseError::TransactionalIdAuthorizationFailed.code();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::shared::{CLUSTER_OPERATIONS, GROUP_OPERATIONS, TOPIC_OPERATIONS};

    /// Who may do everything is told the same, with ACLs and without.
    #[test]
    fn all_operations_are_the_bits_told_without_acls() {
        let all = |resource| Operation::of(resource).iter().map(|operation| 1 << operation.code()).sum::<i32>();
        let told = [TOPIC_OPERATIONS, GROUP_OPERATIONS, CLUSTER_OPERATIONS];
        assert_eq!([ResourceType::Topic, ResourceType::Group, ResourceType::Cluster].map(all), told);
    }
}

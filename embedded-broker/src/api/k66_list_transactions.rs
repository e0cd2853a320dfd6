//! ListTransactions: 0-2. All transactional ids with their newest transactions, by state, producer, duration (1, KIP-994) or pattern of the
//! id (2, KIP-1152).
//!
//! - A state that is not known is named in the answer and matches nothing. A pattern that is no regular expression is
//!   INVALID_REGULAR_EXPRESSION; it must match the whole id.

use std::ops::RangeInclusive;
use std::sync::Arc;

use regex::Regex;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::list_transactions_response::TransactionState;
use crate::codec::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId};
use crate::codec::{ResponseError, StrBytes, text};
use crate::coordinator::transaction::{Phase, Transaction};
use crate::node::Node;

pub(crate) struct ListTransactions;

impl Api for ListTransactions {
    const KEY: i16 = 66;
    const NAME: &'static str = "ListTransactions";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = ListTransactionsRequest;
    type Response = ListTransactionsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: ListTransactionsRequest,
    ) -> Result<ListTransactionsResponse, Refusal> {
        let response = ListTransactionsResponse::default();
        let pattern = match request.transactional_id_pattern.as_ref().filter(|pattern| !pattern.is_empty()).map(whole).transpose() {
            Ok(pattern) => pattern,
            Err(_) => return Ok(response.with_error_code(ResponseError::InvalidRegularExpression.code())),
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            request.state_filters.iter().partition(|name| Phase::ALL.iter().any(|phase| phase.name() == name.as_str()));
        let now_ms = node.clock().now_ms();
        let is_wanted = |id: &str, transaction: &Transaction| {
            let by_state = request.state_filters.is_empty() || known.iter().any(|name| name.as_str() == transaction.phase.name());
            let ids = &request.producer_id_filters;
            let by_producer = ids.is_empty() || ids.contains(&ProducerId(transaction.producer.producer_id));
            let runs_for_ms = if transaction.started_ms < 0 { -1 } else { now_ms.saturating_sub(transaction.started_ms) };
            let by_duration = request.duration_filter < 0 || runs_for_ms > request.duration_filter;
            by_state && by_producer && by_duration && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
        };
        let states = node.transactions.read(|state| {
            let wanted = state.iter().filter(|(id, transaction)| is_wanted(id, transaction));
            let listed = wanted.map(|(id, transaction)| {
                TransactionState::default()
                    .with_transactional_id(TransactionalId(text(&**id)))
                    .with_producer_id(ProducerId(transaction.producer.producer_id))
                    .with_transaction_state(text(transaction.phase.name()))
            });
            listed.collect()
        });
        Ok(response.with_transaction_states(states).with_unknown_state_filters(unknown.into_iter().cloned().collect()))
    }
}

/// Patterns are bounded in size by the crate, in length by the frame, and run in linear time.
fn whole(pattern: &StrBytes) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{})$", pattern.as_str()))
}

//! EndTxn: 0-5. Commits or aborts a transaction. When it is answered every partition has its marker, unless the disk refused; then the broker
//! goes on trying.
//!
//! - 5 (KIP-890): the epoch rises with the end and is told to the client, so nothing of this transaction can reach the next one; an abort of
//!   a transaction that nothing was added to is granted. Before 5 the epoch stays.
//! - 2: PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, producer_error};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{EndTxnRequest, EndTxnResponse, ProducerId};
use crate::coordinator::transaction::{Command, Reply};
use crate::log::ProducerEpoch;
use crate::node::Node;

/// The first version that knows PRODUCER_FENCED.
const FIRST_WITH_FENCED: i16 = 2;
/// The first version of transaction version 2.
const FIRST_RAISING_EPOCH: i16 = 5;

pub(crate) struct EndTxn;

impl Api for EndTxn {
    const KEY: i16 = 26;
    const NAME: &'static str = "EndTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = EndTxnRequest;
    type Response = EndTxnResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: EndTxnRequest) -> Result<EndTxnResponse, Refusal> {
        let ending = node.blocking(move |node| {
            let producer = ProducerEpoch { producer_id: request.producer_id.0, epoch: request.producer_epoch };
            let client_version = if context.version >= FIRST_RAISING_EPOCH { 2 } else { 0 };
            let command = Command::End { producer, is_commit: request.committed, client_version };
            let response = EndTxnResponse::default();
            match node.transactions.ask(&shared::transactional_id(&request.transactional_id), command) {
                Ok(Reply::Producer(producer)) if client_version == 2 => {
                    response.with_producer_id(ProducerId(producer.producer_id)).with_producer_epoch(producer.epoch)
                }
                Ok(_) => response,
                Err(error) => response.with_error_code(producer_error(error, context.version, FIRST_WITH_FENCED).code()),
            }
        });
        ending.await.map_err(|stopping| Refusal::Close(stopping.to_string()))
    }
}

//! InitProducerId: 0-5. A producer id that nobody had before, for idempotent producing (KIP-98); with a transactional id, the id's own producer
//! under a new epoch, which shuts out every earlier incarnation.
//!
//! - A transaction that an earlier incarnation left open is aborted first, before the answer.
//! - 3: a producer that lost track asks with its id and epoch (KIP-360); one that is not the newest is fenced. Without a transactional id it
//!   gets a new id. 4: PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH. Left out: 6, two-phase commit (KIP-939).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::producer_error;
use super::{Api, Refusal, RequestContext};
use crate::codec::ResponseError;
use crate::codec::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use crate::coordinator::transaction::{Command, Reply};
use crate::log::ProducerEpoch;
use crate::node::Node;

/// The first version that knows PRODUCER_FENCED.
const FIRST_WITH_FENCED: i16 = 4;

/// What the key of a record of `__transaction_state` can hold.
const ID_BYTES_MAX: usize = i16::MAX as usize;

pub(crate) struct InitProducerId;

impl Api for InitProducerId {
    const KEY: i16 = 22;
    const NAME: &'static str = "InitProducerId";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, Refusal> {
        let initing = node.blocking(move |node| init(node, &request));
        let answer = initing.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        let response = InitProducerIdResponse::default();
        Ok(match answer {
            Ok(producer) => response.with_producer_id(ProducerId(producer.producer_id)).with_producer_epoch(producer.epoch),
            Err(error) => {
                let error = producer_error(error, context.version, FIRST_WITH_FENCED);
                response.with_producer_id(ProducerId(-1)).with_producer_epoch(-1).with_error_code(error.code())
            }
        })
    }
}

fn init(node: &Node, request: &InitProducerIdRequest) -> Result<ProducerEpoch, ResponseError> {
    let Some(id) = &request.transactional_id else {
        let id = node.producer_ids.next().map_err(|error| {
            tracing::error!(%error, "no producer id could be taken from the disk");
            ResponseError::KafkaStorageError
        })?;
        return Ok(ProducerEpoch { producer_id: id, epoch: 0 });
    };
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(ResponseError::InvalidRequest);
    }
    let given = ProducerEpoch { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let expected = match (given.producer_id >= 0, given.epoch >= 0) {
        (false, false) => None,
        (true, true) => Some(given),
        _ => return Err(ResponseError::InvalidRequest),
    };
    match node.transactions.ask(&id.as_str().into(), Command::Init { timeout_ms: request.transaction_timeout_ms, expected })? {
        Reply::Producer(producer) => Ok(producer),
        Reply::Done | Reply::AbortedFirst => Err(ResponseError::UnknownServerError),
    }
}

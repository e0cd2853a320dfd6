//! InitProducerId: 0-5. A producer id that nobody had before, for idempotent producing (KIP-98).
//!
//! - 3: a producer that lost track asks with its old id (KIP-360) and gets a new one, as from Kafka when it has no transactional id.
//! - Left out: transactions. A transactional id is answered with INVALID_REQUEST, which clients treat as fatal and report.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::ResponseError;
use crate::codec::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use crate::node::Node;

pub(crate) struct InitProducerId;

impl Api for InitProducerId {
    const KEY: i16 = 22;
    const NAME: &'static str = "InitProducerId";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, Refusal> {
        let failed = |error: ResponseError| {
            let none = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
            Ok(none.with_error_code(error.code()))
        };
        if let Some(transactional_id) = request.transactional_id {
            tracing::warn!(
                transactional_id = transactional_id.as_str(),
                "a client asked for transactions, which this broker does not support yet"
            );
            return failed(ResponseError::InvalidRequest);
        }
        let taking = node.blocking(|node| node.producer_ids.next());
        match taking.await.map_err(|stopping| Refusal::Close(stopping.to_string()))? {
            Ok(id) => Ok(InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0)),
            Err(error) => {
                tracing::error!(%error, "no producer id could be taken from the disk");
                failed(ResponseError::KafkaStorageError)
            }
        }
    }
}

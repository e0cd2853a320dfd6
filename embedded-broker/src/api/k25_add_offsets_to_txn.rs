//! AddOffsetsToTxn: 0-4. A transaction will store offsets of this group (KIP-98): the group's partition of `__consumer_offsets` is added.
//!
//! - 2: PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH. Clients of transaction version 2 do not ask: TxnOffsetCommit adds (KIP-890).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, producer_error};
use super::{Api, Refusal, RequestContext};
use crate::codec::error_code;
use crate::codec::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use crate::coordinator::transaction::Command;
use crate::log::ProducerEpoch;
use crate::node::Node;

/// The first version that knows PRODUCER_FENCED.
const FIRST_WITH_FENCED: i16 = 2;
/// The transaction version of clients that add by asking.
const CLIENT_VERSION: i16 = 0;

pub(crate) struct AddOffsetsToTxn;

impl Api for AddOffsetsToTxn {
    const KEY: i16 = 25;
    const NAME: &'static str = "AddOffsetsToTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Request = AddOffsetsToTxnRequest;
    type Response = AddOffsetsToTxnResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: AddOffsetsToTxnRequest,
    ) -> Result<AddOffsetsToTxnResponse, Refusal> {
        let adding = node.blocking(move |node| {
            let producer = ProducerEpoch { producer_id: request.producer_id.0, epoch: request.producer_epoch };
            let partitions = vec![node.transactions.offsets_partition(&request.group_id)];
            let command = Command::Add { producer, partitions, client_version: CLIENT_VERSION };
            let error = node.transactions.ask(&shared::transactional_id(&request.transactional_id), command).err();
            let error = error.map(|error| producer_error(error, context.version, FIRST_WITH_FENCED));
            AddOffsetsToTxnResponse::default().with_error_code(error_code(error))
        });
        adding.await.map_err(|stopping| Refusal::Close(stopping.to_string()))
    }
}

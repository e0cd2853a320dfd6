//! The only place that names librdkafka's binding. What the rest sees are plain types.

mod admin;
mod connection;
mod error;
mod group_consumer;
mod log_dirs;
mod producer;
mod reader;
mod sys;
mod task_consumer;
mod transaction;

pub use admin::{Admin, Metadata, PartitionMetadata, TopicMetadata};
pub use connection::Connection;
pub use error::ClientError;
pub use group_consumer::{Assignment, GroupConsumer, GroupEvent};
pub use log_dirs::{LogDirs, read_log_dirs};
pub use producer::{Delivery, Full, OutgoingRecord, Producer};
pub use reader::{IncomingRecord, Reader, ReaderEvent};
pub use sys::{DescribedGroups, GroupDescription, GroupListing, GroupOffset, ListedOffset, MemberDescription, OffsetSpec};
pub use task_consumer::{Assignor, Committed, GroupProtocol, TaskConsumer, TaskEvent};
pub use transaction::TransactionError;

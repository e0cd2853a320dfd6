//! Names of users, items and what they do, each its own type.

use crate::{ids::text_id, pipelines::shape::text_key};

text_id!(
    /// A user's name, also the key of events.
    UserId
);
text_id!(
    /// An item's name, as the catalogue has it; empty where an event is about none.
    ItemId
);
text_id!(
    /// The name of a click on an advertisement, unique within a run.
    ClickId
);
text_id!(
    /// A purchase's name: its event's.
    PurchaseId
);
text_id!(
    /// The shop's own name of a visit.
    VisitId
);

text_key!(UserId, ItemId, ClickId, PurchaseId, VisitId);

//! Names of viewers, what they watch and where, and what becomes of it, each its own type.

use crate::ids::text_id;

text_id!(
    /// A viewer's name; empty where nobody is meant.
    ViewerId
);
text_id!(
    /// The name of a viewing session.
    SessionId
);
text_id!(
    /// The name of what is watched: a title, or what is live in a room.
    VideoId
);
text_id!(
    /// A live room's name; empty where no room is meant.
    RoomId
);
text_id!(
    /// The name of a message in a live room, unique within a run.
    MessageId
);
text_id!(
    /// The name of an advertiser's order.
    CampaignId
);
text_id!(
    /// The name of a request for an ad, by which its decision and all that is told of the ad are known; empty where nobody asks.
    RequestId
);
text_id!(
    /// An incident's name.
    IncidentId
);

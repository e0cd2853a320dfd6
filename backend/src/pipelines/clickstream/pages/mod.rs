//! The most viewed pages, in windows that hop.
//!
//! A page that everybody opens is a hot key, so it is counted in two stages. Each partition of the events, whose users are spread by hash,
//! counts by itself in panes of one hop ([`count`]); the sums alone are sent to one place, a record or a few for each pane, and there become
//! windows ([`top`]). Counts are exact up to [`super::settings::PAGES_EXACT_MAX`] pages a pane, beyond that approximate with a bound ([`sketch`]).

mod count;
mod sketch;
mod top;

use std::sync::Arc;

pub use count::name_of as page_name;

use super::{
    ids::UserId,
    records::{Event, PageStats},
    sabotage::Sabotage,
    settings::Windows,
};
use crate::stream::Stream;

/// The most viewed pages of a run's events.
pub(super) fn most_viewed(
    events: &Stream<UserId, Event>,
    run: &Arc<str>,
    windows: Windows,
    sabotage: Option<Sabotage>,
) -> Stream<String, PageStats> {
    let (run, all_of, windows) = (Arc::clone(run), Arc::clone(run), windows.pages);
    let is_newest_pane_alone = sabotage == Some(Sabotage::ForgetPanes);
    let parts = events.process("page_panes", count::store(), None, |store| count::Panes { run, windows, store });
    parts.process("top_pages", top::store(), None, |store| top::TopPages { run: all_of, windows, store, is_newest_pane_alone })
}

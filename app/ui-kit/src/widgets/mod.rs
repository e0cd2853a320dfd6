//! Small parts that screens are made of. Each has an accessible name, as tests check.

mod button;
mod card;
mod feed;
mod field;
mod incident;
mod state;
mod text;
mod tile;
mod toast;

pub use button::{copy_button, danger_button, icon_button, link, primary_button, secondary_button, secondary_button_if, segmented};
pub use card::{card, key_value, section, toolbar};
pub use feed::{FeedEntry, feed};
pub use field::{copy_field, labelled_field, rate_slider, search_field};
pub use incident::{Incident, incident};
pub use state::{Failure, empty_state, error_state, partial_bar, skeleton};
pub use text::{Tone, badge, badge_button, code, icon_text, mono, status_dot, strong, subdued, title};
pub use tile::{StatTile, sparkline};
pub use toast::{Toast, ToastKind, toasts};

//! A row of a table by the names of its columns.

use std::borrow::Cow;

use super::mapping::Fields;
use crate::pipelines::given::is_same_name;

/// A row with the header's names.
pub(super) struct Row<'a> {
    pub(super) columns: &'a [String],
    pub(super) values: &'a [String],
}

impl Fields for Row<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let at = self.columns.iter().position(|column| is_same_name(column, name))?;
        self.values.get(at).map(|value| value.trim()).filter(|value| !value.is_empty()).map(Cow::Borrowed)
    }
}

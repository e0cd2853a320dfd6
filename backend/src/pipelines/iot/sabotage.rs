//! Ways to break the processing on purpose: for each, the check that must turn red.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Readings that were sent twice count twice.
    CountTwice,
    /// What comes after the grace changes no roll-up.
    DropLate,
    /// Readings count where their device belongs by now.
    CurrentGroup,
    /// Of a device's window, the newest reading alone counts.
    KeepNewest,
    /// What fills a gap is not noted.
    NeverFill,
    /// The twin takes what came last for the newest.
    LastWriteWins,
    /// Nothing is an anomaly.
    SleepThrough,
    /// Almost everything is.
    Jumpy,
    /// No valve is ever opened.
    NoIrrigation,
    /// Commands name a device that does not exist.
    Misaddress,
}

impl Sabotage {
    /// Each with its name and the check that it must turn red.
    pub const ALL: [(Self, &str, &str); 10] = [
        (Self::CountTwice, "count_twice", "rollups_equal_batch"),
        (Self::DropLate, "drop_late", "rollups_equal_batch"),
        (Self::CurrentGroup, "current_group", "rollups_equal_batch"),
        (Self::KeepNewest, "keep_newest", "downsampled_equal_batch"),
        (Self::NeverFill, "never_fill", "gaps_closed"),
        (Self::LastWriteWins, "last_write_wins", "device_order"),
        (Self::SleepThrough, "sleep_through", "anomalies_found"),
        (Self::Jumpy, "jumpy", "anomalies_found"),
        (Self::NoIrrigation, "no_irrigation", "moisture_in_band"),
        (Self::Misaddress, "misaddress", "commands_acked"),
    ];

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(sabotage, ..)| *sabotage)
    }
}

//! Time as a parameter, so that tests own it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Where the broker takes the time from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970-01-01 UTC, as Kafka writes time.
    fn now_ms(&self) -> i64;

    /// Milliseconds since some moment in the past. Never goes back and never jumps, as [`Self::now_ms`] does when someone sets the machine's
    /// clock: what lapses after a time is counted by this one.
    fn monotonic_ms(&self) -> i64 {
        self.now_ms()
    }

    /// Ends once this clock has moved on by `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        as_ms(since_epoch)
    }

    fn monotonic_ms(&self) -> i64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        as_ms(START.elapsed())
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: watch::Sender<i64>,
}

impl ManualClock {
    /// A clock that stands at `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms: watch::Sender::new(now_ms) }
    }

    /// Moves the clock and wakes who slept until then.
    pub fn advance(&self, duration: Duration) {
        self.now_ms.send_modify(|now_ms| *now_ms = now_ms.saturating_add(as_ms(duration)));
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        *self.now_ms.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut now_ms = self.now_ms.subscribe();
        let until_ms = self.now_ms().saturating_add(as_ms(duration));
        Box::pin(async move {
            // The clock lives as long as the broker; if it is gone there is nobody left to wake.
            let _ = now_ms.wait_for(|now_ms| *now_ms >= until_ms).await;
        })
    }
}

fn as_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

//! The two ways in which a terminal or a supervisor asks a program to end.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

use weir_model::Problem;

/// Whether the program was asked to end: SIGINT or SIGTERM, Ctrl-C elsewhere. Clones share one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndAsked {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl EndAsked {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Problem> {
        let asked = Self::default();
        let told = asked.clone();
        let listened = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
            // The handlers are in place before this function returns: a signal that comes at once is not lost.
            let signal = runtime.block_on(async { next_signal() })?;
            thread::Builder::new().name("signals".to_owned()).spawn(move || {
                runtime.block_on(signal);
                told.set();
            })
        });
        match listened {
            Ok(_) => Ok(asked),
            Err(error) => Err(Problem::new(
                "Signals can't be listened for",
                error.to_string(),
                "The system is short of file descriptors or threads: close other programs, or raise the limits (ulimit -n, ulimit -u)",
            )),
        }
    }

    /// Whether it was asked.
    pub(crate) fn is_set(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is asked.
    pub(crate) fn wait(&self) {
        let asked = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _asked = self.shared.1.wait_while(asked, |asked| !*asked).unwrap_or_else(PoisonError::into_inner);
    }

    fn set(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }
}

#[cfg(unix)]
fn next_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn next_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // No signal can ever come; the program ends with its terminal.
            std::future::pending::<()>().await;
        }
    })
}

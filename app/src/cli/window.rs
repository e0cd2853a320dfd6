//! `weir` without a subcommand: the window, or the terminal where there is no display.

use std::sync::{Arc, OnceLock};

use weir_backend::Handle;

use super::{Failure, Globals};
use crate::{
    headless,
    hosts::window::{self, WindowOptions},
    panels::Command,
    shell::{Weir, settings::Settings},
};

/// Opens the window and returns when it is closed. Without a display it goes on in the terminal.
pub(super) fn run(globals: &Globals) -> Result<(), Failure> {
    let loaded = Settings::load(Settings::default_path());
    let options = WindowOptions { size: loaded.settings.window.size, is_maximized: loaded.settings.window.is_maximized };
    // The backend comes before the window, which it has to wake.
    let context: Arc<OnceLock<egui::Context>> = Arc::default();
    let to_wake = Arc::clone(&context);
    let wake = move || {
        if let Some(context) = to_wake.get() {
            context.request_repaint();
        }
    };
    let handle = Handle::start(globals.backend()?, wake)?;
    let cluster = globals.cluster();
    let opened = window::run(&options, move |ctx| {
        // Nobody else sets it.
        let _ = context.set(ctx.clone());
        let repaint = ctx.clone();
        let mut weir = Weir::new(handle, loaded, move || repaint.request_repaint());
        weir.push(Command::Connect(cluster));
        weir
    });
    match opened {
        Ok(()) => Ok(()),
        Err(error) => headless::run(globals, &error.problem()),
    }
}

//! Where the UI runs. The UI is one struct that knows no host: a window, a picture, a test and a bench all call the same two functions.

pub mod picture;
pub mod window;

/// What a host runs.
pub trait Screen {
    /// Takes in news and does what the last frame asked for. Paints nothing; also runs while the window is hidden.
    fn logic(&mut self, ctx: &egui::Context);

    /// Paints one frame.
    fn ui(&mut self, ui: &mut egui::Ui);

    /// The window closes: the last chance to keep something.
    fn close(&mut self) {}
}

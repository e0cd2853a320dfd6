//! The UI in a window of the desktop. What keeps a window from opening is told as the package to install, never as a panic.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use eframe::{NativeOptions, egui};
use weir_model::Problem;

use super::Screen;

/// The smallest window that still shows every panel whole.
const SIZE_MIN: egui::Vec2 = egui::vec2(640.0, 420.0);
/// The name desktops know the program by: window class on X11, app id on Wayland.
const APP_ID: &str = "weir";
/// The icon's edge in pixels.
const ICON_SIZE: u32 = 64;

/// Libraries that are loaded when the window opens, by the beginning of their file's name, and the Debian package that holds each.
/// The longest name that matches counts, so the order does not matter.
const LIBRARIES: &[(&str, &str)] = &[
    ("libEGL", "libegl1"),
    ("libGL", "libgl1"),
    ("libX11", "libx11-6"),
    ("libX11-xcb", "libx11-xcb1"),
    ("libXcursor", "libxcursor1"),
    ("libXi", "libxi6"),
    ("libXrandr", "libxrandr2"),
    ("libwayland-client", "libwayland-client0"),
    ("libwayland-egl", "libwayland-egl1"),
    ("libxkbcommon", "libxkbcommon0"),
    ("libxkbcommon-x11", "libxkbcommon-x11-0"),
];

/// Everything a window on X11 loads, to be installed in one go.
const X11_PACKAGES: &str = "libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0 libgl1";

/// Why there is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Neither X11 nor Wayland is there.
    #[error("there is no display: {0}")]
    NoDisplay(String),
    /// A library is missing.
    #[error("{library} is missing; on Debian and Ubuntu it is in the package {package}")]
    MissingLibrary {
        /// The beginning of its file's name.
        library: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// The display can't draw with OpenGL.
    #[error("the display offers no OpenGL: {0}")]
    NoOpenGl(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl WindowError {
    /// The failure as the user reads it.
    pub fn problem(&self) -> Problem {
        let what_to_do = match self {
            Self::NoDisplay(_) => "Start weir on a desktop, or reach this machine's display with ssh -X".to_owned(),
            Self::MissingLibrary { package, .. } => {
                format!("Install it: apt-get install {package} (all a window needs on X11: {X11_PACKAGES})")
            }
            Self::NoOpenGl(_) => "Install OpenGL, in software if need be: apt-get install libgl1 libgl1-mesa-dri".to_owned(),
            Self::Other(_) => "Start weir with -v for more, and report it".to_owned(),
        };
        Problem::new("The window can't be opened", self.to_string(), what_to_do)
    }

    /// From whatever winit, glutin or a panic on the way said.
    fn of(text: &str) -> Self {
        // winit puts the place in its own source before the reason.
        let text = text.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map_or(text, |(_, reason)| reason);
        let missing = LIBRARIES.iter().filter(|(library, _)| text.contains(library)).max_by_key(|(library, _)| library.len());
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match missing {
            // winit loads Wayland's client library and gives the same answer whether it is missing or nobody listens.
            Some((library, _)) if library.starts_with("libwayland") && !has(&["open", "load"]) => Self::NoDisplay(text.to_owned()),
            Some((library, package)) => Self::MissingLibrary { library, package },
            None if has(&["WAYLAND_DISPLAY", "DISPLAY", "XOpenDisplay", "NoCompositor", "Wayland compositor"]) => {
                Self::NoDisplay(text.to_owned())
            }
            None if has(&["glutin", "egui_glow", "OpenGL", "EGL", "GLX"]) => Self::NoOpenGl(text.to_owned()),
            None => Self::Other(text.to_owned()),
        }
    }
}

/// How the window opens.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowOptions {
    /// Width and height in points.
    pub size: [f32; 2],
    /// Whether it fills the desktop.
    pub is_maximized: bool,
}

/// Opens the window and returns when it is closed. `make` is called once there is a window, before its first frame; the context it gets
/// can be cloned into other threads to ask for a repaint.
///
/// # Errors
/// When there is no display, or a library it needs is missing.
pub fn run<S: Screen>(options: &WindowOptions, make: impl FnOnce(&egui::Context) -> S) -> Result<(), WindowError> {
    let native = NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Weir")
            .with_app_id(APP_ID)
            .with_icon(icon())
            .with_inner_size(options.size)
            .with_min_inner_size(SIZE_MIN)
            .with_maximized(options.is_maximized),
        // Flat colours only, so there is no banding to hide.
        dithering: false,
        ..NativeOptions::default()
    };
    let has_drawn = Arc::new(AtomicBool::new(false));
    let drawn = Arc::clone(&has_drawn);
    let create: eframe::AppCreator<'_> = Box::new(move |cc| {
        weir_ui_kit::theme::install(&cc.egui_ctx);
        Ok(Box::new(App { screen: make(&cc.egui_ctx), drawn }))
    });
    let start = || eframe::run_native(APP_ID, native, create);
    // A missing libxkbcommon-x11 is a panic in xkbcommon-dl. Until the first frame such a panic is an answer, and no bug to report.
    let reporter = Arc::new(panic::take_hook());
    panic::set_hook({
        let (reporter, drawn) = (Arc::clone(&reporter), Arc::clone(&has_drawn));
        Box::new(move |info| {
            let is_answer = !drawn.load(Ordering::Relaxed) && info.payload_as_str().is_some_and(|text| text.contains("libxkbcommon"));
            if !is_answer {
                reporter(info);
            }
        })
    });
    let outcome = catch_unwind(AssertUnwindSafe(start));
    panic::set_hook(Box::new(move |info| reporter(info)));
    match outcome {
        Ok(ended) => ended.map_err(|error| WindowError::of(&error.to_string())),
        Err(panic) if has_drawn.load(Ordering::Relaxed) => panic::resume_unwind(panic),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(WindowError::of(text.unwrap_or("no message")))
        }
    }
}

struct App<S> {
    screen: S,
    drawn: Arc<AtomicBool>,
}

impl<S: Screen> eframe::App for App<S> {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.screen.logic(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.drawn.store(true, Ordering::Relaxed);
        self.screen.ui(ui);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.screen.close();
    }
}

/// A low wall with water running over its crest, drawn here so that no picture has to be decoded at the start.
fn icon() -> egui::IconData {
    const GROUND: [u8; 4] = [22, 27, 34, 255];
    const WATER: [u8; 4] = [56, 189, 248, 255];
    const WALL: [u8; 4] = [148, 163, 184, 255];
    let pixel = |x: u32, y: u32| {
        let (x, y) = (x as f32 / ICON_SIZE as f32, y as f32 / ICON_SIZE as f32);
        let corner = egui::vec2((x - 0.5).abs() - 0.28, (y - 0.5).abs() - 0.28).max(egui::Vec2::ZERO).length();
        // The water stands high before the wall, bends over its crest, and runs off lower behind it.
        let surface = if x < 0.5 { 0.36 } else { 0.36 + 0.28 * ((x - 0.5) / 0.16).clamp(0.0, 1.0).powi(2) };
        match () {
            () if corner > 0.22 => [0; 4],
            () if (0.46..0.56).contains(&x) && y > 0.48 => WALL,
            () if y > surface => WATER,
            () => GROUND,
        }
    };
    let rgba = (0..ICON_SIZE).flat_map(|y| (0..ICON_SIZE).flat_map(move |x| pixel(x, y))).collect();
    egui::IconData { rgba, width: ICON_SIZE, height: ICON_SIZE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let check = |said: &str, expect: &str| {
            let problem = WindowError::of(said).problem();
            assert!(format!("{problem}").contains(expect), "{said}\n  gave {problem}");
        };
        check("winit EventLoopError: os error at x.rs:1: neither WAYLAND_DISPLAY nor WAYLAND_SOCKET nor DISPLAY is set.", "no display");
        check("winit EventLoopError: opening library failed (libX11.so.6: cannot open shared object file)", "apt-get install libx11-6 ");
        check("opening library failed (libX11-xcb.so.1: cannot open shared object file)", "apt-get install libx11-xcb1 ");
        check("Library libxkbcommon-x11.so could not be loaded.", "apt-get install libxkbcommon-x11-0 ");
        check("Library libxkbcommon.so could not be loaded.", "apt-get install libxkbcommon0 ");
        check("glutin error: libEGL.so.1: cannot open shared object file", "apt-get install libegl1 ");
        check("glutin error: provided display handle is not supported", "offers no OpenGL");
        check("egui_glow: OpenGL version 1.4 is too old", "offers no OpenGL");
        check("something new", "something new");
    }

    #[test]
    fn the_icon_is_whole() {
        let icon = icon();
        assert_eq!(icon.rgba.len(), (ICON_SIZE * ICON_SIZE * 4) as usize);
        assert!(icon.rgba.chunks(4).any(|pixel| pixel[3] == 0) && icon.rgba.chunks(4).any(|pixel| pixel[3] == 255));
    }
}

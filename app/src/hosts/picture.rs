//! The UI as a picture: no display, no GPU, the same bytes every time for the same news.

use std::time::Duration;

use egui::{Context, Pos2, RawInput, Rect, ViewportId, vec2};
use weir_ui_kit::{
    Theme, Tokens,
    raster::{Image, Renderer},
    theme,
};

use super::Screen;

/// Frames until the UI has to be at rest. Sizes settle in two or three, animations within a second of frames.
const FRAMES_MAX: usize = 60;
/// The clock's step between frames: short enough for animations to be followed, long enough for them to end soon.
const FRAME: Duration = Duration::from_millis(50);
/// A repaint asked for later than this is a clock, not an animation.
const REST: Duration = Duration::from_millis(150);
/// Pictures larger than this on either edge are a mistake.
pub const EDGE_MAX: u32 = 8_192;

/// What the picture is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureOptions {
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Dark or light.
    pub theme: Theme,
    /// Pixels for a point; 2.0 for dense displays.
    pub pixels_per_point: f32,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Nothing to draw on, or too much.
    #[error("a picture of {0}×{1} pixels can't be drawn; each edge has from 1 to {EDGE_MAX}")]
    Size(u32, u32),
    /// The PNG encoder failed.
    #[error("the picture can't be encoded: {0}")]
    Encode(#[from] png::EncodingError),
}

/// Makes a context with fonts and theme, as a window's.
pub fn context(options: &PictureOptions) -> Context {
    let ctx = Context::default();
    theme::install(&ctx);
    theme::apply(&ctx, options.theme);
    ctx
}

/// Runs frames until the UI rests, and returns the last one as a PNG.
///
/// # Errors
/// When the size is out of bounds or the encoder fails.
pub fn render(screen: &mut dyn Screen, ctx: &Context, options: &PictureOptions) -> Result<Vec<u8>, PictureError> {
    let [width, height] = options.size;
    if !(1..=EDGE_MAX).contains(&width) || !(1..=EDGE_MAX).contains(&height) {
        return Err(PictureError::Size(width, height));
    }
    encode(&draw(screen, ctx, options))
}

fn draw(screen: &mut dyn Screen, ctx: &Context, options: &PictureOptions) -> Image {
    let pixels = options.size.map(|edge| edge as usize);
    let background = Tokens::of(options.theme).background.app;
    let mut renderer = Renderer::new();
    let mut frame = 0;
    loop {
        let mut output = ctx.run_ui(input(options, frame, ctx.zoom_factor()), |ui| {
            screen.logic(ui.ctx());
            screen.ui(ui);
        });
        frame += 1;
        let again = output.viewport_output.get(&ViewportId::ROOT).map_or(Duration::MAX, |viewport| viewport.repaint_delay);
        // Two frames at least: the first measures what the second places.
        if frame >= FRAMES_MAX || (frame > 1 && again > REST) {
            return renderer.render(ctx, output, pixels, background);
        }
        renderer.take_textures(&mut output.textures_delta);
    }
}

fn input(options: &PictureOptions, frame: usize, zoom_factor: f32) -> RawInput {
    // Larger type leaves room for less of it.
    let [width, height] = options.size.map(|edge| edge as f32 / (options.pixels_per_point * zoom_factor));
    let mut input = RawInput {
        screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(width, height))),
        time: Some(frame as f64 * FRAME.as_secs_f64()),
        predicted_dt: FRAME.as_secs_f32(),
        focused: false,
        ..RawInput::default()
    };
    if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
        viewport.native_pixels_per_point = Some(options.pixels_per_point);
    }
    input
}

fn encode(image: &Image) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(image.width), u32::try_from(image.height));
    let mut encoder = png::Encoder::new(&mut bytes, width.unwrap_or(EDGE_MAX), height.unwrap_or(EDGE_MAX));
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.rgba)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hello {
        frames: usize,
    }

    impl Screen for Hello {
        fn logic(&mut self, _ctx: &Context) {
            self.frames += 1;
        }

        fn ui(&mut self, ui: &mut egui::Ui) {
            ui.heading("Weir");
            if self.frames < 5 {
                ui.ctx().request_repaint();
            }
        }
    }

    fn png(options: PictureOptions) -> Result<(Vec<u8>, usize), PictureError> {
        let mut screen = Hello { frames: 0 };
        render(&mut screen, &context(&options), &options).map(|bytes| (bytes, screen.frames))
    }

    #[test]
    fn pictures_are_drawn_at_rest_and_repeat_to_the_byte() {
        let options = PictureOptions { size: [320, 200], theme: Theme::Dark, pixels_per_point: 1.0 };
        let (first, frames) = png(options).unwrap();
        assert_eq!(&first[1..4], b"PNG");
        assert!((5..FRAMES_MAX).contains(&frames), "{frames} frames");
        assert_eq!(first, png(options).unwrap().0);
        assert_ne!(first, png(PictureOptions { theme: Theme::Light, ..options }).unwrap().0);
        assert!(png(PictureOptions { pixels_per_point: 2.0, ..options }).is_ok());
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        for size in [[0, 10], [10, 0], [EDGE_MAX + 1, 10]] {
            let options = PictureOptions { size, theme: Theme::Dark, pixels_per_point: 1.0 };
            assert!(matches!(png(options), Err(PictureError::Size(..))));
        }
    }

    /// Tells how wide the screen is that it was drawn on last.
    struct Zoomed(f32);

    impl Screen for Zoomed {
        fn logic(&mut self, ctx: &Context) {
            ctx.set_zoom_factor(2.0);
        }

        fn ui(&mut self, ui: &mut egui::Ui) {
            self.0 = ui.ctx().content_rect().width();
        }
    }

    #[test]
    fn larger_type_does_not_reach_over_the_edge() {
        let options = PictureOptions { size: [320, 200], theme: Theme::Dark, pixels_per_point: 1.0 };
        let mut screen = Zoomed(0.0);
        render(&mut screen, &context(&options), &options).unwrap();
        assert_eq!(screen.0, 160.0);
    }
}

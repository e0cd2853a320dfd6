//! Draws every widget with sample data into pictures: `cargo run -p weir-ui-kit --example gallery -- FOLDER [dark|light] [WIDTHxHEIGHT]`.

use std::{error::Error, fs::File, io::BufWriter, path::Path};

use egui::{CentralPanel, Context, Pos2, RawInput, Rect, vec2};
use weir_ui_kit::{
    Theme, Tokens,
    raster::{Image, Renderer},
    theme,
    widgets::{self, Toast, ToastKind},
};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Draw, PAGES, Page};

/// Frames until sizes and fades have settled.
const FRAMES: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    let theme = if arguments.next().as_deref() == Some("light") { Theme::Light } else { Theme::Dark };
    let size = arguments.next().unwrap_or_else(|| "1280x900".to_owned());
    let (width, height) = size.split_once('x').ok_or("a size is like 1280x900")?;
    let size = [width.parse()?, height.parse()?];
    for (name, draw) in PAGES {
        let path = Path::new(&folder).join(format!("gallery-{name}-{theme:?}.png").to_lowercase());
        write(&path, &picture(draw, theme, size))?;
    }
    Ok(())
}

fn picture(draw: Draw, theme: Theme, [width, height]: [usize; 2]) -> Image {
    let ctx = Context::default();
    theme::install(&ctx);
    theme::apply(&ctx, theme);
    let mut renderer = Renderer::new();
    let mut page = Page::default();
    let toasts = [
        Toast { kind: ToastKind::Success, title: "Topic created".into(), detail: "hello, 6 partitions".into(), expires_at_ms: None },
        Toast {
            kind: ToastKind::Error,
            title: "The record was not written".into(),
            detail: "Topic hello is read-only for this user.".into(),
            expires_at_ms: None,
        },
    ];
    let mut frame = 0;
    loop {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(width as f32, height as f32))),
            time: Some(frame as f64 * 0.05),
            ..RawInput::default()
        };
        let mut output = ctx.run_ui(input, |ui| {
            CentralPanel::default().show(ui, |ui| draw(ui, &mut page));
            widgets::toasts(ui.ctx(), &toasts);
        });
        frame += 1;
        if frame == FRAMES {
            return renderer.render(&ctx, output, [width, height], Tokens::of(theme).background.app);
        }
        renderer.take_textures(&mut output.textures_delta);
    }
}

fn write(path: &Path, image: &Image) -> Result<(), Box<dyn Error>> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), u32::try_from(image.width)?, u32::try_from(image.height)?);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.rgba)?;
    Ok(writer.finish()?)
}

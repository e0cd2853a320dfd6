//! Draws egui's triangles on the CPU: pictures without a display or a GPU, the same bytes every time.
//!
//! egui's colours are premultiplied and blended in gamma space, so a pixel is `source + destination × (1 − alpha)` in plain bytes.

use std::collections::HashMap;

use egui::{
    Color32, ColorImage, Context, FullOutput, ImageData, Mesh, Pos2, Rect, TextureId,
    epaint::{ClippedPrimitive, Primitive, Vertex, textures::TexturesDelta},
};

/// A picture: rows of RGBA, top left first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Four bytes a pixel.
    pub rgba: Vec<u8>,
}

/// Keeps textures from frame to frame.
#[derive(Default)]
pub struct Renderer {
    textures: HashMap<TextureId, ColorImage>,
}

impl Renderer {
    /// A renderer without textures; the first frame brings the fonts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a frame's textures without drawing, and leaves none. Every frame's output must be drawn or taken in, in order.
    pub fn take_textures(&mut self, delta: &mut TexturesDelta) {
        for (id, change) in delta.set.iter().flat_map(|(id, changes)| changes.iter().map(move |change| (id, change))) {
            let ImageData::Color(patch) = &change.image;
            match (change.pos, self.textures.get_mut(id)) {
                (Some([left, top]), Some(texture)) => copy(patch, texture, left, top),
                _ => {
                    self.textures.insert(*id, (**patch).clone());
                }
            }
        }
        for id in &delta.free {
            self.textures.remove(id);
        }
        delta.clear(); // egui takes offence at changes that nobody took in
    }

    /// Draws a frame of `width` × `height` pixels on a background.
    pub fn render(&mut self, ctx: &Context, mut output: FullOutput, [width, height]: [usize; 2], background: Color32) -> Image {
        let freed = std::mem::take(&mut output.textures_delta.free);
        self.take_textures(&mut output.textures_delta);
        let primitives = ctx.tessellate(output.shapes, output.pixels_per_point);
        let mut target = Target { width, height, pixels: vec![background; width * height] };
        for ClippedPrimitive { clip_rect, primitive } in &primitives {
            if let Primitive::Mesh(mesh) = primitive
                && let Some(texture) = self.textures.get(&mesh.texture_id)
            {
                target.mesh(mesh, texture, *clip_rect, output.pixels_per_point);
            }
        }
        for id in &freed {
            self.textures.remove(id);
        }
        Image { width, height, rgba: target.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b(), 255]).collect() }
    }
}

fn copy(patch: &ColorImage, into: &mut ColorImage, left: usize, top: usize) {
    let [width, height] = patch.size;
    for row in 0..height {
        let from = row * width;
        let to = (top + row) * into.size[0] + left;
        if let (Some(source), Some(target)) = (patch.pixels.get(from..from + width), into.pixels.get_mut(to..to + width)) {
            target.copy_from_slice(source);
        }
    }
}

struct Target {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

impl Target {
    fn mesh(&mut self, mesh: &Mesh, texture: &ColorImage, clip: Rect, pixels_per_point: f32) {
        let clip = Rect::from_min_max(
            (clip.min.to_vec2() * pixels_per_point).to_pos2().round(),
            (clip.max.to_vec2() * pixels_per_point).to_pos2().round(),
        );
        for corners in mesh.indices.chunks_exact(3) {
            let vertex = |at: usize| corners.get(at).and_then(|index| mesh.vertices.get(*index as usize));
            if let (Some(a), Some(b), Some(c)) = (vertex(0), vertex(1), vertex(2)) {
                self.triangle([a, b, c], texture, clip, pixels_per_point);
            }
        }
    }

    fn triangle(&mut self, corners: [&Vertex; 3], texture: &ColorImage, clip: Rect, pixels_per_point: f32) {
        let [a, b, c] = corners.map(|vertex| (vertex.pos.to_vec2() * pixels_per_point).to_pos2());
        let area = edge(a, b, c);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        let bounds = Rect::from_points(&[a, b, c]).intersect(clip);
        let columns = clamp(bounds.min.x.floor(), self.width)..clamp(bounds.max.x.ceil(), self.width);
        // One colour and one texel, as in fills: most pixels of a picture are such.
        let is_plain = corners[1].color == corners[0].color
            && corners[2].color == corners[0].color
            && corners[1].uv == corners[0].uv
            && corners[2].uv == corners[0].uv;
        let plain = is_plain.then(|| multiply(corners[0].color.to_array().map(f32::from), sample(texture, corners[0].uv)));
        for y in clamp(bounds.min.y.floor(), self.height)..clamp(bounds.max.y.ceil(), self.height) {
            for x in columns.clone() {
                let at = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
                if !clip.contains(at) {
                    continue;
                }
                let weights = [edge(b, c, at) / area, edge(c, a, at) / area, edge(a, b, at) / area];
                if !covers(weights, [(b, c), (c, a), (a, b)], area) {
                    continue;
                }
                let source = plain.unwrap_or_else(|| shade(corners, weights, texture));
                let pixel = &mut self.pixels[y * self.width + x];
                *pixel = blend(source, *pixel);
            }
        }
    }
}

/// Twice the signed area of a triangle.
fn edge(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Inside, or on an edge that is the triangle's own: of two triangles that share an edge, one draws its pixels (the top-left rule).
fn covers(weights: [f32; 3], edges: [(Pos2, Pos2); 3], area: f32) -> bool {
    weights.iter().zip(edges).all(|(weight, (from, to))| {
        let (from, to) = if area > 0.0 { (from, to) } else { (to, from) };
        let is_own = to.y < from.y || (to.y == from.y && to.x > from.x);
        *weight > 0.0 || (*weight == 0.0 && is_own)
    })
}

fn shade(corners: [&Vertex; 3], weights: [f32; 3], texture: &ColorImage) -> [f32; 4] {
    let mut color = [0.0; 4];
    let mut uv = egui::Vec2::ZERO;
    for (vertex, weight) in corners.iter().zip(weights) {
        for (sum, channel) in color.iter_mut().zip(vertex.color.to_array()) {
            *sum += f32::from(channel) * weight;
        }
        uv += vertex.uv.to_vec2() * weight;
    }
    multiply(color, sample(texture, uv.to_pos2()))
}

/// The texture at a place, between its four nearest texels.
fn sample(texture: &ColorImage, uv: Pos2) -> [f32; 4] {
    let [width, height] = texture.size;
    let place = |along: f32, size: usize| {
        let at = (along * size as f32 - 0.5).clamp(0.0, size.saturating_sub(1) as f32);
        let first = at.floor() as usize;
        (first, (first + 1).min(size.saturating_sub(1)), at.fract())
    };
    let ((left, right, to_right), (top, bottom, to_bottom)) = (place(uv.x, width), place(uv.y, height));
    let mut out = [0.0; 4];
    for (x, y, weight) in [
        (left, top, (1.0 - to_right) * (1.0 - to_bottom)),
        (right, top, to_right * (1.0 - to_bottom)),
        (left, bottom, (1.0 - to_right) * to_bottom),
        (right, bottom, to_right * to_bottom),
    ] {
        if weight > 0.0
            && let Some(texel) = texture.pixels.get(y * width + x)
        {
            for (sum, channel) in out.iter_mut().zip(texel.to_array()) {
                *sum += f32::from(channel) * weight;
            }
        }
    }
    out
}

fn multiply(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0] * b[0] / 255.0, a[1] * b[1] / 255.0, a[2] * b[2] / 255.0, a[3] * b[3] / 255.0]
}

fn blend(source: [f32; 4], onto: Color32) -> Color32 {
    let rest = 1.0 - source[3] / 255.0;
    let channel = |source: f32, onto: u8| (source + f32::from(onto) * rest).round().clamp(0.0, 255.0) as u8;
    Color32::from_rgb(channel(source[0], onto.r()), channel(source[1], onto.g()), channel(source[2], onto.b()))
}

fn clamp(at: f32, size: usize) -> usize {
    (at.max(0.0) as usize).min(size)
}

#[cfg(test)]
mod tests {
    use egui::{RawInput, vec2};

    use super::*;

    fn picture(draw: impl Fn(&mut egui::Ui)) -> Image {
        let ctx = Context::default();
        let mut renderer = Renderer::new();
        let input = || RawInput { screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(64.0, 32.0))), ..RawInput::default() };
        let mut first = ctx.run_ui(input(), |ui| draw(ui));
        renderer.take_textures(&mut first.textures_delta);
        let second = ctx.run_ui(input(), |ui| draw(ui));
        renderer.render(&ctx, second, [64, 32], Color32::BLACK)
    }

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let at = (y * image.width + x) * 4;
        [image.rgba[at], image.rgba[at + 1], image.rgba[at + 2]]
    }

    #[test]
    fn a_filled_rectangle_covers_its_pixels_once() {
        let half = Color32::from_rgba_unmultiplied(255, 0, 0, 128);
        let image = picture(|ui| {
            ui.painter().rect_filled(Rect::from_min_max(Pos2::new(8.0, 8.0), Pos2::new(24.0, 16.0)), 0.0, half);
        });
        assert_eq!(pixel(&image, 4, 4), [0, 0, 0]);
        // Along the diagonal, where two triangles meet, nothing is drawn twice.
        for (x, y) in [(10, 10), (16, 12), (20, 14)] {
            let red = pixel(&image, x, y)[0];
            assert!((126..=130).contains(&red), "{red} at {x},{y}");
        }
    }

    #[test]
    fn text_is_drawn_and_pictures_repeat_to_the_byte() {
        let draw = |ui: &mut egui::Ui| {
            ui.label("Weir");
        };
        let image = picture(draw);
        assert!(image.rgba.iter().any(|byte| (1..255).contains(byte)));
        assert_eq!(image, picture(draw));
    }
}

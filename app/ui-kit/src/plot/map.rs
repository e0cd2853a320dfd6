//! The world in the Equal Earth projection (Šavrič, Patterson, Jenny 2018), with points on it.

use std::sync::LazyLock;

use egui::{Align2, FontId, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

use super::label;
use crate::{format, theme::size, tokens::tokens, widgets::Tone};

/// Something at a place.
#[derive(Debug, Clone, Copy)]
pub struct MapPoint<'a> {
    /// Its name.
    pub label: &'a str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// How much of it there is; the largest has the largest circle.
    pub value: f64,
    /// How it stands.
    pub tone: Tone,
}

/// Half the width and half the height of the projected world.
const EXTENT: (f64, f64) = (2.706_63, 1.317_36);
/// South of here there is nothing to show: Antarctica is left out.
const SOUTH: f64 = -58.0;
const RADIUS: (f32, f32) = (3.5, 15.0);

/// Draws the world as wide as there is room, at most so high, and the points on it. Gives the point that was pressed.
pub fn map(ui: &mut Ui, points: &[MapPoint<'_>], unit: &str, max_height: f32) -> Option<usize> {
    static LAND: LazyLock<Vec<Vec<(f64, f64)>>> = LazyLock::new(|| coasts(include_str!("../../../../assets/map/land.txt")));
    let tokens = tokens(ui);
    let bottom = -project(SOUTH, 0.0).1;
    let ratio = (EXTENT.1 + bottom) as f32 / (2.0 * EXTENT.0) as f32;
    let height = (ui.available_width() * ratio).min(max_height);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let world = Rect::from_center_size(area.center(), vec2(height / ratio, height));
    let place = |(x, y): (f64, f64)| -> Pos2 {
        let east = ((x + EXTENT.0) / (2.0 * EXTENT.0)) as f32;
        let south = ((EXTENT.1 - y) / (EXTENT.1 + bottom)) as f32;
        pos2(world.left() + world.width() * east, world.top() + world.height() * south)
    };
    for coast in LAND.iter() {
        let coast = coast.iter().map(|at| place(*at)).collect();
        ui.painter().add(Shape::line(coast, Stroke::new(1.0, tokens.text.subdued.gamma_multiply(0.45))));
    }
    let largest = points.iter().map(|point| point.value).fold(0.0_f64, f64::max);
    let mut told = None;
    for (number, point) in points.iter().enumerate() {
        let at = place(project(point.latitude, point.longitude));
        let (radius, color) = (RADIUS.0 + (RADIUS.1 - RADIUS.0) * share(point, largest), point.tone.color(&tokens));
        ui.painter().circle(at, radius, color.gamma_multiply(0.35), Stroke::new(1.2, color));
        if response.hover_pos().is_some_and(|pointer| pointer.distance(at) <= radius + 2.0) {
            told = Some((number, format!("{}: {} {unit}", point.label, format::decimal(point.value, 1))));
        }
    }
    let radius = |point: &MapPoint<'_>| RADIUS.0 + (RADIUS.1 - RADIUS.0) * share(point, largest);
    names(ui, points, area, |point| place(project(point.latitude, point.longitude)) + vec2(radius(point) + 4.0, 0.0));
    let (number, told) = told?;
    response.on_hover_text(told).clicked().then_some(number)
}

/// The area, not the radius, tells how much.
fn share(point: &MapPoint<'_>, largest: f64) -> f32 {
    if largest > 0.0 { (point.value / largest).clamp(0.0, 1.0).sqrt() as f32 } else { 0.0 }
}

/// The points' names where there is room, those that need a look first.
fn names(ui: &Ui, points: &[MapPoint<'_>], area: Rect, place: impl Fn(&MapPoint<'_>) -> Pos2) {
    const HEIGHT: f32 = 14.0;
    let tokens = tokens(ui);
    let mut order: Vec<&MapPoint<'_>> = points.iter().collect();
    order.sort_by_key(|point| !matches!(point.tone, Tone::Danger | Tone::Warning));
    let mut taken: Vec<Rect> = Vec::new();
    for point in order {
        let left = place(point) - vec2(0.0, HEIGHT / 2.0);
        let room = Rect::from_min_max(left, pos2(area.right(), left.y + HEIGHT));
        let width = point.label.chars().count() as f32 * 6.2;
        let wanted = Rect::from_min_size(left, vec2(width, HEIGHT));
        if wanted.right() > area.right() || taken.iter().any(|other| other.intersects(wanted)) {
            continue;
        }
        taken.push(label(ui, room, point.label, FontId::proportional(size::SMALL), tokens.text.subdued, Align2::LEFT_CENTER));
    }
}

/// Degrees to the plane.
fn project(latitude: f64, longitude: f64) -> (f64, f64) {
    const A: [f64; 4] = [1.340_264, -0.081_106, 0.000_893, 0.003_796];
    let half_root_3 = 3.0_f64.sqrt() / 2.0;
    let theta = (half_root_3 * latitude.to_radians().sin()).asin();
    let (square, sixth) = (theta.powi(2), theta.powi(6));
    let x =
        longitude.to_radians() * theta.cos() / (half_root_3 * (A[0] + 3.0 * A[1] * square + sixth * (7.0 * A[2] + 9.0 * A[3] * square)));
    let y = theta * (A[0] + A[1] * square + sixth * (A[2] + A[3] * square));
    (x, y)
}

/// The coastlines on the plane, each closed, but cut where it goes from one edge of the map to the other.
fn coasts(text: &str) -> Vec<Vec<(f64, f64)>> {
    let degrees = |text: &str| {
        let (longitude, latitude) = text.split_once(',')?;
        Some((longitude.parse::<f64>().ok()?, latitude.parse::<f64>().ok()?))
    };
    let rings = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').filter_map(degrees).collect::<Vec<_>>());
    let mut coasts = Vec::new();
    for mut ring in rings {
        ring.extend(ring.first().copied());
        let pieces = ring.chunk_by(|(before, _), (after, _)| (before - after).abs() < 180.0);
        coasts.extend(pieces.map(|piece| piece.iter().map(|(longitude, latitude)| project(*latitude, *longitude)).collect()));
    }
    coasts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_is_equal_earth() {
        // The extent, and a point worked out by hand from the paper's formulas.
        let check = |latitude, longitude, (x, y): (f64, f64)| {
            let found = project(latitude, longitude);
            assert!((found.0 - x).abs() < 1e-4 && (found.1 - y).abs() < 1e-4, "{latitude}, {longitude}: {found:?}");
        };
        check(0.0, 0.0, (0.0, 0.0));
        check(0.0, 180.0, (EXTENT.0, 0.0));
        check(90.0, 0.0, (0.0, EXTENT.1));
        check(-90.0, 0.0, (0.0, -EXTENT.1));
    }

    #[test]
    fn the_land_is_there() {
        let land: Vec<Vec<(f64, f64)>> = coasts(include_str!("../../../../assets/map/land.txt"));
        assert!(land.len() > 50 && land.iter().map(Vec::len).sum::<usize>() > 1_000);
        let is_inside = |(x, y): &(f64, f64)| x.abs() <= EXTENT.0 + 0.01 && y.abs() <= EXTENT.1;
        assert!(land.iter().flatten().all(is_inside));
    }
}

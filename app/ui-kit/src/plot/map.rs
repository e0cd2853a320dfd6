//! The world in the Equal Earth projection (Šavrič, Patterson, Jenny 2018), with points on it.

use std::sync::LazyLock;

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

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
/// Of the whole world beside a part of it, and the radius of a point there.
const INSET: Vec2 = vec2(168.0, 74.0);
const INSET_RADIUS: f32 = 2.0;
/// Degrees between two lines of latitude or longitude, and how many lines there may be.
const DEGREES: [f64; 12] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0];
const LINES_MAX: f64 = 6.0;
/// Of the points, the share at either end, of north and south and of east and west, that does not decide which part of the world is shown.
const FAR_SHARE: f64 = 0.1;
/// A part is so much larger than what it must hold.
const MARGIN: f64 = 1.5;
/// The least that is shown, some two degrees, and the share of the world from which on all of it is shown.
const SPAN_MIN: f64 = 0.03;
const WORLD_SHARE: f64 = 0.5;
/// A part stays as long as what it must hold is inside and takes more than this share of it.
const KEPT_SHARE: f64 = 0.4;

/// A part of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    center: (f64, f64),
    /// Half its width and half its height.
    half: (f64, f64),
}

impl View {
    fn world() -> Self {
        let bottom = project(SOUTH, 0.0).1;
        Self { center: (0.0, (EXTENT.1 + bottom) / 2.0), half: (EXTENT.0, (EXTENT.1 - bottom) / 2.0) }
    }

    /// The part in which most points are; all of the world where they are all over it.
    fn of_most(points: &[(f64, f64)]) -> Self {
        let Some((left, right)) = most(points.iter().map(|point| point.0)) else { return Self::world() };
        let Some((low, high)) = most(points.iter().map(|point| point.1)) else { return Self::world() };
        let half = |from: f64, to: f64| ((to - from) * MARGIN).max(SPAN_MIN) / 2.0;
        let part = Self { center: ((left + right) / 2.0, (low + high) / 2.0), half: (half(left, right), half(low, high)) };
        let is_wide = part.half.0 > EXTENT.0 * WORLD_SHARE || part.half.1 > EXTENT.1 * WORLD_SHARE;
        if is_wide { Self::world() } else { part }
    }

    /// This one, unless the other shows about as much: a map that follows each point would not be still.
    fn or_stay(self, before: Option<Self>) -> Self {
        let is_near = |before: &Self| {
            let axes = [
                (self.center.0, self.half.0, before.center.0, before.half.0),
                (self.center.1, self.half.1, before.center.1, before.half.1),
            ];
            let is_inside = axes.iter().all(|(at, half, of, of_half)| (at - of).abs() + half / MARGIN <= *of_half);
            is_inside && axes.iter().any(|(_, half, _, of_half)| *half >= of_half * KEPT_SHARE)
        };
        before.filter(is_near).unwrap_or(self)
    }

    /// Where a point of the plane is drawn: all of the part is in the area, and what is beside it fills the rest.
    fn place(&self, area: Rect, (x, y): (f64, f64)) -> Pos2 {
        let scale = self.scale(area);
        area.center() + vec2(((x - self.center.0) * scale) as f32, ((self.center.1 - y) * scale) as f32)
    }

    /// Longitude and latitude of what is drawn there: the way back of [`Self::place`].
    fn degrees(&self, area: Rect, at: Pos2) -> (f64, f64) {
        let (from_center, scale) = (at - area.center(), self.scale(area));
        unproject((self.center.0 + f64::from(from_center.x) / scale, self.center.1 - f64::from(from_center.y) / scale))
    }

    /// Points of the screen for one of the plane.
    fn scale(&self, area: Rect) -> f64 {
        (f64::from(area.width()) / self.half.0).min(f64::from(area.height()) / self.half.1) / 2.0
    }
}

/// Between which most of the values lie.
fn most(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let far = (values.len() as f64 * FAR_SHARE) as usize;
    Some((*values.get(far)?, *values.get(values.len().checked_sub(far + 1)?)?))
}

/// Draws a map as wide as there is room and as high as wanted, with the points on it: of the part of the world in which most of them are, with
/// the whole world small beside it, or of the world where they are all over it. Gives the point that was pressed.
pub fn map(ui: &mut Ui, points: &[MapPoint<'_>], unit: &str, height: f32) -> Option<usize> {
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let projected: Vec<(f64, f64)> = points.iter().map(|point| project(point.latitude, point.longitude)).collect();
    let id = ui.scope_id().with("map");
    let view = View::of_most(&projected).or_stay(ui.data(|data| data.get_temp(id)));
    ui.data_mut(|data| data.insert_temp(id, view));
    let tokens = tokens(ui);
    let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
    if view != View::world() {
        graticule(ui, &painter, &view, area);
    }
    land(&painter, &view, area, tokens.text.subdued.gamma_multiply(0.45));
    let largest = points.iter().map(|point| point.value).fold(0.0_f64, f64::max);
    let mut dots: Vec<(Pos2, f32)> = Vec::with_capacity(points.len());
    for (point, at) in points.iter().zip(&projected) {
        let (radius, color) = (RADIUS.0 + (RADIUS.1 - RADIUS.0) * share(point, largest), point.tone.color(&tokens));
        let at = view.place(area, *at);
        painter.circle(at, radius, color.gamma_multiply(0.35), Stroke::new(1.2, color));
        dots.push((at, radius));
    }
    names(ui, points, &dots, area);
    let mut hovered = response.hover_pos().and_then(|pointer| under(pointer, &dots));
    if view != View::world() {
        let inset = inset(ui, area, &view, points, &projected);
        if let Some(pointer) = response.hover_pos().filter(|pointer| inset.0.contains(*pointer)) {
            hovered = under(pointer, &inset.1);
        }
    }
    let (at, point) = hovered.and_then(|at| Some((at, points.get(at)?)))?;
    let told = format!("{}: {} {unit}", point.label, format::decimal(point.value, 1));
    response.on_hover_text(told).clicked().then_some(at)
}

/// The point drawn last of those under the pointer.
fn under(pointer: Pos2, dots: &[(Pos2, f32)]) -> Option<usize> {
    dots.iter().rposition(|(at, radius)| pointer.distance(*at) <= radius + 2.0)
}

fn land(painter: &Painter, view: &View, area: Rect, color: Color32) {
    static LAND: LazyLock<Vec<Vec<(f64, f64)>>> = LazyLock::new(|| coasts(include_str!("../../../../assets/map/land.txt")));
    for coast in LAND.iter() {
        let coast: Vec<Pos2> = coast.iter().map(|at| view.place(area, *at)).collect();
        if Rect::from_points(&coast).intersects(area) {
            painter.add(Shape::line(coast, Stroke::new(1.0, color)));
        }
    }
}

/// Lines of latitude and longitude, which say how large the part is where its coasts don't.
fn graticule(ui: &Ui, painter: &Painter, view: &View, area: Rect) {
    const LABEL: Vec2 = vec2(56.0, 14.0);
    let tokens = tokens(ui);
    let ((west, south), (east, north)) = (view.degrees(area, area.left_bottom()), view.degrees(area, area.right_top()));
    let stroke = Stroke::new(1.0, tokens.line.separator);
    let font = || FontId::proportional(size::SMALL);
    for at in round_degrees(south, north) {
        let y = view.place(area, project(at, west)).y;
        painter.hline(area.x_range(), y, stroke);
        let room = Rect::from_min_size(pos2(area.right() - LABEL.x, y - LABEL.y), LABEL);
        label(ui, room, &degrees(at, ["N", "S"]), font(), tokens.text.subdued, Align2::RIGHT_CENTER);
    }
    for at in round_degrees(west, east) {
        let ends = [north, south].map(|latitude| view.place(area, project(latitude, at)));
        painter.line_segment(ends, stroke);
        let room = Rect::from_min_size(ends[0] + vec2(3.0, 0.0), LABEL);
        label(ui, room, &degrees(at, ["E", "W"]), font(), tokens.text.subdued, Align2::LEFT_CENTER);
    }
}

/// Where lines are drawn from one degree to another.
fn round_degrees(from: f64, to: f64) -> impl Iterator<Item = f64> {
    let step = DEGREES.into_iter().find(|step| (to - from) / step <= LINES_MAX).unwrap_or(90.0);
    let first = (from / step).ceil();
    let count = ((to / step).floor() - first + 1.0).max(0.0) as usize;
    (0..count).map(move |line| (first + line as f64) * step)
}

/// Degrees as maps have them, to a tenth.
fn degrees(at: f64, [plus, minus]: [&str; 2]) -> String {
    let tenths = (at.abs() * 10.0).round() / 10.0;
    match () {
        () if tenths == 0.0 => "0°".to_owned(),
        () if at > 0.0 => format!("{tenths}° {plus}"),
        () => format!("{tenths}° {minus}"),
    }
}

/// The whole world in a corner: which part of it is shown, and what is elsewhere. Gives its place and those of the points.
fn inset(ui: &Ui, area: Rect, view: &View, points: &[MapPoint<'_>], projected: &[(f64, f64)]) -> (Rect, Vec<(Pos2, f32)>) {
    let tokens = tokens(ui);
    let frame = Rect::from_min_size(area.left_bottom() - vec2(0.0, INSET.y), INSET);
    let painter = ui.painter().with_clip_rect(frame.intersect(ui.clip_rect()));
    painter.rect(frame, 4.0, tokens.background.card, Stroke::new(1.0, tokens.line.separator), StrokeKind::Inside);
    let (world, inner) = (View::world(), frame.shrink(4.0));
    land(&painter, &world, inner, tokens.text.subdued.gamma_multiply(0.35));
    let places: Vec<(Pos2, f32)> = projected.iter().map(|at| (world.place(inner, *at), INSET_RADIUS)).collect();
    for (point, (at, radius)) in points.iter().zip(&places) {
        painter.circle_filled(*at, *radius, point.tone.color(&tokens));
    }
    let corner = |sign: f64| world.place(inner, (view.center.0 + sign * view.half.0, view.center.1 + sign * view.half.1));
    let part = Rect::from_two_pos(corner(-1.0), corner(1.0)).expand(3.0);
    painter.rect_stroke(part, 1.0, Stroke::new(1.0, tokens.accent.main), StrokeKind::Outside);
    (frame, places)
}

/// The area, not the radius, tells how much.
fn share(point: &MapPoint<'_>, largest: f64) -> f32 {
    if largest > 0.0 { (point.value / largest).clamp(0.0, 1.0).sqrt() as f32 } else { 0.0 }
}

/// The points' names where there is room, on no other point and no other name, those that need a look first.
fn names(ui: &Ui, points: &[MapPoint<'_>], dots: &[(Pos2, f32)], area: Rect) {
    const HEIGHT: f32 = 14.0;
    let tokens = tokens(ui);
    let circles: Vec<Rect> = dots.iter().map(|(at, radius)| Rect::from_center_size(*at, Vec2::splat(2.0 * radius))).collect();
    let mut order: Vec<usize> = (0..points.len().min(dots.len())).collect();
    order.sort_by_key(|at| !matches!(points[*at].tone, Tone::Danger | Tone::Warning));
    let mut taken: Vec<Rect> = Vec::new();
    for at in order {
        let (point, (center, radius)) = (&points[at], dots[at]);
        let left = center + vec2(radius + 4.0, -HEIGHT / 2.0);
        let room = Rect::from_min_max(left, pos2(area.right(), left.y + HEIGHT));
        let width = point.label.chars().count() as f32 * 6.2;
        let wanted = Rect::from_min_size(left, vec2(width, HEIGHT));
        let is_free = |others: &[Rect]| !others.iter().any(|other| other.intersects(wanted));
        if !area.contains_rect(wanted) || !is_free(&taken) || !is_free(&circles) {
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

/// The plane to degrees, longitude first: latitudes are told apart by their height alone. What is beside the world is at its edge.
fn unproject((x, y): (f64, f64)) -> (f64, f64) {
    let (mut south, mut north) = (-90.0, 90.0);
    for _ in 0..40 {
        let middle = (south + north) / 2.0;
        if project(middle, 0.0).1 < y { south = middle } else { north = middle }
    }
    let latitude = (south + north) / 2.0;
    ((x / project(latitude, 1.0).0).clamp(-180.0, 180.0), latitude)
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
    fn the_way_back_leads_where_it_came_from() {
        for (latitude, longitude) in [(0.0, 0.0), (51.2, 4.4), (-33.9, 151.2), (70.0, -160.0)] {
            let found = unproject(project(latitude, longitude));
            assert!((found.0 - longitude).abs() < 1e-6 && (found.1 - latitude).abs() < 1e-6, "{latitude}, {longitude}: {found:?}");
        }
    }

    #[test]
    fn lines_are_at_round_degrees() {
        let check = |from: f64, to: f64, expect: &[f64], told: &[&str]| {
            let found: Vec<f64> = round_degrees(from, to).collect();
            let told_of: Vec<_> = found.iter().map(|at| degrees(*at, ["E", "W"])).collect();
            assert!(found.len() == expect.len() && found.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
            assert_eq!(told_of, told);
        };
        check(3.7, 5.1, &[4.0, 4.5, 5.0], &["4° E", "4.5° E", "5° E"]);
        check(-12.0, 13.0, &[-10.0, -5.0, 0.0, 5.0, 10.0], &["10° W", "5° W", "0°", "5° E", "10° E"]);
        check(0.21, 0.22, &[], &[]);
    }

    #[test]
    fn the_map_shows_where_most_points_are_and_stays_there() {
        let city = |at: usize| project(50.4 + at as f64 * 0.009, 3.7 + at as f64 * 0.014);
        let mut points: Vec<(f64, f64)> = (0..100).map(city).collect();
        let view = View::of_most(&points);
        assert!(view.half.0 < 0.05 && view.half.1 < 0.05, "{view:?}");
        // Some that are far away move nothing; where they are is seen in the small map.
        points.extend([project(6.5, 3.4), project(40.7, -74.0), project(-26.2, 28.1)]);
        assert_eq!(View::of_most(&points).or_stay(Some(view)), view);
        // Points all over the world, or none, are shown on all of it.
        let all_over: Vec<(f64, f64)> = (0..20).map(|at| project(0.0, -170.0 + 17.0 * f64::from(at))).collect();
        assert_eq!(View::of_most(&all_over).or_stay(Some(view)), View::world());
        assert_eq!(View::of_most(&[]), View::world());
        // Back home, the world is too large a part.
        assert_ne!(View::of_most(&points).or_stay(Some(View::world())), View::world());
    }

    #[test]
    fn the_land_is_there() {
        let land: Vec<Vec<(f64, f64)>> = coasts(include_str!("../../../../assets/map/land.txt"));
        assert!(land.len() > 50 && land.iter().map(Vec::len).sum::<usize>() > 1_000);
        let is_inside = |(x, y): &(f64, f64)| x.abs() <= EXTENT.0 + 0.01 && y.abs() <= EXTENT.1;
        assert!(land.iter().flatten().all(is_inside));
    }
}

//! Every page of the gallery, both themes, narrow and wide: it draws, has accessible names and glyphs, and comes to rest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

mod support;

use egui::{Key, Ui, Vec2, pos2, vec2};
use egui_kittest::{Harness, kittest::Queryable as _};
use support::{Draw, PAGES, Page, ROWS};
use weir_ui_kit::{
    Theme,
    plot::{self, Heat, HeatRow, TimeGroup, TimeLine, TimeSeries},
    theme,
    widgets::Tone,
};

const SIZES: [[f32; 2]; 3] = [[420.0, 360.0], [1_280.0, 800.0], [2_200.0, 1_200.0]];
/// Frames until a page has to be at rest.
const STEPS_MAX: u64 = 20;

fn harness(draw: Draw, theme: Theme, size: [f32; 2]) -> Harness<'static, Page> {
    let setup = move |ctx: &egui::Context| {
        theme::install(ctx);
        theme::apply(ctx, theme);
    };
    let frame = move |ui: &mut Ui, page: &mut Page| {
        egui::CentralPanel::default().show(ui, |ui| draw(ui, page));
    };
    Harness::builder()
        .with_size(Vec2::from(size))
        .with_max_steps(STEPS_MAX)
        .with_context_setup(setup)
        .build_ui_state(frame, Page::default())
}

fn page(name: &str) -> Draw {
    PAGES.iter().find(|page| page.0 == name).unwrap().1
}

#[test]
fn every_page_draws_at_every_size_and_comes_to_rest() {
    for (name, draw) in PAGES {
        for (theme, size) in Theme::ALL.into_iter().flat_map(|theme| SIZES.map(|size| (theme, size))) {
            println!("{name} {theme:?} {size:?}"); // shown when the test fails
            harness(draw, theme, size).run();
        }
    }
}

/// Texts that a grid of one row shows as wide as this, those that end in an ellipsis apart.
fn texts_of_grid(width: f32, columns: &'static [&str], names: &[&str]) -> (Vec<String>, Vec<String>) {
    let names: Vec<std::sync::Arc<str>> = names.iter().map(|name| (*name).into()).collect();
    let values = vec![Some(1.0); columns.len().max(names.len())];
    let frame = move |ui: &mut Ui| {
        let row = HeatRow { label: "row", values: &values, names: &names };
        let heat = Heat { columns, rows: &[row], unit: "%", decimals: 0, low: 0.0, high: 50.0, tone: Tone::Ok, states: &[] };
        plot::heat(ui, &heat);
    };
    let harness = Harness::builder().with_size(vec2(width, 200.0)).with_context_setup(theme::install).build_ui(frame);
    let galleys = harness
        .output()
        .shapes
        .iter()
        .filter_map(|shape| if let egui::Shape::Text(text) = &shape.shape { Some(&text.galley) } else { None });
    let (cut, whole): (Vec<_>, Vec<_>) = galleys.partition(|galley| galley.elided);
    let texts = |galleys: Vec<&std::sync::Arc<egui::Galley>>| galleys.into_iter().map(|galley| galley.text().to_owned()).collect();
    (texts(whole), texts(cut))
}

#[test]
fn names_of_narrow_columns_are_whole_where_their_neighbours_leave_room() {
    const TENTHS: [&str; 10] = ["10", "20", "30", "40", "50", "60", "70", "80", "90", "100"];
    for width in [245.0, 330.0, 600.0] {
        let (whole, cut) = texts_of_grid(width, &TENTHS, &[]);
        assert!(cut.is_empty() && TENTHS.iter().all(|tenth| whole.iter().any(|text| text == tenth)), "{width}: {whole:?}, cut {cut:?}");
    }
    let (_, cut) = texts_of_grid(245.0, &["a long name", "another long name", "a third one", "a fourth one"], &[]);
    assert_eq!(cut.len(), 4, "what has no room is cut, not drawn over its neighbour: {cut:?}");
}

#[test]
fn cells_with_names_show_them_where_there_is_room() {
    let shows =
        |width, text: &str| texts_of_grid(width, &[], &["field-0007", "field-0008", "field-0009"]).0.iter().any(|shown| shown == text);
    assert!(shows(600.0, "field-0007") && !shows(600.0, "1"));
    assert!(shows(250.0, "0007") && !shows(250.0, "field-0007") && !shows(250.0, "1"));
    assert!(!shows(130.0, "0007"), "it is under the pointer");
}

#[test]
fn charts_of_a_group_show_the_same_part_of_time_until_all_is_shown_again() {
    let group = TimeGroup::new("together");
    let points: Vec<(i64, f64)> = (0..100).map(|at| (1_795_392_000_000 + at * 1_000, at as f64)).collect();
    let frame = move |ui: &mut Ui, is_zoomed: &mut bool| {
        egui::CentralPanel::default().show(ui, |ui| {
            let lines = [TimeLine { name: "line", points: &points }];
            let series = TimeSeries { lines: &lines, height: 200.0, group: Some(group), ..TimeSeries::default() };
            for id in ["first", "second"] {
                plot::time_series(ui, &TimeSeries { id, ..series });
            }
            *is_zoomed = group.is_zoomed(ui);
        });
    };
    // Short frames: two clicks have to follow one another soon.
    let mut harness =
        Harness::builder().with_size([800.0, 440.0]).with_step_dt(0.02).with_context_setup(theme::install).build_ui_state(frame, false);
    harness.run();
    assert!(!*harness.state());
    for chart in [pos2(400.0, 100.0), pos2(400.0, 320.0)] {
        harness.drag_at(chart);
        harness.run();
        harness.hover_at(chart - vec2(120.0, 0.0));
        harness.run();
        harness.drop_at(chart - vec2(120.0, 0.0));
        harness.run();
        assert!(*harness.state(), "dragging moves along time");
        harness.hover_at(chart);
        for is_pressed in [true, false, true, false] {
            let button = egui::PointerButton::Primary;
            harness.event(egui::Event::PointerButton { pos: chart, button, pressed: is_pressed, modifiers: egui::Modifiers::NONE });
        }
        harness.run();
        assert!(!*harness.state(), "a double click shows all again");
        harness.run_steps(50); // the next click is not this one's third
    }
}

#[test]
fn what_is_pressed_has_a_name() {
    let mut harness = harness(page("controls"), Theme::Dark, SIZES[1]);
    harness.run();
    for name in ["Start", "Delete topic", "Settings", "Copy bootstrap address", "Filter topics", "Events per second"] {
        assert!(harness.query_all_by_label(name).next().is_some(), "{name}");
    }
    harness.get_by_label("1 h").click();
    harness.run();
    assert_eq!(harness.state().range, 2);
}

#[test]
fn a_million_rows_are_walked_with_the_keys() {
    let mut harness = harness(page("table"), Theme::Dark, SIZES[1]);
    harness.run();
    harness.get_by_label_contains("Topics, ").click();
    harness.run();
    let mut press = |key: Key, expect: &dyn Fn(usize) -> usize| {
        let before = harness.state().selected.unwrap();
        harness.key_press(key);
        harness.run();
        let Page { selected, visible, .. } = harness.state();
        let now = selected.unwrap();
        assert_eq!(now, expect(before), "{key:?} from {before}");
        assert!(visible.contains(&now), "{key:?}: row {now} is not among the rows in sight, {visible:?}");
        assert!(visible.len() < 100, "rows off screen are not asked for");
    };
    press(Key::End, &|_| ROWS - 1);
    for _ in 0..50 {
        press(Key::ArrowUp, &|row| row - 1);
    }
    press(Key::Home, &|_| 0);
    for _ in 0..50 {
        press(Key::ArrowDown, &|row| row + 1);
    }
}

#[test]
fn a_row_in_the_middle_of_a_million_comes_into_sight() {
    for row in [153_000, 500_000, 777_777] {
        let mut harness = harness(page("table"), Theme::Light, SIZES[1]);
        harness.run();
        harness.get_by_label_contains("Topics, ").click();
        harness.run();
        harness.state_mut().selected = Some(row);
        for _ in 0..3 {
            harness.key_press(Key::ArrowDown);
            harness.run();
        }
        let Page { selected, visible, .. } = harness.state();
        assert_eq!(*selected, Some(row + 3));
        assert!(visible.contains(&(row + 3)), "row {} is not among the rows in sight, {visible:?}", row + 3);
    }
}

//! Every panel in every load state, both themes, narrow and wide: it draws, has accessible names and glyphs, and comes to rest.
//!
//! `WEIR_PICTURES=DIR cargo test -p weir --test panels` also writes each as a picture, to be looked at; `WEIR_PICTURES_OF=dashboard-running`
//! only those whose name holds this.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

#[path = "support/fixtures.rs"]
mod fixtures;

use egui::{Key, Modifiers, Ui, Vec2};
use egui_kittest::{Harness, kittest::Queryable as _};
use fixtures::{State, answer_messages, weir};
use weir::{
    hosts::{
        Screen,
        picture::{self, PictureOptions},
    },
    panels::{CONSUMERS, Command, DASHBOARD, MESSAGES, OVERVIEW, PANELS, PIPELINES, PanelId, TOPICS, ThemeChoice},
    shell::{Recorded, Weir, settings::Settings},
};
use weir_ui_kit::{Theme, icons, theme};

/// Widths of a small window, a laptop and a desk.
const SIZES: [[f32; 2]; 3] = [[640.0, 420.0], [1_280.0, 800.0], [1_920.0, 1_080.0]];
/// Frames until a panel has to be at rest.
const STEPS_MAX: u64 = 30;

fn settings(theme: Theme) -> Settings {
    let theme = match theme {
        Theme::Dark => ThemeChoice::Dark,
        Theme::Light => ThemeChoice::Light,
    };
    Settings { theme, ..Settings::default() }
}

fn frame(ui: &mut Ui, weir: &mut Weir<Recorded>) {
    weir.logic(ui.ctx());
    weir.ui(ui);
    answer_messages(weir);
}

fn harness(state: State, panel: PanelId, theme: Theme, size: [f32; 2]) -> Harness<'static, Weir<Recorded>> {
    Harness::builder()
        .with_size(Vec2::from(size))
        .with_max_steps(STEPS_MAX)
        .with_context_setup(theme::install)
        .build_ui_state(frame, weir(state, panel, settings(theme)))
}

#[test]
fn every_panel_draws_in_every_state_and_comes_to_rest() {
    for meta in PANELS {
        for state in State::ALL {
            for (theme, size) in Theme::ALL.into_iter().flat_map(|theme| SIZES.map(|size| (theme, size))) {
                println!("{} {state:?} {theme:?} {size:?}", meta.id); // shown when the test fails
                let mut harness = harness(state, meta.id, theme, size);
                harness.run();
                assert_eq!(harness.state().current_panel(), meta.id);
            }
        }
    }
}

#[test]
fn pictures_are_drawn_of_every_panel() {
    let folder = std::env::var_os("WEIR_PICTURES").map(std::path::PathBuf::from);
    let wanted = std::env::var("WEIR_PICTURES_OF").unwrap_or_default();
    let sizes: &[[u32; 2]] = if folder.is_some() { &[[900, 600], [1_280, 800], [1_920, 1_080]] } else { &[[640, 420]] };
    let states: &[State] = if folder.is_some() { &State::ALL } else { &[State::Running] };
    for meta in PANELS {
        let presented = [false, true].into_iter().flat_map(|is_presented| states.iter().map(move |state| (*state, is_presented)));
        let presented = presented.filter(|(state, is_presented)| !is_presented || *state == State::Running);
        for ((state, is_presented), theme) in presented.flat_map(|shown| Theme::ALL.map(|theme| (shown, theme))) {
            for size in sizes {
                let state_name = if is_presented { "presented".to_owned() } else { format!("{state:?}") };
                let name = format!("{}-{state_name}-{theme:?}-{}x{}.png", meta.id, size[0], size[1]).to_lowercase();
                if !name.contains(&wanted) {
                    continue;
                }
                let options = PictureOptions { size: *size, theme, pixels_per_point: 1.0 };
                let mut screen = Answered(weir(state, meta.id, settings(theme)));
                if is_presented {
                    screen.0.push(Command::TogglePresentation);
                }
                let png = picture::render(&mut screen, &picture::context(&options), &options).unwrap();
                assert!(png.len() > 1_000);
                if let Some(folder) = &folder {
                    std::fs::write(folder.join(name), png).unwrap();
                }
            }
        }
    }
}

/// The interface with a backend that answers message queries at once.
struct Answered(Weir<Recorded>);

impl Screen for Answered {
    fn logic(&mut self, ctx: &egui::Context) {
        self.0.logic(ctx);
        answer_messages(&mut self.0);
    }

    fn ui(&mut self, ui: &mut Ui) {
        self.0.ui(ui);
    }
}

#[test]
fn the_n_th_panel_opens_with_ctrl_n() {
    let mut harness = harness(State::Ready, OVERVIEW, Theme::Dark, SIZES[1]);
    harness.run();
    for (key, panel) in [
        (Key::Num2, TOPICS),
        (Key::Num3, MESSAGES),
        (Key::Num4, CONSUMERS),
        (Key::Num5, PIPELINES),
        (Key::Num6, DASHBOARD),
        (Key::Num1, OVERVIEW),
    ] {
        harness.key_press_modifiers(Modifiers::COMMAND, key);
        harness.run();
        assert_eq!(harness.state().current_panel(), panel);
    }
}

#[test]
fn navigation_leads_where_it_says() {
    let mut harness = harness(State::Running, OVERVIEW, Theme::Dark, SIZES[2]);
    harness.run();
    for meta in PANELS {
        // What waits behind an entry stands in its name.
        let is_entry = |label: &str| label == meta.title || label.strip_prefix(meta.title).is_some_and(|rest| rest.starts_with(", "));
        harness
            .get_all(egui_kittest::kittest::By::new().predicate(|node| node.label().is_some_and(|label| is_entry(&label))))
            .next()
            .unwrap()
            .click();
        harness.run();
        assert_eq!(harness.state().current_panel(), meta.id);
    }
}

#[test]
fn the_palette_needs_no_pointer() {
    let mut harness = harness(State::Ready, OVERVIEW, Theme::Dark, SIZES[1]);
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run();
    harness.event(egui::Event::Text("consumers".to_owned()));
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().current_panel(), CONSUMERS);
}

#[test]
fn a_row_of_a_dashboard_leads_to_its_records() {
    let mut harness = harness(State::Running, DASHBOARD, Theme::Dark, SIZES[2]);
    harness.run();
    harness.get_all_by_label_contains("Show the records of /").next().unwrap().click();
    harness.run();
    assert_eq!(harness.state().current_panel(), MESSAGES);
}

#[test]
fn a_presentation_shows_nothing_but_the_screen() {
    let mut harness = harness(State::Running, DASHBOARD, Theme::Dark, SIZES[1]);
    harness.run();
    let has_navigation = |harness: &egui_kittest::Harness<'_, _>| harness.query_all_by_label("Topics").next().is_some();
    assert!(has_navigation(&harness));
    for leave in [Key::F11, Key::Escape] {
        let before = harness.ctx.zoom_factor();
        harness.key_press(Key::F11);
        harness.run();
        assert!(!has_navigation(&harness) && harness.ctx.zoom_factor() > before);
        assert!(harness.query_by_label_contains("Pause").is_none(), "what is for the one at the keys stays away");
        harness.key_press(leave);
        harness.run();
        assert!(has_navigation(&harness) && harness.ctx.zoom_factor() == before);
    }
}

#[test]
fn a_presentation_is_as_large_on_a_context_that_came_later() {
    let options = PictureOptions { size: [1_920, 1_080], theme: Theme::Dark, pixels_per_point: 1.0 };
    let mut screen = Answered(weir(State::Running, DASHBOARD, settings(Theme::Dark)));
    screen.0.push(Command::TogglePresentation);
    let contexts = [picture::context(&options), picture::context(&options)];
    let zooms = contexts.map(|ctx| {
        picture::render(&mut screen, &ctx, &options).unwrap();
        ctx.zoom_factor()
    });
    assert!(zooms[0] > 1.5 && zooms[0] == zooms[1], "{zooms:?}");
}

#[test]
fn a_pipeline_starts_from_its_card() {
    let mut harness = harness(State::Ready, OVERVIEW, Theme::Dark, SIZES[1]);
    harness.run();
    harness.get_all_by_label(&format!("{}  Start", icons::PLAY)).next().expect("something is ready").click();
    harness.run();
    assert_eq!(harness.state().current_panel(), DASHBOARD);
}

//! What a frame of each panel costs: layout and tessellation, without a host, in CPU time of the thread. `cargo bench --bench frames`.
//!
//! Two cases a panel: nothing new, and new figures at every fourth frame, as fast as a live cluster brings them at 60 Hz.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/support/fixtures.rs"]
#[expect(dead_code, reason = "the tests use all of it, this bench the largest cases")]
mod fixtures;

use egui::{Context, Pos2, RawInput, Rect, vec2};
use fixtures::{State, answer_messages, weir};
use rustix::time::{ClockId, clock_gettime};
use weir::{
    hosts::Screen as _,
    panels::{DASHBOARD, PANELS},
    shell::settings::Settings,
};
use weir_ui_kit::{Theme, theme};

const FRAMES: usize = 400;
/// Sizes settle, caches fill.
const WARM_UP: usize = 30;

fn main() {
    println!("{:<12} {:<8} {:>10} {:>10}", "panel", "news", "p50 ms", "p99 ms");
    for meta in PANELS {
        // The largest case of each: 10,000 partitions, or a dashboard at work.
        let state = if meta.id == DASHBOARD { State::Running } else { State::Big };
        for has_news in [false, true] {
            let mut costs_ms = costs_ms(state, meta.id, has_news);
            costs_ms.sort_by(f64::total_cmp);
            let at = |percent: usize| costs_ms.get(costs_ms.len() * percent / 100).copied().unwrap_or(f64::NAN);
            println!("{:<12} {:<8} {:>10.2} {:>10.2}", meta.id, if has_news { "15 Hz" } else { "none" }, at(50), at(99));
        }
    }
}

fn costs_ms(state: State, panel: &'static str, has_news: bool) -> Vec<f64> {
    let ctx = Context::default();
    theme::install(&ctx);
    theme::apply(&ctx, Theme::Dark);
    let mut weir = weir(state, panel, Settings::default());
    let news = state.updates();
    let mut costs_ms = Vec::with_capacity(FRAMES);
    for frame in 0..WARM_UP + FRAMES {
        if has_news && frame % 4 == 0 {
            for update in news.iter().rev().take(3).rev() {
                weir.apply(update.clone());
            }
        }
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1_600.0, 960.0))),
            time: Some(frame as f64 / 60.0),
            ..RawInput::default()
        };
        let start = thread_ms();
        let output = ctx.run_ui(input, |ui| {
            weir.logic(ui.ctx());
            weir.ui(ui);
        });
        let primitives = ctx.tessellate(output.shapes, output.pixels_per_point);
        let cost_ms = thread_ms() - start;
        drop(primitives);
        answer_messages(&mut weir);
        if frame >= WARM_UP {
            costs_ms.push(cost_ms);
        }
    }
    costs_ms
}

fn thread_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

//! What all pipelines at once cost, at their default rates on one embedded broker, with the window's interface drawn 60 times a second over
//! them: CPU and memory of the whole process, and a frame's CPU time. `cargo bench -p weir --bench together -- --seconds 60`.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a bench prints its figures, and fails loudly")]

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use egui::{Context, Pos2, RawInput, Rect, vec2};
use rustix::time::{ClockId, clock_gettime};
use weir::{
    hosts::Screen as _,
    panels::{Command, Route},
    shell::{Backend, Weir, settings::Settings},
};
use weir_backend::{Handle, HandleConfig};
use weir_model::{Availability, CheckVerdict, Cluster, ConnectionState, Phase, PipelineMeta, PipelineParams, Problem, Request, Update};
use weir_ui_kit::{Theme, theme};

/// Between two frames.
const FRAME: Duration = Duration::from_micros(16_667);
/// The dashboards take turns in front.
const IN_FRONT: Duration = Duration::from_secs(5);
/// How long pipelines may take to run, and to end.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let seconds = std::env::args().skip_while(|word| word != "--seconds").nth(1).and_then(|word| word.parse().ok()).unwrap_or(60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = HandleConfig { data_dir: Some(folder.path().to_owned()), ..HandleConfig::default() };
    let handle = Rc::new(Handle::start(config, || {}).expect("a backend"));
    let mut window = Window::new(Rc::clone(&handle));
    window.until("the cluster answers", |weir| matches!(weir.store().connection, ConnectionState::Connected { .. }));
    let metas: Vec<_> = weir_backend::pipelines::metas().iter().filter(|meta| meta.availability == Availability::Ready).cloned().collect();
    for meta in &metas {
        handle.request(Request::StartPipeline(meta.id.clone(), defaults(meta))).expect("the backend listens");
    }
    window.until("all pipelines run", |weir| metas.iter().all(|meta| phase(weir, meta) == Some(Phase::Running)));

    let (cpu_before_s, start) = (seconds_of(ClockId::ProcessCPUTime), Instant::now());
    let (mut frames_ms, mut memory_mb) = (Vec::new(), 0.0_f64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let at = (start.elapsed().as_secs() / IN_FRONT.as_secs()) as usize % metas.len();
        window.show(&metas[at]);
        frames_ms.push(window.frame());
        memory_mb = memory_mb.max(memory_now_mb());
        std::thread::sleep(FRAME.saturating_sub(Duration::from_secs_f64(frames_ms.last().copied().unwrap_or(0.0) / 1e3)));
    }
    let cores = (seconds_of(ClockId::ProcessCPUTime) - cpu_before_s) / start.elapsed().as_secs_f64();
    report(&window, &metas, &mut frames_ms, (cores, memory_mb, seconds));

    for meta in &metas {
        handle.request(Request::StopPipeline(meta.id.clone())).expect("the backend listens");
    }
    window.until("all reports are there", |weir| metas.iter().all(|meta| report_of(weir, meta).is_some()));
    for meta in &metas {
        let Some(report) = report_of(&window.weir, meta) else { continue };
        for check in report.checks.iter().filter(|check| check.verdict == CheckVerdict::Fail) {
            println!("{} FAILS {}: {}", meta.id, check.id, check.evidence);
        }
    }
}

fn report(window: &Window, metas: &[PipelineMeta], frames_ms: &mut [f64], (cores, memory_mb, seconds): (f64, f64, u64)) {
    println!("{} pipelines for {seconds} s, dashboards in turns at 60 frames a second", metas.len());
    for meta in metas {
        let view = window.weir.store().runs.get(&meta.id);
        let Some(status) = view.and_then(|view| view.status.as_deref()) else { continue };
        let (produced, p99) = (status.produced_per_s, status.latency.p99);
        println!("{:<14} {produced:>8.0} events/s, produce to process p99 {p99:.1} ms", meta.id.as_str());
    }
    frames_ms.sort_by(f64::total_cmp);
    let at = |part: f64| frames_ms.get((frames_ms.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
    println!("CPU            {cores:>8.2} cores");
    println!("memory         {memory_mb:>8.0} MB at most");
    let most = frames_ms.last().copied().unwrap_or(f64::NAN);
    println!("frame          {:>8.2} ms p50, {:.2} ms p99, {most:.2} ms at most, CPU time of the interface's thread", at(0.5), at(0.99));
}

/// What a card starts with.
fn defaults(meta: &PipelineMeta) -> PipelineParams {
    let default = |name: &str| meta.params.iter().find(|param| &*param.name == name).map_or(1.0, |param| param.default);
    let (rate_per_s, seed, speed) = (default("rate_per_s") as u32, default("seed") as u64, default("speed") as u32);
    PipelineParams { rate_per_s, seed, speed, ..PipelineParams::default() }
}

struct Shared(Rc<Handle>);

impl Backend for Shared {
    fn request(&self, request: Request) -> Result<(), Problem> {
        self.0.request(request)
    }

    fn drain(&self, max: usize) -> Vec<Update> {
        self.0.drain(max)
    }
}

/// The interface without a host.
struct Window {
    weir: Weir<Shared>,
    ctx: Context,
    start: Instant,
    shown: Option<weir_model::PipelineId>,
}

impl Window {
    fn new(handle: Rc<Handle>) -> Self {
        let ctx = Context::default();
        theme::install(&ctx);
        theme::apply(&ctx, Theme::Dark);
        let mut weir = Weir::without_disk(Shared(handle), Settings::default());
        weir.push(Command::Connect(Cluster::Local));
        Self { weir, ctx, start: Instant::now(), shown: None }
    }

    fn show(&mut self, meta: &PipelineMeta) {
        if self.shown.as_ref() != Some(&meta.id) {
            self.shown = Some(meta.id.clone());
            self.weir.push(Command::Navigate(Route::Dashboard(meta.id.clone())));
        }
    }

    /// Draws a frame; gives the thread's CPU time in milliseconds.
    fn frame(&mut self) -> f64 {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1_600.0, 960.0))),
            time: Some(self.start.elapsed().as_secs_f64()),
            ..RawInput::default()
        };
        let before_s = seconds_of(ClockId::ThreadCPUTime);
        let weir = &mut self.weir;
        let output = self.ctx.run_ui(input, |ui| {
            weir.logic(ui.ctx());
            weir.ui(ui);
        });
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let cost_ms = (seconds_of(ClockId::ThreadCPUTime) - before_s) * 1e3;
        drop(primitives);
        cost_ms
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Weir<Shared>) -> bool) {
        let start = Instant::now();
        while !is_so(&self.weir) {
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            self.frame();
            std::thread::sleep(FRAME);
        }
    }
}

fn phase(weir: &Weir<Shared>, meta: &PipelineMeta) -> Option<Phase> {
    Some(weir.store().runs.get(&meta.id)?.status.as_ref()?.phase.clone())
}

fn report_of<'a>(weir: &'a Weir<Shared>, meta: &PipelineMeta) -> Option<&'a weir_model::RunReport> {
    weir.store().runs.get(&meta.id)?.report.as_deref()
}

fn seconds_of(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Resident memory, where the system tells (Linux).
fn memory_now_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: Option<f64> = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kb.unwrap_or(f64::NAN) / 1e3
}

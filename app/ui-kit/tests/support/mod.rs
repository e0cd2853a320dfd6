//! Pages that show every widget with sample data, for the gallery and the tests over it.

use egui::{ScrollArea, Ui};
use weir_ui_kit::{
    format, icons,
    plot::{self, BarRow, FlowEdge, FlowNode, Gauge, Heat, HeatRow, IntervalRow, Lane, LaneSpan, Lanes, MapPoint, TimeLine, TimeSeries},
    table::{Table, TableCell, TableColumn},
    widgets::{self, Failure, FeedEntry, Incident, StatTile, Tone},
};

/// What the widgets of a page keep.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The text of the search field.
    pub(crate) search: String,
    /// The rate on the slider.
    pub(crate) rate: f64,
    /// The choice of the segmented control.
    pub(crate) range: usize,
    /// The chosen row.
    pub(crate) selected: Option<usize>,
    /// The rows that were in sight.
    pub(crate) visible: std::ops::Range<usize>,
}

impl Default for Page {
    fn default() -> Self {
        Self { search: String::new(), rate: 1_200.0, range: 1, selected: Some(2), visible: 0..0 }
    }
}

/// A page of the gallery.
pub(crate) type Draw = fn(&mut Ui, &mut Page);

/// All pages: whatever is added to the kit is added here.
pub(crate) const PAGES: [(&str, Draw); 5] =
    [("controls", controls), ("charts", charts), ("operations", operations), ("table", table), ("states", states)];

/// Rows of the sample table: more than `f32` has pixels for.
pub(crate) const ROWS: usize = 1_000_000;

fn page(ui: &mut Ui, heading: &str, add_contents: impl FnOnce(&mut Ui)) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        egui::Frame::new().inner_margin(16).show(ui, |ui| {
            widgets::title(ui, heading);
            add_contents(ui);
        });
    });
}

fn controls(ui: &mut Ui, page_state: &mut Page) {
    page(ui, "Controls", |ui| {
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                buttons(left, page_state);
                text(right);
            }
        });
        let history: Vec<f64> = (0..120).map(|at| 900.0 + 300.0 * (f64::from(at) / 9.0).sin() + f64::from(at % 7) * 20.0).collect();
        ui.columns(4, |columns| {
            let tiles = [
                StatTile {
                    label: "Messages in",
                    value: "12.3 k",
                    unit: "/s",
                    history: &history,
                    help: "Over the last two minutes",
                    ..StatTile::default()
                },
                StatTile { label: "Bytes in", value: "1.2 MiB", unit: "/s", history: &[0.0, 0.0], ..StatTile::default() },
                StatTile { label: "Topics", value: "14", note: "96 partitions", ..StatTile::default() },
                StatTile {
                    label: "Records behind",
                    value: "1,234,567",
                    unit: "records",
                    note: "5 of 6 groups keep up",
                    ..StatTile::default()
                },
            ];
            for (ui, tile) in columns.iter_mut().zip(tiles) {
                tile.show(ui);
            }
        });
    });
}

fn buttons(ui: &mut Ui, page: &mut Page) {
    widgets::card(ui, "Press, choose, type", |ui| {
        widgets::toolbar(ui, |ui| {
            widgets::primary_button(ui, "Start");
            widgets::secondary_button(ui, "Pause");
            widgets::danger_button(ui, "Delete topic");
            widgets::icon_button(ui, icons::GEAR, "Settings");
            ui.add_enabled_ui(false, |ui| widgets::primary_button(ui, "Not now"));
        });
        widgets::segmented(ui, &mut page.range, &[(0, "1 m"), (1, "15 m"), (2, "1 h")]);
        widgets::search_field(ui, &mut page.search, "Filter topics", 240.0);
        widgets::rate_slider(ui, &mut page.rate, 10.0..=50_000.0, "Events per second");
        widgets::copy_field(ui, "127.0.0.1:9092", "bootstrap address");
        widgets::labelled_field(ui, "Topic", &mut page.search, "orders");
        widgets::link(ui, "user_activity");
    });
}

fn text(ui: &mut Ui) {
    widgets::card(ui, "Say", |ui| {
        ui.horizontal_wrapped(|ui| {
            for (icon, text, tone) in [
                (icons::CHECK_CIRCLE, "keeping up", Tone::Ok),
                (icons::WARNING, "falling behind", Tone::Warning),
                (icons::WARNING_CIRCLE, "losing data", Tone::Danger),
                (icons::INFO, "idle", Tone::Info),
                ("", "internal", Tone::Neutral),
            ] {
                widgets::badge(ui, icon, text, tone);
            }
        });
        widgets::status_dot(ui, "Connected to 3 brokers", Tone::Ok);
        widgets::strong(ui, "Strong text");
        ui.label("Normal text");
        widgets::subdued(ui, "Subdued text");
        widgets::mono(ui, "offset 18446744073709551615");
        widgets::icon_text(ui, icons::CLOCK, "Below is what was known before", Tone::Warning);
        widgets::key_value(ui, "retention.ms", "604,800,000");
        widgets::key_value(ui, "cleanup.policy", "delete");
        widgets::code(ui, "kcat -b 127.0.0.1:9092 -P -t hello");
    });
}

fn charts(ui: &mut Ui, _page: &mut Page) {
    page(ui, "Charts", |ui| {
        let line = |phase: f64| -> Vec<(i64, f64)> {
            (0..3_600)
                .map(|at| {
                    (
                        1_795_395_600_000 + at * 1_000,
                        12_000.0 + 4_000.0 * (at as f64 / 200.0 + phase).sin() + (at as f64 / 37.0).cos() * 300.0,
                    )
                })
                .collect()
        };
        let (into, out) = (line(0.0), line(1.2));
        widgets::card(ui, "Records per second", |ui| {
            let lines = [TimeLine { name: "produced", points: &into }, TimeLine { name: "consumed", points: &out }];
            let bands = [
                plot::LaneSpan { from_ms: NOON_MS + 4_000_000, to_ms: NOON_MS + 4_600_000, label: "CDN-B fails in eu", tone: Tone::Danger },
                plot::LaneSpan { from_ms: NOON_MS + 6_000_000, to_ms: NOON_MS + 6_200_000, label: "Rolled back", tone: Tone::Warning },
            ];
            let series =
                TimeSeries { id: "rates", lines: &lines, bands: &bands, unit: "records/s", height: 200.0, ..TimeSeries::default() };
            plot::time_series(ui, &series);
        });
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                widgets::card(left, "Top pages", |ui| {
                    let rows =
                        [("/home", 81_234.0), ("/search", 40_120.0), ("/product/1842/reviews?sort=newest", 12_001.0), ("/cart", 903.0)];
                    plot::bar_list(ui, &rows.map(|(label, value)| BarRow { label, value }), "views", |_| None);
                });
                widgets::card(right, "Funnel", |ui| {
                    plot::funnel(ui, &[("view", 120_345), ("add to cart", 20_311), ("purchase", 4_120)], "Open topic user_activity")
                });
            }
        });
        widgets::card(ui, "A/B comparison", |ui| {
            let row = |name, estimate: f64| IntervalRow { name, n: 12_000, estimate, low: estimate - 0.21, high: estimate + 0.21 };
            plot::intervals(ui, &[row("A (control)", 3.11), row("B", 3.52)], "%", "");
        });
        widgets::card(ui, "No data yet", |ui| plot::time_series(ui, &TimeSeries { id: "empty", height: 90.0, ..TimeSeries::default() }));
    });
}

const NOON_MS: i64 = 1_795_392_000_000;

fn operations(ui: &mut Ui, _page: &mut Page) {
    page(ui, "Operations", |ui| {
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                widgets::card(left, "Failed starts by CDN and region", grid);
                widgets::card(left, "Sessions of a user", swim_lanes);
                widgets::card(left, "Field", gauges);
                widgets::card(right, "Incidents", incidents);
                widgets::card(right, "Map", world);
                widgets::card(right, "Feed", |ui| {
                    let entries = [
                        (Tone::Danger, "CDN-B fails 21 % of starts in eu"),
                        (Tone::Warning, "Card 4711 used in Lisbon and Oslo within 9 minutes"),
                        (Tone::Ok, "Valve 12 closed: soil moisture is back at 34 %"),
                        (Tone::Neutral, "Window 12:00 closed with 12,001 events"),
                    ];
                    let entries = (0..).zip(entries).map(|(at, (tone, text))| FeedEntry { at_ms: NOON_MS - at * 4_000, tone, text });
                    widgets::feed(ui, entries);
                });
            }
        });
        widgets::card(ui, "From where to where", flows);
    });
}

fn grid(ui: &mut Ui) {
    let values = [
        [Some(0.4), Some(0.6), Some(0.3), Some(0.5)],
        [Some(0.5), Some(21.3), Some(0.9), None],
        [Some(0.2), Some(0.7), Some(3.1), Some(0.4)],
    ];
    let rows = ["CDN-A", "CDN-B", "CDN-C"];
    let rows: Vec<HeatRow<'_>> = rows.iter().zip(&values).map(|(label, values)| HeatRow { label, values, names: &[] }).collect();
    let columns = ["us", "eu", "asia", "africa"];
    plot::heat(ui, &Heat { columns: &columns, rows: &rows, unit: "%", decimals: 1, low: 0.0, high: 10.0, tone: Tone::Danger, states: &[] });
}

fn swim_lanes(ui: &mut Ui) {
    let span = |from: i64, to: i64, label, tone| LaneSpan { from_ms: NOON_MS + from * 1_000, to_ms: NOON_MS + to * 1_000, label, tone };
    let first = [span(0, 300, "12 events", Tone::Ok), span(700, 1_000, "4 events, open", Tone::Info)];
    let second = [span(100, 520, "31 events", Tone::Ok), span(530, 545, "late", Tone::Warning)];
    let lanes = [
        Lane { label: "u-0017", spans: &first, cursor_ms: None },
        Lane { label: "u-0230", spans: &second, cursor_ms: Some(NOON_MS + 60_000) },
    ];
    plot::lanes(ui, &Lanes { lanes: &lanes, cursor_ms: Some(NOON_MS + 960_000) });
}

fn gauges(ui: &mut Ui) {
    let gauge = Gauge { label: "Soil moisture", value: Some(34.2), unit: "%", decimals: 1, min: 0.0, max: 100.0, good: (30.0, 45.0) };
    plot::gauge(ui, &gauge, "Open topic device_state");
    plot::gauge(ui, &Gauge { label: "Vibration", value: Some(7.9), unit: "mm/s", max: 10.0, good: (0.0, 4.5), ..gauge }, "");
    plot::gauge(ui, &Gauge { label: "Battery", value: None, unit: "V", max: 5.0, good: (3.2, 4.2), ..gauge }, "");
}

fn incidents(ui: &mut Ui) {
    let facts = [("viewers", "4,120"), ("confidence", "0.97"), ("failed starts", "21.3 %")];
    let title = "CDN-B × ISP-3 in eu";
    let open = Incident {
        title,
        tone: Tone::Danger,
        state: "critical",
        when: "since 12:03:20",
        facts: &facts,
        note: "Players are moved to CDN-A",
    };
    widgets::incident(ui, &open);
    widgets::incident(ui, &Incident { tone: Tone::Ok, state: "resolved", when: "11:40:00 – 11:44:10, 4.2 min", note: "", ..open });
}

fn world(ui: &mut Ui) {
    let point = |label, latitude, longitude, value, tone| MapPoint { label, latitude, longitude, value, tone };
    let points = [
        point("New York", 40.7, -74.0, 900.0, Tone::Ok),
        point("London", 51.5, -0.1, 1_400.0, Tone::Danger),
        point("Frankfurt", 50.1, 8.7, 700.0, Tone::Warning),
        point("Singapore", 1.4, 103.8, 400.0, Tone::Ok),
        point("Cape Town", -33.9, 18.4, 80.0, Tone::Ok),
        point("Sydney", -33.9, 151.2, 200.0, Tone::Ok),
    ];
    plot::map(ui, &points, "viewers", 300.0);
}

fn flows(ui: &mut Ui) {
    let node = |label, note, tone| FlowNode { label, note, tone };
    let nodes = [
        node("user_activity", "6 partitions", Tone::Ok),
        node("sessions", "12,001 open", Tone::Ok),
        node("funnel", "", Tone::Neutral),
        node("page_stats", "lag 4,000", Tone::Warning),
        node("offers", "", Tone::Ok),
    ];
    let edge = |from, to, value| FlowEdge { from, to, value };
    let edges = [edge(0, 1, 5_000.0), edge(0, 2, 2_100.0), edge(0, 3, 3_300.0), edge(1, 4, 900.0), edge(2, 4, 120.0)];
    plot::sankey(ui, &nodes, &edges, "events", 220.0, |at| (at == 0).then(|| "Open topic user_activity".to_owned()));
    ui.add_space(12.0);
    plot::graph(ui, &nodes, &edges, "/s");
}

fn table(ui: &mut Ui, page: &mut Page) {
    let columns = [
        TableColumn::text("Topic", 260.0),
        TableColumn::text("State", 150.0),
        TableColumn::number("Partitions", 90.0),
        TableColumn::number("Records", 130.0),
        TableColumn::number("Size", 100.0),
        TableColumn::number("Lag", 140.0),
        TableColumn::text("Last key", 200.0).unsorted(),
    ];
    let shown = Table::new("Topics", &columns, ROWS).selected(page.selected).sorted(3, true).show(ui, |row, column| match column {
        0 => TableCell::text(format!("orders.region-{row:07}")),
        1 if row % 5 == 3 => TableCell::badge(icons::WARNING, "falling behind", Tone::Warning),
        1 => TableCell::badge(icons::CHECK_CIRCLE, "keeping up", Tone::Ok),
        2 => TableCell::text((row % 12 + 1).to_string()),
        3 => TableCell::text(format::integer((ROWS - row) as i64 * 1_117)),
        4 => TableCell::text(format::bytes((ROWS - row) as f64 * 8_111.0)),
        5 => TableCell::text(format::integer((row * 7_919 % 100_000) as i64)).with_bar((row * 7_919 % 100_000) as f32 / 100_000.0),
        _ => TableCell::mono(format!("user-{:05}", row * 31 % 90_000)).subdued(),
    });
    page.selected = shown.selected.or(page.selected);
    page.visible = shown.visible;
}

fn states(ui: &mut Ui, _page: &mut Page) {
    page(ui, "States", |ui| {
        let failure = Failure {
            what: "The groups can't be listed",
            why: "Broker 2 at 10.0.0.7:9092 refused the connection",
            what_to_do: "Check that the broker runs and that its listener can be reached from here.",
        };
        widgets::partial_bar(ui, &[failure, failure]);
        widgets::error_state(ui, failure);
        widgets::card(ui, "Loading", |ui| widgets::skeleton(ui, 4));
        widgets::card(ui, "", |ui| {
            widgets::empty_state(
                ui,
                icons::STACK,
                "No topics yet",
                "Create one here, or produce to any name: topics are made when they are first used.",
                Some("Create topic"),
            );
        });
    });
}

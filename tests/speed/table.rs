//! Figures collected by row and broker, printed as a Markdown table with ratios.

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What was measured, of every broker.
pub(crate) struct Table {
    brokers: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    what: String,
    unit: &'static str,
    better: Better,
    /// By broker, one figure per round.
    figures: Vec<Vec<f64>>,
}

impl Table {
    pub(crate) fn new(brokers: Vec<String>) -> Self {
        Self { brokers, rows: Vec::new() }
    }

    /// Takes one figure of one round.
    pub(crate) fn add(&mut self, what: &str, unit: &'static str, better: Better, broker: usize, figure: f64) {
        eprintln!("{:<8} {what:<52} {:>10} {unit}", self.brokers[broker], short(figure));
        let at = self.rows.iter().position(|row| row.what == what && row.unit == unit).unwrap_or_else(|| {
            self.rows.push(Row { what: what.to_owned(), unit, better, figures: vec![Vec::new(); self.brokers.len()] });
            self.rows.len() - 1
        });
        self.rows[at].figures[broker].push(figure);
    }

    /// Medians, and the first broker against the better of the others: more than 1 is better, whichever way the unit goes.
    pub(crate) fn print(&self) {
        let ratio = if self.brokers.len() > 1 { " against the better |" } else { "" };
        println!("\n| median | unit | {} |{ratio}", self.brokers.join(" | "));
        println!("|---|---|{}", "---:|".repeat(self.brokers.len() + usize::from(self.brokers.len() > 1)));
        for row in &self.rows {
            let medians: Vec<f64> = row.figures.iter().map(|figures| median(figures)).collect();
            let shown: Vec<String> = medians.iter().map(|figure| short(*figure)).collect();
            let others = medians[1..].iter().copied().filter(|figure| figure.is_finite());
            let ratio = match row.better {
                Better::Higher => others.reduce(f64::max).map(|best| medians[0] / best),
                Better::Lower => others.reduce(f64::min).map(|best| best / medians[0]),
            };
            let ratio = ratio.map_or(String::new(), |ratio| format!(" {ratio:.2} x |"));
            println!("| {} | {} | {} |{ratio}", row.what, row.unit, shown.join(" | "));
        }
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|figure| figure.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three significant digits.
fn short(figure: f64) -> String {
    match figure {
        _ if !figure.is_finite() => "-".to_owned(),
        _ if figure >= 100.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ if figure >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

//! The README says what the code says: its tables are made from the code's lists, its commands are understood.
//!
//! `WEIR_WRITE_DOCS=1 cargo test -p weir-tests --test docs` writes the tables anew.
#![allow(clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use std::{env, ffi::OsString, fmt::Write as _, fs};

use weir_backend::pipelines;
use weir_model::Availability;
use weir_tests::sources::root;

/// Makes a table.
type Make = fn() -> String;

/// A table of the README: what stands between its markers, and how it is made.
const TABLES: &[(&str, Make)] = &[
    ("commands", commands),
    ("panels", panels),
    ("pipelines", pipelines_table),
    ("scenarios", scenarios),
    ("breakage", breakage),
    ("apis", apis),
];

fn commands() -> String {
    let mut out =
        "| command | what it does |\n|---|---|\n| `weir` | Opens the window; without a display, runs in the terminal |\n".to_owned();
    for (name, about) in weir::cli::subcommands() {
        row(&mut out, &[&format!("`weir {name}`"), about]);
    }
    out
}

fn panels() -> String {
    let mut out = "| panel | name | what it is for |\n|---|---|---|\n".to_owned();
    for meta in weir::panels::PANELS {
        row(&mut out, &[meta.title, &format!("`{}`", meta.id), meta.help]);
    }
    out
}

fn pipelines_table() -> String {
    let mut out = "| pipeline | state | what it shows |\n|---|---|---|\n".to_owned();
    for meta in pipelines::metas().iter() {
        let state = match meta.availability {
            Availability::Ready => "ready",
            Availability::Planned => "planned",
        };
        row(&mut out, &[&meta.title, state, &meta.story]);
    }
    out
}

fn scenarios() -> String {
    let mut out = "| command | what is seen |\n|---|---|\n".to_owned();
    for meta in pipelines::metas().iter() {
        for scenario in &meta.scenarios {
            row(&mut out, &[&format!("`weir run {} --scenario {}`", meta.id, scenario.id), &scenario.story]);
        }
    }
    out
}

fn breakage() -> String {
    let mut out = "| pipeline | `--fault 20s:…` heals | `--sabotage …` turns a check red |\n|---|---|---|\n".to_owned();
    for meta in pipelines::metas().iter().filter(|meta| meta.availability == Availability::Ready) {
        let faults: Vec<_> = meta.faults.iter().map(|fault| format!("`{}`", fault.id)).collect();
        let sabotages: Vec<_> = pipelines::sabotages(&meta.id).iter().map(|(name, check)| format!("`{name}`: {check}")).collect();
        row(&mut out, &[&format!("`{}`", meta.id), &faults.join(", "), &sabotages.join(", ")]);
    }
    out
}

fn apis() -> String {
    let mut out = "| key | API | versions |\n|--:|---|---|\n".to_owned();
    for api in weir_broker::served_apis() {
        let (first, last) = (api.versions.start(), api.versions.end());
        row(&mut out, &[&api.key.to_string(), api.name, &format!("{first}–{last}")]);
    }
    out
}

fn row(out: &mut String, cells: &[&str]) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("the README can be read")
}

#[test]
fn tables_are_what_the_code_says() {
    let mut text = readme();
    for (name, make) in TABLES {
        let (begin, end) = (format!("<!-- table:{name} -->\n"), format!("<!-- /table:{name} -->"));
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("README.md has no table {name}"));
        let (old, after) = rest.split_once(&end).unwrap_or_else(|| panic!("README.md has no end of table {name}"));
        let new = make();
        let is_to_write = env::var_os("WEIR_WRITE_DOCS").is_some();
        assert!(is_to_write || old == new, "README.md: table {name} is not what the code says; write it with WEIR_WRITE_DOCS=1");
        text = format!("{before}{begin}{new}{end}{after}");
    }
    if text != readme() {
        fs::write(root().join("README.md"), text).expect("the README can be written");
    }
}

#[test]
fn the_first_block_is_the_two_commands() {
    let text = readme();
    let block = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(block, Some("cargo run --release\ncargo test --workspace\n"));
}

#[test]
fn commands_in_the_readme_are_understood() {
    let text = readme().replace("\\\n", " ");
    let mut checked = 0;
    for line in text.lines().map(str::trim) {
        let arguments = line.strip_prefix("weir ").or_else(|| line.strip_prefix("cargo run --release -- "));
        let Some(arguments) = arguments else { continue };
        let words = std::iter::once("weir").chain(arguments.split_whitespace().take_while(|word| !word.starts_with('#')));
        weir::cli::check(words.map(OsString::from)).unwrap_or_else(|error| panic!("{line}\n{error}"));
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} commands were found");
}

#[test]
fn pictures_and_files_that_are_linked_exist() {
    for link in readme().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(link.contains("://") || root().join(link).exists(), "README.md links to {link}, which does not exist");
    }
}

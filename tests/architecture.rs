//! The rules of the code base that the compiler can't hold: who may import what, where `unsafe` may stand, what a file looks like.
#![allow(clippy::expect_used, reason = "tests fail loudly")]

use std::fs;

use weir_tests::sources::{Source, root, rust_sources};

/// A word that may stand only in some places, and why.
struct Confined {
    /// The word, as code spells it.
    word: &'static str,
    /// Files or folders where it may stand.
    allowed: &'static [&'static str],
    /// What the rule protects.
    reason: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        word: "rdkafka",
        allowed: &["backend/src/client", "backend/tests", "backend/examples", "tests", "embedded-broker/tests"],
        reason: "the client library can be changed in one place",
    },
    Confined {
        word: "kafka_protocol",
        allowed: &["embedded-broker/src/codec", "embedded-broker/tests", "embedded-broker/benches", "backend/src/client", "tests"],
        reason: "the codec allocates by unchecked counts; only its guard may call it",
    },
    Confined {
        word: "unsafe",
        allowed: &["backend/src/client/sys.rs", "backend/src/client/sys", "tests/architecture.rs"],
        reason: "one small module wraps librdkafka's C interface",
    },
    Confined { word: "eframe", allowed: &["app/src", "tests"], reason: "the interface runs in four hosts, only one of which is a window" },
    Confined { word: "egui", allowed: &["app", "tests"], reason: "the backend knows no pixels" },
    Confined { word: "weir_broker", allowed: &["backend", "tests", "embedded-broker"], reason: "local mode is a backend matter" },
    Confined { word: "weir_model", allowed: &["app", "backend", "tests"], reason: "the broker could be published alone" },
];

/// Words that must not stand below a folder, and why.
const BANNED: &[(&str, &[&str], &str)] = &[
    ("app/src/panels", &["std::net", "std::thread", "Mutex", "RwLock", "std::fs", "tokio"], "panels do no I/O and take no lock"),
    ("app/ui-kit/src", &["kafka", "weir_", "std::net", "std::thread", "Mutex"], "the kit can't learn Kafka"),
    ("backend/model/src", &["std::fs", "std::net", "std::thread", "tokio", "Mutex"], "the model is plain data"),
    ("backend/src/stream", &["std::fs", "std::net", "tokio", "rdkafka"], "the stream core is pure"),
    ("backend/src/sim", &["std::fs", "std::net", "tokio", "std::thread"], "worlds and generators are pure"),
    ("backend/src/truth", &["std::fs", "std::net", "tokio", "std::thread"], "checkers are pure"),
];

/// The longest file a reader should meet.
const FILE_LINES_MAX: usize = 700;

fn sources() -> Vec<Source> {
    rust_sources().expect("the repository's files can be read")
}

/// Whether `word` stands in `line` as a word of its own or as the head of a path.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_name(before) && (!is_name(after) || word.ends_with('_'))
    })
}

fn complain(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} places break a rule:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn words_stay_where_they_belong() {
    let mut complaints = Vec::new();
    for source in sources() {
        for rule in CONFINED {
            if rule.allowed.iter().any(|place| source.path == *place || source.is_under(place)) {
                continue;
            }
            for (number, line) in source.code_lines() {
                // Attributes and texts may speak of a thing without using it.
                let is_mention = line.contains("unsafe_code") || line.contains('"');
                if names(line, rule.word) && !is_mention {
                    complaints.push(format!("{}:{number}: `{}`: {}", source.path, rule.word, rule.reason));
                }
            }
        }
    }
    complain(complaints);
}

#[test]
fn folders_keep_out_what_is_banned() {
    let mut complaints = Vec::new();
    for source in sources() {
        for (folder, words, reason) in BANNED {
            // Tests beside the code, and what runs the stream core, may do what the core may not.
            if !source.is_under(folder) || source.path.contains("/tests") || source.path.contains("/stream/app") {
                continue;
            }
            for (number, line) in source.code_lines() {
                if let Some(word) = words.iter().find(|word| names(line, word) && !line.contains('"')) {
                    complaints.push(format!("{}:{number}: `{word}`: {reason}", source.path));
                }
            }
        }
    }
    complain(complaints);
}

#[test]
fn manifests_hold_the_import_rules() {
    let forbidden: &[(&str, &[&str])] = &[
        ("app/ui-kit/Cargo.toml", &["weir-backend", "weir-model", "weir-broker", "rdkafka", "kafka-protocol", "eframe"]),
        ("backend/model/Cargo.toml", &["weir-backend", "weir-broker", "weir-ui-kit", "rdkafka", "tokio", "egui"]),
        ("embedded-broker/Cargo.toml", &["weir-backend", "weir-model", "weir-ui-kit", "egui"]),
        ("backend/Cargo.toml", &["weir-ui-kit", "egui", "eframe"]),
        ("app/Cargo.toml", &["rdkafka", "kafka-protocol"]),
    ];
    let mut complaints = Vec::new();
    for (manifest, words) in forbidden {
        let text = fs::read_to_string(root().join(manifest)).expect("the manifest can be read");
        let dependencies = text.split("[dev-dependencies]").next().unwrap_or_default();
        for word in words.iter().filter(|word| dependencies.lines().any(|line| line.starts_with(**word))) {
            complaints.push(format!("{manifest}: depends on {word}"));
        }
        if dependencies.contains("git =") {
            complaints.push(format!("{manifest}: a git dependency"));
        }
    }
    let broker = fs::read_to_string(root().join("embedded-broker/Cargo.toml")).expect("the manifest can be read");
    if broker.split("[dev-dependencies]").next().unwrap_or_default().contains("rdkafka") {
        complaints.push("embedded-broker/Cargo.toml: depends on rdkafka".to_owned());
    }
    complain(complaints);
}

#[test]
fn every_file_says_what_it_is_for() {
    let complaints = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| format!("{}: no `//!` first line", source.path));
    complain(complaints.collect());
}

#[test]
fn no_file_is_too_long_to_read() {
    let complaints = sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX)
            .then(|| format!("{}: {lines} lines, more than {FILE_LINES_MAX}: it has two stories; give each its own file", source.path))
    });
    complain(complaints.collect());
}

/// Each kind of thing has one literal list; a file that its list does not name is dead or forgotten.
#[test]
fn every_member_stands_in_its_list() {
    let lists: &[(&str, &str)] = &[
        ("embedded-broker/src/api", "embedded-broker/src/api/mod.rs"),
        ("app/src/panels", "app/src/panels/mod.rs"),
        ("app/src/cli", "app/src/cli/mod.rs"),
        ("backend/src/decode", "backend/src/decode/mod.rs"),
        ("backend/src/pipelines", "backend/src/pipelines/mod.rs"),
    ];
    let mut complaints = Vec::new();
    for (folder, list) in lists {
        let list_text = fs::read_to_string(root().join(list)).unwrap_or_default();
        for entry in fs::read_dir(root().join(folder)).into_iter().flatten().flatten() {
            let name = entry.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            if name != "mod" && name != "tests" && !list_text.contains(&format!("mod {name};")) {
                complaints.push(format!("{folder}/{name} does not stand in {list}"));
            }
        }
    }
    complain(complaints);
}

#[test]
fn names_finds_words_and_not_parts_of_words() {
    let check = |line: &str, word: &str, expect: bool| assert_eq!(names(line, word), expect, "{word} in {line}");
    check("use rdkafka::Message;", "rdkafka", true);
    check("use rdkafka_sys::x;", "rdkafka", false);
    check("let egui_kittest = 1;", "egui", false);
    check("egui::Ui", "egui", true);
    check("weir_backend::x", "weir_", true);
}

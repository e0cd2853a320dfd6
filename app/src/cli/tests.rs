//! Tests over the list of subcommands.

use super::*;

#[test]
fn clap_finds_nothing_wrong() {
    command().debug_assert();
}

#[test]
fn every_subcommand_has_help_with_examples_that_parse() {
    let all = SUBCOMMANDS.iter().flat_map(|entry| entry.examples.iter().map(move |example| (entry.name, example)));
    for (name, example) in all.chain(EXAMPLES.iter().map(|example| ("weir", example))) {
        let typed = example.line.split('|').next().unwrap_or_default();
        assert!(typed.starts_with("weir"), "{name}: {typed}");
        if let Err(error) = command().try_get_matches_from(typed.split_whitespace()) {
            panic!("{name}: {typed}: {error}");
        }
        assert!(name == "weir" || typed.contains(name), "{typed} is no example of {name}");
    }
    for entry in SUBCOMMANDS {
        assert!(!entry.examples.is_empty(), "{} has no example", entry.name);
        let help = command().find_subcommand_mut(entry.name).unwrap().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains(entry.about), "{help}");
    }
}

#[test]
fn options_stand_before_the_name_or_after_it() {
    let read = |line: &str| {
        let matches = command().try_get_matches_from(line.split_whitespace())?;
        let (name, after) = matches.subcommand().ok_or_else(|| Failure::Usage("none".to_owned()))?;
        let takes = SUBCOMMANDS.iter().find(|entry| entry.name == name).unwrap().takes;
        Globals::of(&matches, WINDOW_TAKES).unwrap().and(Globals::of(after, takes).unwrap(), takes)
    };
    assert!(matches!(read("weir -X x=1 topics"), Err(Failure::Usage(_))));
    let globals = read("weir -b a:1 -X x=1 topics -X y=2").unwrap();
    assert_eq!(globals.bootstrap.as_deref(), Some("a:1"));
    assert_eq!(globals.properties.len(), 2, "neither -X is lost");
    assert_eq!(read("weir -b a:1 topics -b b:2").unwrap().bootstrap.as_deref(), Some("b:2"));
    assert!(matches!(read("weir -b a:1 broker"), Err(Failure::Usage(_))));
    assert!(matches!(read("weir --data-dir d topics"), Err(Failure::Usage(_))));
    assert!(matches!(read("weir --data-dir d run clickstream -b a:1"), Err(Failure::Usage(_))));
    assert!(read("weir --data-dir d broker").unwrap().data_dir.is_some());
}

//! Files of incidents as others publish them, and rows that are none.

use super::*;

fn shown(pairs: &[(&str, &str)]) -> Shown {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn causes_in_every_dress() {
    let (ab, c) = (shown(&[("a", "1"), ("b", "x")]), shown(&[("c", "3")]));
    for (text, expected) in [
        ("a=1&b=x", vec![ab.clone()]),
        ("b=x&a=1.0;c=3", vec![ab.clone(), c.clone()]),
        ("{'a': 1, 'b': 'x'}", vec![ab.clone()]),
        ("[{\"b\": \"x\", \"a\": 1}, {\"c\": 3}]", vec![ab, c]),
        ("", vec![]),
        ("{}", vec![]),
    ] {
        assert_eq!(parse_cause(text), expected, "{text}");
    }
}

#[test]
fn labels_come_as_tables_and_as_lists() {
    let expected =
        vec![Label { case: "one".to_owned(), at_ms: Some(1_566_397_800_000), causes: vec![shown(&[("cdn", "b"), ("p2p", "1")])] }];
    assert_eq!(labels("case,timestamp,cause\none.csv,1566397800,p2p=1&cdn=b\n"), expected);
    assert_eq!(labels("- data: one # a comment\n  timestamp: 1566397800\n  cause: {'p2p':1, 'cdn':'b'}\n"), expected);
    assert_eq!(labels("nothing of the kind"), []);
}

const SHEET: &str = "min,CDN,isp,cnt,value\n60,a,1,10,0\n60,b,1,10.0,1\n120,a,1,10,9\n120,b,1,x,1\n120,b,1,3\n120,b,1,3,4\nnever,b,1,3,1\n";

#[test]
fn rows_become_minutes_and_what_is_no_row_is_told() {
    let sheets = read(SHEET, "one", &[]).expect("a sheet");
    assert_eq!(sheets.cases.len(), 1);
    let case = &sheets.cases[0];
    assert_eq!((case.name.as_str(), case.slices.len()), ("one", 2));
    assert_eq!(case.slices[0].dimensions, ["cdn", "isp"]);
    let cell = |values: [&str; 2], total, failures| (values.map(str::to_owned).to_vec(), total, failures);
    assert_eq!(case.slices[0].cells, [cell(["a", "1"], 10, 0), cell(["b", "1"], 10, 1)]);
    assert_eq!(case.slices.iter().map(|slice| slice.is_asked).collect::<Vec<_>>(), [false, true], "the worst minute is asked about");
    assert_eq!(sheets.rejected.iter().map(|rejected| rejected.line).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert!(sheets.rejected.iter().all(|rejected| !rejected.reason.is_empty()));
}

#[test]
fn the_time_of_an_incident_comes_from_the_best_there_is() {
    let asked = |text: &str, labels: &[Label]| {
        let sheets = read(text, "one", labels).expect("a sheet");
        sheets.cases[0].slices.iter().find(|slice| slice.is_asked).map(|slice| slice.start_ms / MINUTE_MS)
    };
    let label = Label { case: "one".to_owned(), at_ms: Some(65_000), causes: vec![shown(&[("cdn", "a")])] };
    assert_eq!(asked(SHEET, &[label]), Some(1), "a table of labels says so");
    let with = |rows: [&str; 3]| format!("time,total,failures,cdn,cause,anomaly_at\n{}\n", rows.join("\n"));
    assert_eq!(asked(&with(["60,9,0,a,,", "120,9,1,a,cdn=a,", "180,9,9,a,cdn=a,"]), &[]), Some(2), "the first labelled minute");
    assert_eq!(asked(&with(["60,9,0,a,cdn=a,", "120,9,9,a,cdn=a,", "180,9,1,a,cdn=a,"]), &[]), Some(2), "a label everywhere says nothing");
    assert_eq!(asked(&with(["60,9,0,a,cdn=a,180", "120,9,9,a,cdn=a,180", "180,9,1,a,cdn=a,180"]), &[]), Some(3), "a column says so");
}

#[test]
fn a_header_that_lacks_something_is_told() {
    for (header, what) in
        [("", "empty"), ("a,b,c", "time"), ("ts,b,c", "views"), ("ts,total,c", "failures"), ("ts,total,failed", "dimension")]
    {
        let error = read(header, "one", &[]).expect_err("it lacks something");
        assert!(error.contains(what), "{header}: {error}");
    }
}

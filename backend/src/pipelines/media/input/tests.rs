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
    let sheets = read(SHEET, "one", &[], &Mapping::new()).expect("a sheet");
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
        let sheets = read(text, "one", labels, &Mapping::new()).expect("a sheet");
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
        let error = read(header, "one", &[], &Mapping::new()).expect_err("it lacks something");
        assert!(error.contains(what), "{header}: {error}");
    }
}

#[test]
fn measures_come_with_their_forecast_as_lines_of_json_and_under_other_names() {
    let one = |text: &str, mapping: &[(&str, &str)]| {
        let mapping = mapping.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect();
        let sheets = read(text, "one", &[], &mapping).expect("a sheet");
        assert_eq!(sheets.rejected, []);
        sheets.cases.into_iter().next().expect("a case").slices
    };
    let forecasts = |slice: &Slice| slice.forecasts.iter().map(|(values, parts)| (values.join("|"), parts.clone())).collect::<Vec<_>>();
    let leaf = |values: &str, parts: &[(f64, f64)]| (values.to_owned(), parts.to_vec());

    let slices = one("a,b,real,predict\na1,b1,5,10.5\na1,b2,7,7\n", &[]);
    assert_eq!(forecasts(&slices[0]), [leaf("a1|b1", &[(5.0, 10.5)]), leaf("a1|b2", &[(7.0, 7.0)])]);
    assert!(slices[0].is_asked, "what comes with its forecast needs no past");

    let slices = one("{\"ts\":60,\"isp\":\"x\",\"attempts\":9,\"failures\":1}\n{\"ts\":60,\"isp\":3,\"attempts\":4,\"failures\":0}\n", &[]);
    assert_eq!(slices[0].cells, [(vec!["3".to_owned()], 4, 0), (vec!["x".to_owned()], 9, 1)]);

    let mapping = [("time", "when"), ("total", "n"), ("failures", "broken"), ("dims", "cdn,isp")];
    let slices = one("when,n,broken,cdn,isp,count\n60,9,1,a,x,77\n", &mapping);
    assert_eq!((slices[0].dimensions.join(","), slices[0].cells.len()), ("cdn,isp".to_owned(), 1));

    let slices = one("ts;isp;attempts;ok\n60;x;9;8\n", &[]);
    assert_eq!(slices[0].cells, [(vec!["x".to_owned()], 9, 1)]);

    let slices = one("time,isp,value\n60,x,4\n120,x,6\n180,y,1\n180,x,9\n240,y,1\n", &[]);
    assert_eq!(forecasts(&slices[2]), [leaf("x", &[(9.0, 5.0)]), leaf("y", &[(1.0, 0.0)])], "the mean of the minutes before");
    assert_eq!(forecasts(&slices[3])[0], leaf("x", &[(0.0, 19.0 / 3.0)]), "what is gone deviates too");
    assert_eq!(slices.iter().map(|slice| slice.is_asked).collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn a_folder_holds_a_case_in_each_file_and_its_truth_beside_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("layer_1/injection_info.csv", "timestamp,set,level\n1450653900,a=a1&b=b2;a=a3&b=b1,0.5\n1450654200,b=b1,0.4\n");
    write("layer_1/1450653900.csv", "a,b,real,predict\na1,b2,5,10\na1,b1,7,7\n");
    write("layer_1/1450654200.csv", "a,b,real,predict\na1,b2,5,ten\na1,b1,7,7\n");
    write("quotient/injection_info.csv", "timestamp,set\n1450653900,a=a1\n");
    write("quotient/1450653900.a.csv", "a,real,predict\na2,1,1\na1,8,9\n");
    write("quotient/1450653900.b.csv", "a,real,predict\na1,10,11\na2,2,2\n");
    let (sheets, rejected) = open(&folder.path().to_string_lossy()).expect("a folder of cases");
    let names: Vec<_> = sheets.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["layer_1/1450653900", "layer_1/1450654200", "quotient/1450653900"]);
    let causes = |at: usize| sheets.cases[at].causes.clone();
    let named = |causes: &[Shown]| causes.to_vec();
    let both = named(&[shown(&[("a", "a1"), ("b", "b2")]), shown(&[("a", "a3"), ("b", "b1")])]);
    assert_eq!(causes(0), [("layer_1/1450653900".to_owned(), both)]);
    assert_eq!(causes(1)[0].1, [shown(&[("b", "b1")])]);
    assert_eq!(causes(2)[0].1, [shown(&[("a", "a1")])]);
    assert_eq!(
        sheets.cases[2].slices[0].forecasts,
        [(vec!["a1".to_owned()], vec![(8.0, 9.0), (10.0, 11.0)]), (vec!["a2".to_owned()], vec![(1.0, 1.0), (2.0, 2.0)]),]
    );
    assert!(sheets.cases.iter().all(|case| case.slices.iter().all(|slice| slice.is_asked)));
    assert_eq!(rejected.len(), 1, "{rejected:?}");
}

#[test]
fn several_minutes_of_one_file_may_be_labelled_each() {
    let rows: String = (1..=6).map(|minute| format!("{},a,10,{}\n", minute * 60, minute % 3)).collect();
    let text = format!("time,cdn,total,failures\n{rows}");
    let label = |at_ms: i64, cdn: &str| Label { case: at_ms.to_string(), at_ms: Some(at_ms), causes: vec![shown(&[("cdn", cdn)])] };
    let sheets = read(&text, "one", &[label(180_000, "a"), label(360_000, "b")], &Mapping::new()).expect("a sheet");
    let case = &sheets.cases[0];
    assert_eq!(case.causes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["one@180000", "one@360000"]);
    let asked: Vec<_> = case.slices.iter().filter(|slice| slice.is_asked).map(|slice| slice.start_ms).collect();
    assert_eq!(asked, [180_000, 360_000]);
}

#[test]
fn packed_files_are_read_like_plain_ones() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a folder");
    let text = "minute,cdn,total,failures,cause\n0,a,10,1,\n60,a,10,9,cdn=a\n";
    std::fs::write(folder.path().join("plain.csv"), text).expect("written");
    let file = std::fs::File::create(folder.path().join("packed.csv.gz")).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("written");
    packed.finish().expect("written");
    let (sheets, rejected) = open(&folder.path().to_string_lossy()).expect("read");
    assert!(rejected.is_empty(), "{rejected:?}");
    let names: Vec<_> = sheets.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["packed", "plain"]);
    assert_eq!(sheets.cases[0].slices, sheets.cases[1].slices);
    let (alone, _) = open(&folder.path().join("packed.csv.gz").to_string_lossy()).expect("read");
    assert_eq!(alone.cases[0].slices, sheets.cases[0].slices);
}

#[test]
fn dates_and_counts_are_read_as_the_file_writes_them() {
    let sheet = |mapping: &[(&str, &str)], text: &str| {
        let mapping: Mapping = mapping.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sheets = read(text, "one", &[], &mapping)?;
        let of = |slice: &Slice| (slice.start_ms / MINUTE_MS, slice.dimensions.clone(), slice.cells.clone());
        Ok::<_, String>(sheets.cases[0].slices.iter().map(of).collect::<Vec<_>>())
    };
    let cells = |minute, cdn: &str, total, failures| (minute, vec!["cdn".to_owned()], vec![(vec![cdn.to_owned()], total, failures)]);
    let apart = "Date;Time;CDN;Total;Failures\n29/03/2025;14:05;\"a\nb\";1.020,0;5\n03/04/2025;14:05:59;a;980;1\n;;;;\n";
    assert_eq!(sheet(&[], apart), Ok(vec![cells(29_054_285, "a\nb", 1_020, 5), cells(29_061_485, "a", 980, 1)]));
    let open = "time,cdn,total,failures\n03/04/2025 14:05,a,\"1,020\",5\n";
    assert!(sheet(&[], open).is_err_and(|why| why.contains("?dates=dmy")));
    assert_eq!(sheet(&[("dates", "dmy")], open), Ok(vec![cells(29_061_485, "a", 1_020, 5)]), "no view is a fraction of one");
    let forecast = "time,cdn,real,predict\n03/13/2025 14:05,a,\"1,020\",\"1,030\"\n";
    assert!(sheet(&[], forecast).is_err_and(|why| why.contains("?decimal=point")));
    let nested = r#"{"time":1743257100,"dims":{"cdn":"a"},"total":"1.020","failures":5}"#;
    let cells = vec![(29_054_285, vec!["dims.cdn".to_owned()], vec![(vec!["a".to_owned()], 1_020, 5)])];
    assert_eq!(sheet(&[], nested), Ok(cells));
}

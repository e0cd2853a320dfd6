//! Tables as they come, and what is read of them.

use super::*;

fn table(mapping: &str, text: &str) -> Table {
    read(text, &Mapping::parse(mapping).unwrap()).unwrap()
}

/// Names, and values by row.
fn values(table: &Table) -> Vec<(&str, Vec<f64>)> {
    let figures = |series: &Series| series.rows.iter().flat_map(|row| row.figures.clone()).collect();
    table.series.iter().map(|series| (series.name.as_str(), figures(series))).collect()
}

#[test]
fn tables_of_benchmarks_are_read() {
    let nab = table("", "timestamp,value\n2014-02-14 14:30:00,0.132\n2014-02-14 14:35:00,x\n\n2014-02-14 14:40:00,0.134\n");
    assert_eq!(values(&nab), [("", vec![0.132, 0.134])]);
    assert_eq!(nab.series[0].times(), [1_392_388_200_000, 1_392_388_800_000]);
    let rejected = Rejected { line: 3, text: "2014-02-14 14:35:00,x".to_owned(), why: "`x` is no number".to_owned() };
    assert_eq!(nab.rejected, [rejected]);

    let skab = "datetime;Accelerometer1RMS;Current;anomaly;changepoint\n\
                2020-03-09 10:14:33;0.026588;1.33;0.0;0.0\n2020-03-09 10:14:34;0.026170;1.35;1.0;1.0\n2020-03-09 10:14:35;0.026199;1.41;1.0;0.0\n";
    let skab = table("", skab);
    assert_eq!(values(&skab), [("", vec![0.026_588, 1.33, 0.026_17, 1.35, 0.026_199, 1.41])]);
    assert!(skab.series[0].is_machine && skab.rejected.is_empty());
    assert_eq!(skab.series[0].windows(), [(1, 2)]);
}

#[test]
fn columns_of_text_and_row_numbers_are_no_values() {
    let text = ",Timestamp,STATUS,Temp,Note,Flow\r\n\
                0,2020-01-01T00:00:00+01:00,NORMAL,1.5,\"a, b\",7\r\n1,2020-01-01T00:01:00+01:00,NORMAL,2.5,,8\r\n";
    let read = table("", text);
    assert_eq!(values(&read), [("temp", vec![1.5, 2.5]), ("flow", vec![7.0, 8.0])]);
    assert_eq!(read.series[0].times(), [1_577_833_200_000, 1_577_833_260_000]);
    let read = table("label=status", &text.replacen("1,2020-01-01T00:01:00+01:00,NORMAL", "1,2020-01-01T00:01:00+01:00,BROKEN", 1));
    assert_eq!((read.series.len(), read.series[0].is_machine, read.series[0].windows()), (1, true, vec![(1, 1)]));
}

#[test]
fn labels_are_numbers_or_words() {
    let check = |label: &str, expect: bool| assert_eq!(is_anomalous(label), expect, "{label}");
    ["1", "1.0", "True", "yes", "anomaly", "BROKEN"].into_iter().for_each(|label| check(label, true));
    ["0", "0.0", "False", "no", "normal", "", "NaN", "-1"].into_iter().for_each(|label| check(label, false));
    let read = table("", "ts,value,is_anomaly\n1,5,False\n2,6,True\n3,7,true\n4,8,FALSE\n5,9,True\n");
    assert_eq!(read.series[0].windows(), [(1, 2), (4, 4)]);
    assert!(!read.series[0].is_machine, "one value is a series");
}

#[test]
fn a_mapping_names_columns_of_a_table_or_of_json() {
    let csv = "at,room,celsius,lux\n10,a,20.5,3\n20,b,21.5,4\n30,a,22.5,5\n";
    let json = "{\"at\":10,\"room\":\"a\",\"celsius\":20.5}\n{\"at\":20,\"room\":\"b\",\"celsius\":21.5}\n{\"at\":30,\"room\":\"a\",\"celsius\":22.5}\n";
    for text in [csv, json] {
        let read = table("timestamp=at&value=celsius&series=room", text);
        assert_eq!(values(&read), [("a", vec![20.5, 22.5]), ("b", vec![21.5])], "{text}");
        assert_eq!(read.series[0].times(), [10_000, 30_000]);
    }
    let read = table("timestamp=at&value=celsius+lux&series=room", csv);
    assert_eq!(values(&read)[..2], [("a:celsius", vec![20.5, 22.5]), ("a:lux", vec![3.0, 5.0])]);
    let own = "{\"device_id\":\"d1\",\"ts\":5000,\"sensor_type\":\"field\",\"temperature_c\":20.5,\"is_on\":false}\n";
    assert_eq!(values(&table("", own)), [("d1", vec![20.5])]);
}

#[test]
fn what_was_not_measured_is_left_out_or_as_it_was() {
    let read = table("", "ts,a,b\n1,1,\n2,,NaN\n3,x,6\n4,inf,7\n5,2,8\n");
    assert_eq!(values(&read), [("a", vec![1.0, 2.0]), ("b", vec![6.0, 7.0, 8.0])]);
    assert_eq!(read.rejected.len(), 1, "a row without any value is none: {:?}", read.rejected);
    let read = table("", "ts,a,b,anomaly\n1,,5,0\n2,1,6,0\n3,,7,0\n");
    assert_eq!(values(&read), [("", vec![1.0, 6.0, 1.0, 7.0])]);
    assert_eq!(read.rejected.len(), 1, "{:?}", read.rejected);
    assert_eq!(values(&table("", "ts;value\n1;2,5\n2;3,5\n")), [("", vec![2.5, 3.5])]);
}

#[test]
fn rows_out_of_order_are_set_in_order_and_clocks_that_are_set_back_are_not() {
    let newest_first: String = (0..50).rev().map(|second| format!("{second},{second}\n")).collect();
    let read = table("", &format!("ts,value\n{newest_first}"));
    assert!(read.series[0].times().is_sorted());
    // An hour comes twice in autumn.
    let set_back: String = (0..300).map(|at| format!("{},{at}\n", if at < 200 { at } else { at - 60 })).collect();
    let read = table("", &format!("ts,value\n{set_back}"));
    assert!(!read.series[0].times().is_sorted() && values(&read)[0].1.is_sorted());
    let twice = table("", "ts,value\n1,5\n1,6\n1,7\n");
    assert_eq!(values(&twice), [("", vec![5.0, 6.0, 7.0])], "equal times stay as they are");
}

#[test]
fn what_is_no_table_says_why() {
    for (text, why) in [
        ("", "empty"),
        ("a,b\n1,2\n", "no column is a time; there are: a, b"),
        ("timestamp\n1\n", "no column has values"),
        ("timestamp,status\n1,ok\n", "no column has values"),
    ] {
        let error = read(text, &Mapping::default()).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn dates_and_numbers_are_read_as_the_table_writes_them() {
    // As the UCI repository has the air's quality.
    let air = "Date;Time;CO(GT);T;;\n10/03/2004;18.00.00;2,6;1.020,5;;\n10/03/2004;19.00.00;2;13,3;;\n28/03/2004;20.00.00;?;11;;\n;;;;;\n";
    let air = table("", air);
    assert_eq!(values(&air), [("co(gt)", vec![2.6, 2.0]), ("t", vec![1_020.5, 13.3, 11.0])]);
    assert_eq!((air.series[0].times(), air.rejected.len()), (vec![1_078_941_600_000, 1_078_945_200_000], 0));
    let export = "Time,Value\n3/4/2025 2:05 PM,\"1,020.5\"\n3/29/2025 2:05 PM,\"1,020\"\nTime,Value\nsoon,5\n";
    let export = table("", export);
    assert_eq!(values(&export), [("", vec![1_020.5, 1_020.0])]);
    assert_eq!(export.series[0].times(), [1_741_097_100_000, 1_743_257_100_000]);
    assert_eq!(export.rejected.iter().map(|row| row.line).collect::<Vec<_>>(), [5]);
    let days = table("", "date,value\n20250329,1\n20250330,2\n");
    assert_eq!(days.series[0].times(), [1_743_206_400_000, 1_743_292_800_000]);
    let open = "date;value\n03/04/2025;1,020\n03/05/2025;1,030\n";
    for (mapping, why) in [("", "?dates=dmy"), ("dates=dmy", "?decimal=comma")] {
        let error = read(open, &Mapping::parse(mapping).unwrap()).unwrap_err();
        assert!(error.contains(why), "{mapping}: {error}");
    }
    let told = table("dates=mdy&decimal=comma", open);
    assert_eq!((values(&told), told.series[0].times()), (vec![("", vec![1.02, 1.03])], vec![1_741_046_400_000, 1_741_132_800_000]));
}

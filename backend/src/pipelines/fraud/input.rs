//! Real payments in place of the world: CSV with a header, or JSON by lines. Columns are known by the pipeline's own names and by those of
//! the Fraud Detection Handbook's, of Sparkov's and of PaySim's files; others are passed over. Where a file calls them differently, a
//! mapping says how: `FILE?account=payer&amount=total`, and how dates and numbers are written where it leaves that open:
//! `FILE?dates=dmy&decimal=comma`.

use std::collections::BTreeMap;

use super::{AccountId, TransactionId, records::Transaction, settings::HOUR_MS};
use crate::pipelines::given::{Dialect, Sniff, Told, is_blank, is_same_name, separator_of, split};

/// A column that is needed or used, under the names it may have; those with a plus between them make one.
const COLUMNS: [(Column, &[&str]); 19] = [
    (Column::Transaction, &["transaction_id", "tx_id", "trans_num", "id"]),
    (
        Column::Time,
        &["ts", "tx_datetime", "datetime", "timestamp", "trans_date_trans_time", "date+time", "time", "transaction_date", "date"],
    ),
    // Simulations count hours: PaySim's.
    (Column::Step, &["step"]),
    (Column::Account, &["account_id", "customer_id", "card_id", "cc_num", "user_id", "nameorig"]),
    (Column::Terminal, &["terminal_id", "merchant_id", "merchant", "namedest"]),
    (Column::AmountMinor, &["amount_minor"]),
    (Column::Amount, &["amount", "tx_amount", "amt"]),
    (Column::IsFraud, &["is_fraud", "tx_fraud", "isfraud", "fraud", "class", "label"]),
    // Where the shop is comes first: Sparkov's `lat` is the cardholder's home.
    (Column::Latitude, &["merch_lat", "lat"]),
    (Column::Longitude, &["merch_long", "lon"]),
    (Column::Currency, &["ccy", "currency"]),
    (Column::Channel, &["channel"]),
    (Column::Country, &["country"]),
    (Column::Device, &["device_id"]),
    (Column::Ip, &["ip", "ip_address"]),
    // A column may be two things: where nothing else names the account, its card does.
    (Column::Card, &["card_id", "cc_num"]),
    (Column::User, &["user_id"]),
    (Column::Merchant, &["merchant_id", "merchant"]),
    (Column::Mcc, &["mcc"]),
];
/// What a mapping calls the columns.
const MAPPED: [(&str, Column); 19] = [
    ("id", Column::Transaction),
    ("time", Column::Time),
    ("step", Column::Step),
    ("account", Column::Account),
    ("terminal", Column::Terminal),
    ("amount_minor", Column::AmountMinor),
    ("amount", Column::Amount),
    ("label", Column::IsFraud),
    ("lat", Column::Latitude),
    ("lon", Column::Longitude),
    ("ccy", Column::Currency),
    ("channel", Column::Channel),
    ("country", Column::Country),
    ("device", Column::Device),
    ("ip", Column::Ip),
    ("card", Column::Card),
    ("user", Column::User),
    ("merchant", Column::Merchant),
    ("mcc", Column::Mcc),
];
/// A trillion of major units.
const AMOUNT_MAX_MINOR: i64 = 100_000_000_000_000;
/// The year 2200.
const TIME_MAX_MS: i64 = 7_258_118_400_000;
/// The longest part of a bad row that is kept.
pub const ROW_SHOWN_MAX: usize = 2_000;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Transaction,
    Time,
    Step,
    Account,
    Terminal,
    AmountMinor,
    Amount,
    IsFraud,
    Latitude,
    Longitude,
    Currency,
    Channel,
    Country,
    Device,
    Ip,
    Card,
    User,
    Merchant,
    Mcc,
}

/// A row as a payment, with its label where the file has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The payment.
    pub transaction: Transaction,
    /// Whether it was a fraud, where that is known.
    pub is_fraud: Option<bool>,
}

/// Names that columns have in this input alone.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Mapping {
    columns: BTreeMap<Column, String>,
    /// How dates and numbers are written.
    dialect: Told,
}

impl Mapping {
    /// `account=payer&amount=total`.
    ///
    /// # Errors
    /// When a part is no `name=column`, or the name is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mapping = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let known = || MAPPED.map(|(name, _)| name).join(", ");
            let (name, column) = part.split_once('=').ok_or_else(|| format!("`{part}` is not like account=COLUMN"))?;
            if mapping.dialect.take(name, column)? {
                continue;
            }
            let of = MAPPED.iter().find(|(it, _)| *it == name);
            let of = of.ok_or_else(|| format!("there is no field {name}, only {}, {}", known(), Told::NAMES))?;
            mapping.columns.insert(of.1, column.to_owned());
        }
        Ok(mapping)
    }

    /// The names a column may have, by preference: none but the mapped one, where there is one.
    fn names<'a>(&'a self, column: Column, known: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        let mapped = self.columns.get(&column);
        mapped.map(String::as_str).into_iter().chain(known.iter().copied().filter(move |_| mapped.is_none()))
    }
}

/// Reads rows one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    kind: Kind,
    mapping: Mapping,
    dialect: Dialect,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Fields by the header's order.
    Csv(Header),
    /// An object in each line.
    Jsonl,
}

/// Where the columns stand.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    text: String,
    /// One column, or a date's and a clock's.
    columns: BTreeMap<Column, Vec<usize>>,
    count: usize,
    separator: char,
}

impl Format {
    /// Recognises the format by the first line; tells whether that line is a header, and no row.
    ///
    /// # Errors
    /// When a column that is needed is missing; says which.
    pub fn of(first_line: &str, mapping: &Mapping) -> Result<(Self, bool), String> {
        let format = |kind| Self { kind, mapping: mapping.clone(), dialect: Dialect::default() };
        if first_line.trim_start().starts_with('{') {
            return Ok((format(Kind::Jsonl), false));
        }
        let separator = separator_of(first_line);
        let names = split(first_line, separator).fields;
        let place = |name: &str| names.iter().position(|it| is_same_name(it, name));
        let mut columns = BTreeMap::new();
        for (wanted, known) in COLUMNS {
            // The order of the known names is that of preference.
            let all = |name: &str| name.split('+').map(place).collect::<Option<Vec<_>>>();
            columns.extend(mapping.names(wanted, known).find_map(all).map(|at| (wanted, at)));
        }
        let has = |column| columns.contains_key(&column);
        if !has(Column::Time) && !has(Column::Step) {
            return Err(missing("time", Column::Time));
        }
        for (column, name) in [(Column::Account, "account"), (Column::Terminal, "terminal")] {
            if !has(column) {
                return Err(missing(name, column));
            }
        }
        if !has(Column::Amount) && !has(Column::AmountMinor) {
            return Err(missing("amount", Column::Amount));
        }
        let text = first_line.trim().to_owned();
        Ok((format(Kind::Csv(Header { text, columns, count: names.len(), separator })), true))
    }

    /// The same, with dates and numbers as these rows write them.
    ///
    /// # Errors
    /// When the rows leave it open.
    pub fn sniffed(mut self, rows: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut sniff = Sniff::new(self.mapping.dialect);
        for row in rows {
            if sniff.is_enough() {
                break;
            }
            let Ok(fields) = self.fields(&row) else { continue };
            let text = |column| fields.get(&column).map_or("", String::as_str);
            sniff.time(text(Column::Time));
            sniff.number(text(Column::Amount));
        }
        self.dialect = sniff.dialect()?;
        Ok(self)
    }

    /// Whether a line says nothing: it is blank, or the header once more, as in files that were put together of several.
    pub fn is_idle(&self, line: &str) -> bool {
        match &self.kind {
            Kind::Csv(header) => line.trim() == header.text || is_blank(line, header.separator),
            Kind::Jsonl => line.trim().is_empty(),
        }
    }

    /// Whether a line is not all of a row: it ends within quotes.
    pub fn is_unfinished(&self, line: &str) -> bool {
        matches!(&self.kind, Kind::Csv(header) if line.contains('"') && split(line, header.separator).is_open)
    }

    /// Whether this is a row with as many fields as the header.
    pub fn is_whole(&self, row: &str) -> bool {
        let Kind::Csv(header) = &self.kind else { return true };
        let row = split(row, header.separator);
        !row.is_open && !row.is_odd && row.fields.len() == header.count
    }

    /// A line as a payment; `number` names it where it has no id of its own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn row(&self, line: &str, number: u64) -> Result<Row, String> {
        row(&self.fields(line)?, self.dialect, number)
    }

    fn fields(&self, line: &str) -> Result<BTreeMap<Column, String>, String> {
        let mut fields = BTreeMap::new();
        match &self.kind {
            Kind::Csv(header) => {
                let row = split(line, header.separator);
                if row.is_open {
                    return Err("a quote in it is not closed".to_owned());
                }
                let values = row.fields;
                for (column, places) in &header.columns {
                    let parts: Vec<_> = places.iter().filter_map(|at| values.get(*at)).map(|value| value.trim()).collect();
                    if parts.len() < places.len() {
                        return Err(format!("it has {} fields, the header {}", values.len(), header.count));
                    }
                    fields.insert(*column, parts.join(" "));
                }
            }
            Kind::Jsonl => {
                let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
                let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let one = |name: &str| object.iter().find(|(key, _)| is_same_name(key, name)).map(|(_, value)| text(value));
                let all = |name: &str| name.split('+').map(one).collect::<Option<Vec<_>>>().map(|parts| parts.join(" "));
                for (wanted, known) in COLUMNS {
                    fields.extend(self.mapping.names(wanted, known).find_map(all).map(|value| (wanted, value)));
                }
            }
        }
        Ok(fields)
    }
}

fn missing(name: &str, column: Column) -> String {
    let names = COLUMNS.iter().find(|(it, _)| *it == column).map(|(_, names)| names.join(", ")).unwrap_or_default();
    format!("there is no column for the {name}; it may be called {names}; map another by FILE?{name}=COLUMN")
}

fn row(fields: &BTreeMap<Column, String>, dialect: Dialect, number: u64) -> Result<Row, String> {
    let text = |column, name: &str| match fields.get(&column) {
        Some(value) if !value.is_empty() => Ok(value.as_str()),
        _ => Err(format!("the {name} is missing")),
    };
    let float = |column| fields.get(&column).and_then(|value| value.parse().ok()).filter(|value: &f64| value.is_finite());
    let amount_minor = match fields.get(&Column::AmountMinor) {
        Some(minor) => minor.parse().map_err(|_| format!("the amount `{minor}` is no integer"))?,
        None => minor_units(text(Column::Amount, "amount")?, dialect)?,
    };
    let given = |column| fields.get(&column).filter(|value| *value != "null").cloned().unwrap_or_default();
    let transaction = Transaction {
        transaction_id: TransactionId(text(Column::Transaction, "id").map_or_else(|_| number.to_string(), str::to_owned)),
        account_id: AccountId(text(Column::Account, "account")?.to_owned()),
        terminal_id: text(Column::Terminal, "terminal")?.into(),
        ts: time_ms(fields, dialect)?,
        amount_minor,
        ccy: given(Column::Currency),
        channel: given(Column::Channel),
        country: given(Column::Country),
        lat: float(Column::Latitude),
        lon: float(Column::Longitude),
        device_id: given(Column::Device).into(),
        ip: given(Column::Ip),
        card_id: given(Column::Card).into(),
        user_id: given(Column::User).into(),
        merchant_id: given(Column::Merchant).into(),
        mcc: given(Column::Mcc),
    };
    let is_fraud = match fields.get(&Column::IsFraud).map(|value| value.to_ascii_lowercase()) {
        None => None,
        Some(value) => match value.as_str() {
            "" | "null" => None,
            "1" | "true" | "1.0" | "yes" => Some(true),
            "0" | "false" | "0.0" | "no" => Some(false),
            other => return Err(format!("the label `{other}` is neither 0 nor 1")),
        },
    };
    Ok(Row { transaction, is_fraud })
}

/// Major units with at most two digits after the point, exactly; with more, rounded.
fn minor_units(text: &str, dialect: Dialect) -> Result<i64, String> {
    let minor = dialect.numbers.hundredths(text).map_err(|why| format!("the amount {why}"))?;
    if (0..AMOUNT_MAX_MINOR).contains(&minor) { Ok(minor) } else { Err(format!("the amount `{text}` is out of range")) }
}

/// A number since the epoch or a date with a time and perhaps a zone, or the hour of a simulation that counts them.
fn time_ms(fields: &BTreeMap<Column, String>, dialect: Dialect) -> Result<i64, String> {
    let told = |column| fields.get(&column).map(String::as_str).filter(|text| !text.is_empty());
    let (text, ms) = match (told(Column::Time), told(Column::Step)) {
        (Some(time), _) => (time, dialect.dates.parse_ms(time)),
        (None, Some(step)) => (step, step.parse::<u32>().ok().map(|step| i64::from(step) * HOUR_MS)),
        (None, None) => return Err("the time is missing".to_owned()),
    };
    let wrong = || format!("the time {}, such as 2018-04-01 00:07:56 or epoch seconds", dialect.dates.why_not(text));
    ms.filter(|ms| (0..TIME_MAX_MS).contains(ms)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDBOOK: &str =
        ",TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,TX_FRAUD_SCENARIO";

    fn parse(header: &str, line: &str) -> Result<Row, String> {
        let (format, is_header) = Format::of(header, &Mapping::default())?;
        format.row(if is_header { line } else { header }, 7)
    }

    #[test]
    fn the_handbooks_rows_are_payments() {
        let row = parse(HANDBOOK, "0,0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0\r\n").unwrap();
        let expected = (1_522_540_831_000, "596", "3156", 5_716, Some(false));
        let payment = row.transaction;
        assert_eq!((payment.ts, &*payment.account_id.0, &*payment.terminal_id.0, payment.amount_minor, row.is_fraud), expected);
        assert_eq!(payment.transaction_id.0, "0");
    }

    #[test]
    fn other_files_are_read_too() {
        let jsonl = r#"{"ts":1522540831000,"account_id":"a","terminal_id":"t","amount_minor":5716,"is_fraud":true,"else":[1]}"#;
        let row = parse(jsonl, "").unwrap();
        assert_eq!((row.transaction.amount_minor, row.transaction.transaction_id.0.as_str(), row.is_fraud), (5_716, "7", Some(true)));
        let row = parse("timestamp;card_id;\"merchant\";amount", "1522540831;a;\"b;\"\"c\";1.005").unwrap();
        assert_eq!((row.transaction.ts, row.transaction.terminal_id.0.as_str(), row.is_fraud), (1_522_540_831_000, "b;\"c", None));
        let payment = row.transaction;
        assert_eq!(
            (&*payment.account_id.0, &*payment.card_id.0, &*payment.merchant_id.0),
            ("a", "a", "b;\"c"),
            "a column may be two things"
        );
    }

    #[test]
    fn the_pipelines_own_records_are_read_whole() {
        let text = r#"{"transaction_id":"7","account_id":"a","terminal_id":"t","ts":1522540831000,"amount_minor":5716,"ccy":"EUR",
            "channel":"online","country":"BE","lat":50.5,"lon":4.5,"device_id":"d","ip":"10.0.0.1","card_id":"k","user_id":"u",
            "merchant_id":"s","mcc":"5411"}"#;
        let payment: Transaction = serde_json::from_str(text).unwrap();
        assert_eq!(parse(&serde_json::to_string(&payment).unwrap(), "").unwrap().transaction, payment);
    }

    #[test]
    fn a_mapping_names_columns() {
        let mapping = Mapping::parse("account=payer&terminal=shop&amount=total&time=at&label=bad").unwrap();
        for (header, line) in [
            ("at,payer,account_id,shop,total,bad", "1522540831,a,no,s,10.5,1"),
            (r#"{"at":1522540831,"payer":"a","account_id":"no","shop":"s","total":10.5,"bad":1}"#, ""),
        ] {
            let (format, is_header) = Format::of(header, &mapping).unwrap();
            let row = format.row(if is_header { line } else { header }, 1).unwrap();
            assert_eq!((&*row.transaction.account_id.0, row.transaction.amount_minor, row.is_fraud), ("a", 1_050, Some(true)));
        }
        assert!(Format::of("ts,payer,shop,total", &mapping).unwrap_err().contains("no column for the time"));
        for (wrong, why) in [("payer", "not like"), ("who=payer", "no field who")] {
            assert!(Mapping::parse(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn sparkovs_rows_are_payments_where_the_shop_is() {
        let header = ",trans_date_trans_time,cc_num,merchant,category,amt,lat,long,trans_num,unix_time,merch_lat,merch_long,is_fraud";
        let row = parse(header, "0,2019-01-01 00:00:18,27,fraud_Rippin,misc_net,4.97,36.0,-81.1,0b24,1325376018,36.5,-82.5,0").unwrap();
        let payment = row.transaction;
        assert_eq!((payment.lat, payment.lon, &*payment.account_id.0), (Some(36.5), Some(-82.5), "27"));
        assert_eq!((payment.ts, payment.amount_minor, row.is_fraud), (1_546_300_818_000, 497, Some(false)));
    }

    #[test]
    fn what_is_no_payment_says_why() {
        for (line, why) in [
            ("0,0,yesterday,596,3156,57.16,31,0,0,0", "the time `yesterday`"),
            ("0,0,2018-13-01 00:00:31,596,3156,57.16,31,0,0,0", "the time `2018-13"),
            ("0,0,2018-04-01 00:00:31,,3156,57.16,31,0,0,0", "the account is missing"),
            ("0,0,2018-04-01 00:00:31,596,3156,much,31,0,0,0", "the amount `much` is no number"),
            ("0,0,2018-04-01 00:00:31,596,3156,-5,31,0,0,0", "out of range"),
            ("0,0,2018-04-01 00:00:31,596,3156,57.16,31,0,maybe,0", "the label `maybe`"),
            ("0,0,2018-04-01 00:00:31", "it has 3 fields"),
        ] {
            let error = parse(HANDBOOK, line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
        assert!(Format::of("a,b,c", &Mapping::default()).unwrap_err().contains("no column for the time"));
        assert!(parse(r#"{"ts":5}"#, "").unwrap_err().contains("missing"));
    }

    #[test]
    fn times_have_zones_and_simulations_count_hours() {
        for (time, ms) in [("2018-04-01T02:00:31+02:00", 1_522_540_831_000), ("2018-04-01 00:00:31.500 UTC", 1_522_540_831_500)] {
            assert_eq!(parse("ts,account_id,terminal_id,amount", &format!("{time},a,t,1")).unwrap().transaction.ts, ms, "{time}");
        }
        // As PaySim writes it.
        let header = "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,isFlaggedFraud";
        let row = parse(header, "743,TRANSFER,181.0,C1305486145,181.0,0.0,C553264065,0.0,0.0,1,0").unwrap();
        let payment = row.transaction;
        assert_eq!((payment.ts, &*payment.account_id.0, &*payment.terminal_id.0), (743 * HOUR_MS, "C1305486145", "C553264065"));
        assert_eq!((payment.amount_minor, row.is_fraud), (18_100, Some(true)));
        assert!(parse(header, "soon,TRANSFER,181.0,C1,181.0,0.0,C5,0.0,0.0,1,0").unwrap_err().contains("the time `soon`"));
    }

    #[test]
    fn dates_and_amounts_are_read_as_the_file_writes_them() {
        let read = |mapping: &str, text: &str| {
            let (header, rows) = text.split_once('\n').unwrap();
            let rows: Vec<_> = rows.lines().map(str::to_owned).collect();
            let (format, _) = Format::of(header, &Mapping::parse(mapping)?)?;
            let format = format.sniffed(rows.clone().into_iter())?;
            let of = |row: &String| format.row(row, 1).map(|row| (row.transaction.ts / 1_000, row.transaction.amount_minor));
            rows.iter().map(of).collect::<Result<Vec<_>, String>>()
        };
        let bank = "Date;Time;Account ID;Merchant;Amount\n29.03.2025;14:05;a;m;1.020,50\n03.04.2025;14:05;a;m;12,34 €\n";
        assert_eq!(read("", bank), Ok(vec![(1_743_257_100, 102_050), (1_743_689_100, 1_234)]));
        let us = "Transaction Date,User ID,Merchant,Amount\n3/29/2025 2:05 PM,a,m,\"$1,020.50\"\n3/4/2025,a,m,$5\n";
        assert_eq!(read("", us), Ok(vec![(1_743_257_100, 102_050), (1_741_046_400, 500)]));
        let open = "date;account_id;merchant;amount\n03/04/2025;a;m;1,020\n";
        assert!(read("", open).is_err_and(|why| why.contains("?dates=dmy")));
        assert!(read("dates=dmy", open).is_err_and(|why| why.contains("?decimal=comma")));
        assert_eq!(read("dates=dmy&decimal=point", open), Ok(vec![(1_743_638_400, 102_000)]));
    }
}

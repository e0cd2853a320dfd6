//! A file as lines of UTF-8, whatever it is packed and written in: gzip, UTF-16, a mark at its beginning, one array of JSON objects.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::lines::{JsonLines, is_json_to_part};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const UTF_8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// How files begin that must be unpacked or converted first.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a zip archive, or a spreadsheet: unpack it, or save it as CSV"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it"),
    (b"\xfd7zXZ", "packed by xz: unpack it"),
    (b"BZh", "packed by bzip2: unpack it"),
    (b"PAR1", "a Parquet file: convert it to CSV or JSON lines"),
    (b"SQLite format 3", "an SQLite database: export a table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet: save it as CSV"),
];

/// Opens a file.
///
/// # Errors
/// When it can't be read, or is of a kind that has no lines.
pub(in crate::pipelines) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    let is_gzip = file.fill_buf()?.starts_with(&GZIP);
    if is_gzip { decoded(BufReader::new(MultiGzDecoder::new(file))) } else { decoded(file) }
}

/// The text of a file that has no more bytes than this; what is no UTF-8 in it becomes a sign of that.
///
/// # Errors
/// When it can't be read, or is too long.
pub(in crate::pipelines) fn text_of(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|reader| reader.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it has more than {} GiB", bytes_max >> 30));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn decoded(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let start = reader.fill_buf()?;
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is {what} first")));
    }
    if let Some(is_little) = utf_16(start) {
        return lines(BufReader::new(Utf16 { reader, is_little, rest: Vec::new() }));
    }
    lines(reader)
}

fn lines(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    if reader.fill_buf()?.starts_with(&UTF_8_MARK) {
        reader.consume(UTF_8_MARK.len());
    }
    let is_json = is_json_to_part(reader.fill_buf()?);
    Ok(if is_json { Box::new(BufReader::new(JsonLines::new(reader))) } else { Box::new(reader) })
}

/// Whether a file that begins so has two bytes for each sign of ASCII; and whether the lower one is the first.
fn utf_16(start: &[u8]) -> Option<bool> {
    let (pairs, _) = start.as_chunks::<2>();
    let share = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count() * 2 >= pairs.len().max(1);
    match (share(0), share(1)) {
        (false, true) => Some(true),
        (true, false) => Some(false),
        _ => None,
    }
}

/// UTF-16 as UTF-8.
struct Utf16<R> {
    reader: R,
    is_little: bool,
    /// Decoded, and not yet read.
    rest: Vec<u8>,
}

/// Units that are decoded at a time.
const UNITS: u64 = 4_096;

impl<R: BufRead> Utf16<R> {
    fn units(&mut self, count: u64) -> io::Result<Vec<u16>> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(count * 2).read_to_end(&mut bytes)?;
        let (pairs, _) = bytes.as_chunks::<2>();
        let unit = |pair: &[u8; 2]| if self.is_little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
        Ok(pairs.iter().map(unit).collect())
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let mut units = self.units(UNITS)?;
            if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
                units.extend(self.units(1)?);
            }
            self.rest = String::from_utf16_lossy(&units).into_bytes();
        }
        let count = self.rest.len().min(out.len());
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        text_of(file.path(), 1 << 20)
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn texts_are_read_in_what_they_are_written() {
        let text = "ts,value\n1,2 °C 😀\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&utf16(text, u16::to_le_bytes)).unwrap();
        let marked = format!("\u{feff}{text}");
        for (name, bytes) in [
            ("plain", text.as_bytes().to_vec()),
            ("marked", marked.as_bytes().to_vec()),
            ("utf-16 le", utf16(&marked, u16::to_le_bytes)),
            ("utf-16 be", utf16(&marked, u16::to_be_bytes)),
            ("utf-16 le without a mark, packed", packed.finish().unwrap()),
        ] {
            assert_eq!(read(&bytes).as_deref(), Ok(text), "{name}");
        }
        assert_eq!(read(b"\xb0C").as_deref(), Ok("\u{fffd}C"));
        assert_eq!(read(b"\xff\xfe\x00 nothing\n").unwrap().lines().count(), 1, "no UTF-16 for its first bytes alone");
        let long = "é😀".repeat(10_000);
        assert_eq!(read(&utf16(&format!("{}{long}", "x".repeat(20_001)), u16::to_le_bytes)).unwrap().chars().count(), 40_001);
        assert_eq!(read(b"[{\"a\":1},\n{\"a\":2}]").as_deref(), Ok("{\"a\":1}\n{\"a\":2}\n"));
        assert_eq!(read(b"").as_deref(), Ok(""));
    }

    #[test]
    fn what_has_no_lines_is_told() {
        for (bytes, why) in [(&b"PK\x03\x04\x14\x00"[..], "zip archive"), (b"PAR1\x15", "Parquet"), (b"\x28\xb5\x2f\xfd\x00", "zstd")] {
            assert!(read(bytes).is_err_and(|error| error.contains(why)), "{why}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345").unwrap();
        assert!(text_of(file.path(), 4).is_err_and(|why| why.contains("more than")));
    }
}

//! Small text files that tell when they were damaged: a first line with the checksum of the rest, `crc32c 1a2b3c4d`.
//!
//! First, so that no beginning of such a file is taken for a whole one. A file without that line is read as it stands: one of a version that
//! wrote none, or one that was edited by hand, for which the line is to be removed.

use std::io;
use std::path::Path;

use super::Disk;

const MARK: &str = "crc32c ";

/// The content as `decode` understands it; `None`: there is no such file. What is damaged is refused by the file's name, with `remedy` as
/// the way out.
pub(crate) fn read_checked<T>(disk: &dyn Disk, path: &Path, remedy: &str, decode: impl FnOnce(&str) -> Option<T>) -> io::Result<Option<T>> {
    let bytes = match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let decoded = std::str::from_utf8(&bytes).ok().and_then(unsealed).and_then(decode);
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged; {remedy}", path.display()));
    decoded.map(Some).ok_or_else(damaged)
}

/// Replaces the file as [`Disk::write_atomic`] does.
pub(crate) fn write_checked(disk: &dyn Disk, path: &Path, text: &str) -> io::Result<()> {
    disk.write_atomic(path, format!("{MARK}{:08x}\n{text}", crc32c::crc32c(text.as_bytes())).as_bytes())
}

fn unsealed(text: &str) -> Option<&str> {
    let Some(sealed) = text.strip_prefix(MARK) else { return Some(text) };
    let (checksum, rest) = sealed.split_once('\n')?;
    (u32::from_str_radix(checksum, 16) == Ok(crc32c::crc32c(rest.as_bytes()))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    fn read(disk: &MemoryDisk) -> io::Result<Option<i64>> {
        read_checked(disk, Path::new("offset"), "restore it", |text| text.parse().ok())
    }

    #[test]
    fn damage_is_refused_by_name() {
        let disk = MemoryDisk::default();
        assert_eq!(read(&disk).unwrap(), None);
        write_checked(&disk, Path::new("offset"), "1000").unwrap();
        assert_eq!(read(&disk).unwrap(), Some(1_000));
        let whole = disk.read(Path::new("offset")).unwrap();
        for at in 0..whole.len() {
            disk.write_atomic(Path::new("offset"), &whole[..at]).unwrap();
            assert_eq!(read(&disk).unwrap_err().to_string(), "offset is damaged; restore it", "{at} bytes");
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                disk.write_atomic(Path::new("offset"), &damaged).unwrap();
                // A hexadecimal digit has two forms.
                assert!(read(&disk).map_or(true, |read| read == Some(1_000)), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_without_a_checksum_is_read_as_it_stands() {
        let disk = MemoryDisk::default();
        disk.write_atomic(Path::new("offset"), b"1000").unwrap();
        assert_eq!(read(&disk).unwrap(), Some(1_000));
    }
}

//! Sizes of partitions on disk: DescribeLogDirs (KIP-113), which librdkafka does not speak.
//!
//! One small request and one answer over a plain socket, for connections without TLS and SASL. Others have sizes unknown, which screens
//! show as such. The answer is parsed by hand and within bounds: nothing is allocated for a count that the bytes received can't hold.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

/// Bytes on disk by topic and partition, of the replicas that one broker has.
pub type LogDirs = HashMap<(String, i32), u64>;

const DESCRIBE_LOG_DIRS: i16 = 35;
/// The last version before compact encodings; every broker since 1.0 has it.
const VERSION: i16 = 1;
const CORRELATION_ID: i32 = 1;
/// 10,000 partitions take about half a megabyte.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Asks one broker for the sizes of all its replicas.
///
/// # Errors
/// When it can't be reached, is too slow, or answers something else.
pub fn read_log_dirs(host: &str, port: u16, timeout: Duration) -> io::Result<LogDirs> {
    let mut stream = connect(host, port, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&request())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).map_err(|_| invalid("a negative size"))?;
    if size > ANSWER_BYTES_MAX {
        return Err(invalid("an answer beyond the limit"));
    }
    let mut answer = Vec::new();
    stream.take(size as u64).read_to_end(&mut answer)?;
    if answer.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    parse(&answer)
}

/// The first of the host's addresses that answers: `localhost` is often ::1 first, where many brokers do not listen.
fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut refused = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn request() -> Vec<u8> {
    let client_id = "weir";
    let mut body = Vec::new();
    body.extend(DESCRIBE_LOG_DIRS.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION_ID.to_be_bytes());
    body.extend((client_id.len() as i16).to_be_bytes());
    body.extend(client_id.as_bytes());
    body.extend((-1_i32).to_be_bytes()); // no list of topics: all
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn parse(answer: &[u8]) -> io::Result<LogDirs> {
    let mut bytes = Bytes(answer);
    if bytes.i32()? != CORRELATION_ID {
        return Err(invalid("an answer to another request"));
    }
    bytes.i32()?; // throttle time
    let mut sizes = LogDirs::new();
    for _ in 0..bytes.count()? {
        let _error_code = bytes.i16()?;
        let _log_dir = bytes.text()?;
        for _ in 0..bytes.count()? {
            let topic = bytes.text()?;
            for _ in 0..bytes.count()? {
                let partition = bytes.i32()?;
                let size_bytes = bytes.i64()?;
                let _offset_lag = bytes.i64()?;
                let is_future = bytes.take(1)? == [1];
                if !is_future {
                    *sizes.entry((topic.clone(), partition)).or_default() += u64::try_from(size_bytes).unwrap_or(0);
                }
            }
        }
    }
    Ok(sizes)
}

/// What is left of an answer.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| invalid("an answer that ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| invalid("an answer that ends too early"))
    }

    fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> io::Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn count(&mut self) -> io::Result<usize> {
        let count = usize::try_from(self.i32()?).unwrap_or(0); // −1 is null
        if count > self.0.len() { Err(invalid("a count that the answer can't hold")) } else { Ok(count) }
    }

    fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("DescribeLogDirs: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Vec<u8> {
        let mut it = Vec::new();
        it.extend(CORRELATION_ID.to_be_bytes());
        it.extend(0_i32.to_be_bytes());
        it.extend(1_i32.to_be_bytes());
        it.extend(0_i16.to_be_bytes());
        it.extend([0, 1, b'd']);
        it.extend(1_i32.to_be_bytes());
        it.extend([0, 1, b't']);
        it.extend(1_i32.to_be_bytes());
        it.extend(7_i32.to_be_bytes());
        it.extend(1_234_i64.to_be_bytes());
        it.extend(0_i64.to_be_bytes());
        it.push(0);
        it
    }

    #[test]
    fn an_answer_is_read_and_any_part_of_it_is_an_error() {
        assert_eq!(parse(&answer()).unwrap(), LogDirs::from([(("t".to_owned(), 7), 1_234)]));
        for length in 0..answer().len() {
            assert!(parse(&answer()[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_is_an_error_and_asks_for_no_memory() {
        let mut lying = answer();
        lying[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(parse(&lying).is_err());
    }
}

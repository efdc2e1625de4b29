//! Records of a CSV stream (RFC 4180, but for another delimiter or without quotation), strictly: what is not well-formed is
//! refused, not repaired.

use std::io::{self, Read};

/// Bytes asked for at a time.
const READ_BYTES: usize = 1 << 18;
/// Longest record. A quote that is never closed would otherwise swallow the file.
const RECORD_BYTES_MAX: usize = 16 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a stream.
#[derive(Debug)]
pub(super) enum RecordFault {
    Io(io::Error),
    Damaged(&'static str),
}

const QUOTE_OPEN: &str = "a quotation mark is opened and never closed";
const QUOTE_INSIDE: &str = "a quotation mark stands inside a cell that does not begin with one";
const QUOTE_TEXT: &str = "text follows a closing quotation mark";
const TOO_LONG: &str = "is longer than 16 MiB; a quotation mark may be missing";

#[derive(Clone, Copy, Debug)]
struct Cell {
    from: usize,
    to: usize,
    /// Whether doubled quotation marks stand for one
    doubled: bool,
}

/// Reads records one after another.
pub(super) struct RecordReader {
    input: Box<dyn Read>,
    delimiter: u8,
    is_quoted: bool,
    buffer: Vec<u8>,
    /// Where the next record begins, and where what has been read ends
    start: usize,
    end: usize,
    exhausted: bool,
    cells: Vec<Cell>,
}

enum Scan {
    Record { next: usize },
    Incomplete,
}

impl RecordReader {
    pub(super) fn new(input: Box<dyn Read>, delimiter: u8, is_quoted: bool) -> Result<Self, RecordFault> {
        let (buffer, cells) = (Vec::new(), Vec::new());
        let mut reader = Self { input, delimiter, is_quoted, buffer, start: 0, end: 0, exhausted: false, cells };
        while reader.end < BYTE_ORDER_MARK.len() && !reader.exhausted {
            reader.fill()?;
        }
        if reader.buffer.get(..reader.end).is_some_and(|bytes| bytes.starts_with(BYTE_ORDER_MARK)) {
            reader.start = BYTE_ORDER_MARK.len();
        }
        Ok(reader)
    }

    /// Moves to the next record that is not an empty line; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, RecordFault> {
        loop {
            if self.start == self.end && self.exhausted {
                return Ok(false);
            }
            match self.scan()? {
                Scan::Incomplete => self.fill()?,
                Scan::Record { next } => {
                    let line = self.buffer.get(self.start..next).unwrap_or_default();
                    let is_empty = line.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                    self.start = next;
                    if !is_empty {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// How many cells the record has.
    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// A cell's text, without quotation marks, put into `text`.
    pub(super) fn cell(&self, index: usize, text: &mut Vec<u8>) {
        text.clear();
        let Some(cell) = self.cells.get(index) else { return };
        let bytes = self.buffer.get(cell.from..cell.to).unwrap_or_default();
        if !cell.doubled {
            text.extend_from_slice(bytes);
            return;
        }
        let mut last_was_quote = false;
        for &byte in bytes {
            last_was_quote = byte == b'"' && !last_was_quote;
            if !last_was_quote {
                text.push(byte);
            }
        }
    }

    fn fill(&mut self) -> Result<(), RecordFault> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > RECORD_BYTES_MAX {
            return Err(RecordFault::Damaged(TOO_LONG));
        }
        self.buffer.resize(self.end + READ_BYTES, 0);
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let length = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(RecordFault::Io)?,
            }
        };
        self.end += length;
        self.exhausted = length == 0;
        Ok(())
    }

    /// Finds the cells of the record that begins at `start`.
    fn scan(&mut self) -> Result<Scan, RecordFault> {
        self.cells.clear();
        let bytes = self.buffer.get(..self.end).unwrap_or_default();
        let mut at = self.start;
        loop {
            let how = (self.delimiter, self.is_quoted);
            let found = if self.is_quoted && bytes.get(at) == Some(&b'"') {
                quoted(bytes, at, self.delimiter, self.exhausted)?
            } else {
                plain(bytes, at, how, self.exhausted)?
            };
            let Some((cell, end)) = found else { return Ok(Scan::Incomplete) };
            self.cells.push(cell);
            match end {
                CellEnd::Cell(next) => at = next,
                CellEnd::Record(next) => return Ok(Scan::Record { next }),
            }
        }
    }
}

/// Where the next cell or record begins.
enum CellEnd {
    Cell(usize),
    Record(usize),
}

/// A cell and where it ends; None where more bytes are needed to tell.
type FoundCell = Option<(Cell, CellEnd)>;

fn plain(
    bytes: &[u8],
    from: usize,
    (delimiter, is_quoted): (u8, bool),
    exhausted: bool,
) -> Result<FoundCell, RecordFault> {
    let rest = bytes.get(from..).unwrap_or_default();
    let is_end = |byte: u8| byte == delimiter || byte == b'\n' || (is_quoted && byte == b'"');
    let length = rest.iter().position(|byte| is_end(*byte));
    let to = from + length.unwrap_or(rest.len());
    let end = match bytes.get(to) {
        Some(b'"') if is_quoted => return Err(RecordFault::Damaged(QUOTE_INSIDE)),
        Some(byte) if *byte == delimiter => {
            return Ok(Some((Cell { from, to, doubled: false }, CellEnd::Cell(to + 1))));
        }
        Some(_) => CellEnd::Record(to + 1),
        None if exhausted => CellEnd::Record(to),
        None => return Ok(None),
    };
    let ends_in_return = to > from && bytes.get(to - 1) == Some(&b'\r');
    Ok(Some((Cell { from, to: to - usize::from(ends_in_return), doubled: false }, end)))
}

fn quoted(bytes: &[u8], opening: usize, delimiter: u8, exhausted: bool) -> Result<FoundCell, RecordFault> {
    let from = opening + 1;
    let (mut at, mut doubled) = (from, false);
    let to = loop {
        match bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'"')) {
            None if exhausted => return Err(RecordFault::Damaged(QUOTE_OPEN)),
            None => return Ok(None),
            Some(length) => at += length,
        }
        match bytes.get(at + 1) {
            Some(b'"') => {
                doubled = true;
                at += 2;
            }
            None if !exhausted => return Ok(None),
            _ => break at,
        }
    };
    let cell = Cell { from, to, doubled };
    match (bytes.get(to + 1), bytes.get(to + 2)) {
        (None, _) => Ok(Some((cell, CellEnd::Record(to + 1)))),
        (Some(byte), _) if *byte == delimiter => Ok(Some((cell, CellEnd::Cell(to + 2)))),
        (Some(b'\n'), _) => Ok(Some((cell, CellEnd::Record(to + 2)))),
        (Some(b'\r'), Some(b'\n')) => Ok(Some((cell, CellEnd::Record(to + 3)))),
        (Some(b'\r'), None) if exhausted => Ok(Some((cell, CellEnd::Record(to + 2)))),
        (Some(b'\r'), None) => Ok(None),
        _ => Err(RecordFault::Damaged(QUOTE_TEXT)),
    }
}

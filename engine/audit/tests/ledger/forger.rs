//! What somebody can do who may write the ledger and its anchor, and has not the key: read every line, compute every
//! digest anew, and put the anchor right.

use peristyle_audit::Digest;

/// A line taken apart. Its digests are computed when it is put together.
#[derive(Clone, Debug)]
pub(crate) struct Forged {
    /// `{"counts":{…},"entry":{…}`
    pub(crate) record: String,
    pub(crate) format: u32,
    /// The names of the ledger and its MAC, where it has one
    pub(crate) seal: Option<(String, String)>,
}

impl Forged {
    pub(crate) fn of(line: &[u8]) -> Forged {
        let text = std::str::from_utf8(line).unwrap();
        let (record, rest) = text.rsplit_once(",\"format\":").unwrap();
        let field = |name: &str| {
            let (_, value) = rest.split_once(&format!("\"{name}\":\""))?;
            Some(value.split('"').next().unwrap().to_owned())
        };
        let format = rest.split(',').next().unwrap().parse().unwrap();
        Forged { record: record.to_owned(), format, seal: field("ledger").zip(field("mac")) }
    }

    pub(crate) fn all(lines: &[Vec<u8>]) -> Vec<Forged> {
        lines.iter().map(|line| Forged::of(line)).collect()
    }

    /// Another record in its place. False if there is nothing to change.
    pub(crate) fn change(&mut self, from: &str, to: &str) -> bool {
        let changed = self.record.replace(from, to);
        let is_other = changed != self.record;
        self.record = changed;
        is_other
    }

    /// The line, after the one whose digest is `previous`.
    fn line(&self, sequence: usize, previous: &str) -> String {
        let Forged { record, format, seal } = self;
        let seal = seal.as_ref().map(|(ledger, mac)| format!("\"ledger\":\"{ledger}\",\"mac\":\"{mac}\","));
        let seal = seal.unwrap_or_default();
        let covered = format!("{record},\"format\":{format},{seal}\"previous\":\"{previous}\",\"sequence\":{sequence}");
        let sha256 = Digest::of(covered.as_bytes());
        format!("{covered},\"sha256\":\"{sha256}\"}}\n")
    }
}

/// The digest that a line ends with.
pub(crate) fn sha256_of(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).unwrap();
    let (_, seal) = text.trim_end().rsplit_once(",\"sha256\":\"").unwrap();
    seal.trim_end_matches("\"}").to_owned()
}

/// Lines that are numbered anew, and each follow from the one before.
pub(crate) fn chained(lines: &[Forged]) -> Vec<Vec<u8>> {
    let mut previous = "0".repeat(64);
    let line = |(number, forged): (usize, &Forged)| {
        let line = forged.line(number + 1, &previous).into_bytes();
        previous = sha256_of(&line);
        line
    };
    lines.iter().enumerate().map(line).collect()
}

/// The anchor that belongs to the last of these lines, with the note of another one.
pub(crate) fn anchor_of(lines: &[Vec<u8>], like: &str) -> String {
    let (sequence, sha256) = match lines.last() {
        Some(line) => (lines.len(), sha256_of(line)),
        None => (0, "0".repeat(64)),
    };
    let (note, _) = like.split_once("\"sequence\":").unwrap();
    format!("{note}\"sequence\":{sequence},\"sha256\":\"{sha256}\"}}\n")
}

/// What is put together again unchanged is what was taken apart.
#[test]
fn a_forger_writes_as_the_engine_does() {
    use crate::samples::Place;
    for place in [Place::with_runs(2), Place::sealed().and_runs(2)] {
        let lines = place.lines();
        assert_eq!(chained(&Forged::all(&lines)), lines);
        let anchor = std::fs::read_to_string(place.anchor()).unwrap();
        assert_eq!(anchor_of(&lines, &anchor), anchor);
    }
}

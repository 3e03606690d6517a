//! Versions: their order, their formats, and the next one.
//!
//! Knows text. Refuses to know where a version stands.

use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The four words of `{{TYPE}}`, the longer of two that begin alike first.
pub const KIND_WORDS: [&str; 4] = ["migrate", "ddl", "dml", "data"];

/// How versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Numbers by value: `v2` before `v10`, `1.9` before `1.10`; `007` equals `7`.
    #[default]
    Natural,
    /// By bytes.
    Text,
}

impl Order {
    /// Returns a text whose byte order is this order of versions; versions with equal keys are the same version.
    ///
    /// In natural order a run of digits becomes `n`, the number of its digits without leading zeros in four
    /// decimal digits, and these digits; any other run becomes `t`, the run, and a space.
    pub fn key(self, version: &str) -> String {
        if self == Self::Text {
            return version.to_owned();
        }
        let mut key = String::with_capacity(version.len() + 10);
        let mut rest = version;
        while let Some(first) = rest.bytes().next() {
            let digits = first.is_ascii_digit();
            let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() == digits).count();
            let run = &rest[..length];
            if digits {
                let value = run.trim_start_matches('0');
                key.push_str(&format!("n{:04}{value}", value.len()));
            } else {
                key.push('t');
                key.push_str(run);
                key.push(' ');
            }
            rest = &rest[length..];
        }
        key
    }
}

/// What a version must look like.
#[derive(Debug, Clone)]
pub enum Format {
    /// Anything.
    Any,
    /// `YYYYMMDDhhmmss`, a time that exists.
    Timestamp,
    /// A whole number; leading zeros are allowed.
    Sequential,
    /// `MAJOR.MINOR.PATCH`, a leading `v` allowed.
    Semantic,
    /// A regular expression that must match the whole version.
    Pattern(regex::Regex),
}

const TIMESTAMP: &[time::format_description::BorrowedFormatItem<'static>] =
    format_description!("[year][month][day][hour][minute][second]");

impl Format {
    /// Says what a version should have been, if it is not of this format.
    pub fn complaint(&self, version: &str) -> Option<String> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Any => None,
            Self::Timestamp if version.len() == 14 && digits(version) => PrimitiveDateTime::parse(version, TIMESTAMP)
                .err()
                .map(|_| "it reads as a time that does not exist".to_owned()),
            Self::Timestamp => Some("expected a time as YYYYMMDDhhmmss, 14 digits".to_owned()),
            Self::Sequential => (!digits(version)).then(|| "expected a whole number".to_owned()),
            Self::Semantic => {
                let numbers: Vec<&str> = version.strip_prefix('v').unwrap_or(version).split('.').collect();
                let right = numbers.len() == 3 && numbers.iter().all(|number| digits(number));
                (!right).then(|| "expected MAJOR.MINOR.PATCH, such as 1.4.0".to_owned())
            }
            Self::Pattern(pattern) => {
                (!pattern.is_match(version)).then(|| format!("expected text that matches {}", pattern.as_str()))
            }
        }
    }

    /// Returns a version of this format that comes after `highest` in the given order, or a first one.
    /// `None` if no rule tells (a pattern that the guesses do not match).
    pub fn next(&self, highest: Option<&str>, order: Order, now: OffsetDateTime) -> Option<String> {
        let later = |candidate: &String| {
            self.complaint(candidate).is_none()
                && highest.is_none_or(|highest| order.key(candidate) > order.key(highest))
        };
        let stamp = now.format(TIMESTAMP).ok();
        let after_stamp = highest.and_then(|highest| {
            let time = PrimitiveDateTime::parse(highest, TIMESTAMP).ok()?;
            time.checked_add(time::Duration::SECOND)?.format(TIMESTAMP).ok()
        });
        let incremented = highest.map(increment);
        let candidates = match (self, highest) {
            (Self::Timestamp, _) => vec![stamp, after_stamp],
            (Self::Semantic, None) => vec![Some("0.1.0".to_owned())],
            (Self::Sequential, None) => vec![Some("0001".to_owned())],
            (Self::Any, None) => vec![stamp],
            (Self::Any, Some(highest)) if Self::Timestamp.complaint(highest).is_none() => vec![stamp, after_stamp],
            (Self::Pattern(_), None) => ["0001", "1", "v1", "1.0", "1.0.0", "V0001"]
                .into_iter()
                .map(|guess| Some(guess.to_owned()))
                .chain([stamp])
                .collect(),
            _ => vec![incremented, stamp],
        };
        candidates.into_iter().flatten().find(later)
    }
}

/// Adds one to the last number of a version and keeps its width; without a number, appends `2`.
fn increment(version: &str) -> String {
    let Some(end) = version.rfind(|c: char| c.is_ascii_digit()).map(|last| last + 1) else {
        return format!("{version}2");
    };
    let start = version[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |before| before + version[before..].chars().next().map_or(1, char::len_utf8));
    let mut digits: Vec<u8> = version[start..end].bytes().collect();
    for digit in digits.iter_mut().rev() {
        if *digit == b'9' {
            *digit = b'0';
        } else {
            *digit += 1;
            break;
        }
    }
    let mut number = String::from_utf8(digits).expect("ASCII digits");
    if number.bytes().all(|digit| digit == b'0') {
        number.insert(0, '1');
    }
    format!("{}{number}{}", &version[..start], &version[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order_counts() {
        let sorted = ["1", "1.0", "1.9", "1.10", "2", "10", "a", "v2", "v10", "v10b"];
        for pair in sorted.windows(2) {
            assert!(Order::Natural.key(pair[0]) < Order::Natural.key(pair[1]), "{pair:?}");
        }
        assert_eq!(Order::Natural.key("007"), Order::Natural.key("7"));
        assert!(Order::Text.key("10") < Order::Text.key("2"));
    }

    #[test]
    fn times_must_exist() {
        assert!(Format::Timestamp.complaint("20240229120000").is_none());
        assert!(Format::Timestamp.complaint("20230229120000").is_some());
        assert!(Format::Timestamp.complaint("2024022912000").is_some());
    }

    #[test]
    fn the_next_version_comes_after() {
        let now = time::macros::datetime!(2024-01-02 03:04:05 UTC);
        let next = |format: Format, highest: Option<&str>| format.next(highest, Order::Natural, now);
        assert_eq!(next(Format::Sequential, Some("0099")).as_deref(), Some("0100"));
        assert_eq!(next(Format::Sequential, Some("99")).as_deref(), Some("100"));
        assert_eq!(next(Format::Semantic, Some("v1.4.9")).as_deref(), Some("v1.4.10"));
        assert_eq!(next(Format::Timestamp, None).as_deref(), Some("20240102030405"));
        assert_eq!(next(Format::Timestamp, Some("20300101000000")).as_deref(), Some("20300101000001"));
        assert_eq!(next(Format::Any, Some("rel-9-b")).as_deref(), Some("rel-10-b"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_next_is_always_later(highest in "[0-9a-z.]{1,12}") {
            let now = time::macros::datetime!(2024-01-02 03:04:05 UTC);
            if let Some(next) = Format::Any.next(Some(&highest), Order::Natural, now) {
                proptest::prop_assert!(Order::Natural.key(&next) > Order::Natural.key(&highest));
            }
        }
    }
}

//! Checksums of a migration: over its bytes, and over what it says.
//!
//! The second one does not see line endings, a byte order mark, white space and comments, and sees every literal as it
//! stands; so a formatter never looks like an edit, and an edit always does. Refuses to compare.

use sha2::{Digest as _, Sha256};

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::data_change::{is_manifest, read, without_indent};
use crate::finding::hex;
use crate::migration::{Checksums, RepoPath};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::split::split;
use crate::sql::version_comments::read_by_all;
use crate::text::{Span, holds};

/// Computes both. The leading `1:` is the version of this definition. Bytes that are no text count as they are; of a data
/// change in YAML its databases and its statement count.
pub fn checksums(path: &RepoPath, bytes: &[u8], flavour: impl Into<Flavour>) -> Checksums {
    let sum = |digest: &[u8]| format!("1:sha256:{}", hex(digest));
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut said = Sha256::new();
    match std::str::from_utf8(body) {
        Err(_) => said.update(body),
        Ok(text) => {
            let change = if is_manifest(path) { read(text).ok() } else { None };
            for name in change.iter().flat_map(|change| &change.databases) {
                said.update(name.as_str());
                said.update([0]);
            }
            // The blanks before the lines of a block are YAML's.
            let change = change.map(|change| without_indent(&change.text, change.indent));
            let text = change.as_deref().unwrap_or(text);
            let flavour = read_by_all(flavour.into());
            let mut at = 0;
            for rows in copied(text, flavour) {
                tokens(&mut said, &text[at..rows.start], flavour);
                // Every byte of a row is a value.
                said.update(rows_alone(rows.of(text)).replace("\r\n", "\n"));
                said.update([0]);
                at = rows.end;
            }
            tokens(&mut said, &text[at..], flavour);
        }
    }
    Checksums { bytes: sum(&Sha256::digest(bytes)), text: sum(&said.finalize()) }
}

/// The rows behind a COPY without the end of their last line.
fn rows_alone(rows: &str) -> &str {
    let ended = rows.trim_end();
    let line = rows.strip_suffix('\n').map(|rows| rows.strip_suffix('\r').unwrap_or(rows));
    if ended.ends_with("\n\\.") || ended == "\\." { ended } else { line.unwrap_or(rows) }
}

/// Takes the tokens of SQL into a sum.
fn tokens(said: &mut Sha256, text: &str, flavour: Flavour) {
    let counts = |kind: TokenKind| kind.is_significant() || kind == TokenKind::Mark;
    for token in Lexer::new(text, flavour).filter(|token| counts(token.kind)) {
        // A literal may span lines, whose ends a checkout may have changed.
        said.update(token.span.of(text).replace("\r\n", "\n"));
        said.update([0]);
    }
}

/// Finds the rows that stand behind `COPY ... FROM STDIN`: no SQL, so a quote or a dash in them means itself.
fn copied(text: &str, flavour: Flavour) -> Vec<Span> {
    let may = flavour.dialect == Dialect::Postgres && holds(text, "stdin");
    let statements = if may { split(text, flavour) } else { Vec::new() };
    statements.into_iter().filter(|statement| statement.copied).map(|statement| statement.span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_script_says_counts() {
        let sum = |text: &str| checksums(&RepoPath::from("a.sql"), text.as_bytes(), Dialect::Postgres);
        let plain = sum("select 1;\nselect 'a b';\n");
        let same = ["\u{feff}select 1;\r\nselect 'a b';\r\n", "select  1 ; -- one\n/* two */ select 'a b';"];
        for text in same {
            assert_eq!(sum(text).text, plain.text, "{text}");
            assert_ne!(sum(text).bytes, plain.bytes);
        }
        for text in ["select 1;\nselect 'a  b';\n", "select 2;\nselect 'a b';\n", "select 1 select 'a b';"] {
            assert_ne!(sum(text).text, plain.text, "{text}");
        }
        assert_ne!(sum("ab c").text, sum("a bc").text);
        let copy = |row: &str| sum(&format!("COPY a FROM STDIN;\n{row}\n\\.\nSELECT 1;\n")).text;
        assert_eq!(copy("it's"), copy("it's\r"));
        for (one, other) in [("one -- two", "one -- three"), ("a  b", "a b"), ("it's", "its")] {
            assert_ne!(copy(one), copy(other), "{one}");
        }
    }
}

//! Rules about the bytes of a file, before anything is read as SQL.

use std::borrow::Cow;

use crate::data_change::Mistake;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, File, Looks};
use crate::text::Span;

/// Too large.
pub static FILE_TOO_LARGE: Rule = Rule {
    name: "file-too-large",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration is larger than the limit.",
    explanation: "The limit is `largest-file` in the manifest or the server file, whichever is lower. Bulk data is \
                  better loaded by a job of its own; a migration can be split into several versions.",
};

/// No statement.
pub static FILE_EMPTY: Rule = Rule {
    name: "file-empty",
    severity: Severity::Error,
    configurable: true,
    summary: "A migration holds no statement.",
    explanation: "It would be recorded as applied without doing anything, and the version could not be used again. \
                  Usually the file was not saved before it was added.",
};

/// Not UTF-8.
pub static NOT_UTF8: Rule = Rule {
    name: "not-utf8",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration is not UTF-8 text.",
    explanation: "UTF-16 is recognised by its byte order mark. Convert the file, for example with \
                  `iconv -f UTF-16 -t UTF-8`.",
};

/// A NUL byte.
pub static NUL_BYTE: Rule = Rule {
    name: "nul-byte",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration holds a NUL byte.",
    explanation: "Databases cut the text there or refuse it. The file is probably binary, or damaged.",
};

/// A byte order mark.
pub static BYTE_ORDER_MARK: Rule = Rule {
    name: "byte-order-mark",
    severity: Severity::Warning,
    configurable: true,
    summary: "A migration begins with a UTF-8 byte order mark.",
    explanation: "The mark is taken away before the file runs, so it does no harm here; psql and other tools would send \
                  it to the server as part of the first word.",
};

/// CR LF.
pub static CARRIAGE_RETURN: Rule = Rule {
    name: "carriage-return",
    severity: Severity::Note,
    configurable: true,
    summary: "A migration has CR LF line endings.",
    explanation: "They reach the database inside string literals and routine bodies. `*.sql text eol=lf` in \
                  .gitattributes stores LF.",
};

/// A conflict marker.
pub static CONFLICT_MARKER: Rule = Rule {
    name: "conflict-marker",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration holds the marks of an unresolved merge.",
    explanation: "A line begins with `<<<<<<<`, `=======` or `>>>>>>>`. Finish the merge, then add the file again.",
};

/// An LFS pointer.
pub static LFS_POINTER: Rule = Rule {
    name: "lfs-pointer",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration is a Git LFS pointer, not SQL.",
    explanation: "Its content is not in the repository, so it cannot be judged or run. Take the path out of LFS: \
                  `git lfs untrack`, then add the file again.",
};

/// A data change in YAML that cannot be read.
pub static DATA_CHANGE_INVALID: Rule = Rule {
    name: "data-change-invalid",
    severity: Severity::Error,
    configurable: false,
    summary: "A data change in YAML does not have the form of one.",
    explanation: "In a project for a group of databases a dml file may end in .yml. It names the databases that take it \
                  (`databases:` with lines `- name: NAME`) and holds the SQL as a block (`statement: |`).",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &FILE_TOO_LARGE,
        &FILE_EMPTY,
        &NOT_UTF8,
        &NUL_BYTE,
        &BYTE_ORDER_MARK,
        &CARRIAGE_RETURN,
        &CONFLICT_MARKER,
        &LFS_POINTER,
        &DATA_CHANGE_INVALID,
    ],
    looks: Looks::AtBytes(look),
};

/// The UTF-8 byte order mark.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds that a file is larger than `limit` bytes, without reading it.
pub fn too_large(name: &str, size: u64, limit: u64) -> Finding {
    let message = format!("this file has {size} bytes; the limit is {limit}");
    Finding::new(&FILE_TOO_LARGE, Place::file(name), message).help("split it, or raise `largest-file`")
}

/// Returns a file as text of the same length, `?` in the place of what is none; `None` for UTF-16, which is no text at all.
pub fn masked(content: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(content) {
        return Some(Cow::Borrowed(text));
    }
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return None;
    }
    let mut text = String::with_capacity(content.len());
    for chunk in content.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    Some(Cow::Owned(text))
}

/// Finds that a file holds no statement.
pub fn empty(name: &str) -> Finding {
    Finding::new(
        &FILE_EMPTY,
        Place::file(name),
        "this file holds no statement, so its version would be used up for nothing",
    )
    .help("write the statements, save, and `git add` it again")
}

/// Finds that a data change in YAML cannot be read.
pub fn data_change(name: &str, mistake: &Mistake) -> Finding {
    Finding::new(&DATA_CHANGE_INVALID, Place::content(name, mistake.span), mistake.message.clone())
        .help(mistake.help.clone())
}

fn look(file: &File<'_>) -> Vec<Finding> {
    let bytes = file.bytes;
    let at = |rule, span: Span, message: &str| Finding::new(rule, Place::content(file.name, span), message);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let finding = Finding::new(&NOT_UTF8, Place::file(file.name), "this file is UTF-16; migrations are UTF-8");
        return vec![finding.help("convert it: iconv -f UTF-16 -t UTF-8")];
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        let message = "this is a Git LFS pointer; the SQL itself is not in the repository";
        return vec![
            at(&LFS_POINTER, first_line(bytes), message).help("git lfs untrack the path, then add the file again"),
        ];
    }
    let mut findings = Vec::new();
    if let Err(error) = std::str::from_utf8(bytes) {
        let message = format!("byte {} (0x{:02x}) is not UTF-8", error.valid_up_to(), bytes[error.valid_up_to()]);
        let span = Span::new(error.valid_up_to(), error.valid_up_to() + 1);
        findings.push(at(&NOT_UTF8, span, &message).help("convert it: iconv -f LATIN1 -t UTF-8"));
    }
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        let message = format!("byte {nul} is NUL; a database would cut the script there");
        findings.push(Finding::new(&NUL_BYTE, Place::file(file.name), message).help("remove it"));
    }
    if bytes.starts_with(MARK) {
        findings.push(
            at(&BYTE_ORDER_MARK, Span::new(0, MARK.len()), "the file begins with a byte order mark")
                .help("save it as UTF-8 without mark"),
        );
    }
    if let Some(place) = find(bytes, b"\r\n") {
        findings.push(
            at(&CARRIAGE_RETURN, Span::new(place, place + 1), "lines end with CR LF")
                .help("*.sql text eol=lf in .gitattributes"),
        );
    }
    findings.extend(conflict(bytes).map(|span| {
        at(&CONFLICT_MARKER, span, "a merge was left unresolved here")
            .label("mark of a conflict")
            .help("resolve it, then `git add` the file")
    }));
    findings
}

fn first_line(bytes: &[u8]) -> Span {
    Span::new(0, bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted[0];
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| *byte == first) {
        at += step;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The first mark of a conflict: an opening and, behind it, a closing line. A lone `=======` is no mark.
fn conflict(bytes: &[u8]) -> Option<Span> {
    let line_at = |mark: &[u8], from: usize| {
        let mut at = from;
        loop {
            let found = at + find(&bytes[at..], mark)?;
            if found == 0 || bytes[found - 1] == b'\n' {
                return Some(found);
            }
            at = found + 1;
        }
    };
    let open = line_at(b"<<<<<<< ", 0)?;
    line_at(b">>>>>>> ", open)?;
    Some(Span::new(open, open + 7))
}

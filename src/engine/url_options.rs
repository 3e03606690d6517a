//! The options of a URL of a server: which ones there are, and what they name.
//!
//! The library passes over an option that it does not know; one that is misspelt would silently not be followed, and a
//! connection not be encrypted. Refuses to show the URL, which may hold a password.

use std::path::Path;

use crate::engine::Trouble;
use crate::text::{did_you_mean, enumerate, sanitize};

/// What an engine knows of options.
pub(super) struct Options {
    /// Names that may stand behind `?`.
    pub(super) names: &'static [&'static str],
    /// Those that name a file.
    pub(super) files: &'static [&'static str],
    /// The one that says how TLS is used, in its spellings.
    pub(super) mode: &'static [&'static str],
    /// Its words.
    pub(super) modes: &'static [&'static str],
}

/// What is said where a URL cannot be read at all.
pub(super) const ODD: &str = "signs such as / ? # @ : % in a user or password are written as %2F %3F %23 %40 %3A %25";

/// Looks at the options of a URL.
///
/// # Errors
/// If one is not known, has a word that is none of its own, or names a file that is not there.
pub(super) fn look(url: &str, known: &Options) -> Result<(), Trouble> {
    let Some((_, query)) = url.split_once('?') else { return Ok(()) };
    for pair in query.split('#').next().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        if !known.names.contains(&name) && !name.starts_with("options[") {
            let help = match did_you_mean(name, known.names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the options are {}; a ? in a password is written as %3F", enumerate(known.names, 20)),
            };
            // It may be a part of a password, so it is not shown.
            return Err(Trouble::new("the URL has an option behind its `?` that nobody knows", help));
        }
        if known.mode.contains(&name) && !known.modes.iter().any(|mode| value.eq_ignore_ascii_case(mode)) {
            let help = format!("its words are {}", enumerate(known.modes, 9));
            return Err(Trouble::new(format!("the URL has a word for `{name}` that nobody knows"), help));
        }
        if known.files.contains(&name)
            && let Err(error) = std::fs::File::open(Path::new(&*value))
        {
            let message = format!("`{name}` of the URL names {}, which cannot be read: {error}", sanitize(&value));
            return Err(Trouble::new(message, "mend the path in the URL, or the rights of the file"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_no_silence() {
        let known = Options {
            names: &["sslmode", "sslrootcert", "host"],
            files: &["sslrootcert"],
            mode: &["sslmode"],
            modes: &["disable", "verify-full"],
        };
        let said = |query: &str| look(&format!("postgres://u:s3cret@h/d{query}"), &known).map_err(|one| one.message);
        for fine in ["", "?", "?sslmode=verify-full", "?host=%2Frun&sslmode=DISABLE", "?options[a]=1"] {
            assert_eq!(said(fine), Ok(()), "{fine}");
        }
        for (wrong, word) in
            [("?sslmod=verify-full", "nobody knows"), ("?sslmode=on", "`sslmode`"), ("?sslrootcert=/nosuch", "/nosuch")]
        {
            let message = said(wrong).unwrap_err();
            assert!(message.contains(word) && !message.contains("s3cret"), "{message}");
        }
        let help = |url: &str| look(url, &known).unwrap_err();
        assert!(help("postgres://h/d?sslmod=x").help.contains("did you mean `sslmode`?"));
        let odd = help("postgres://u:pa?s3cret@h/d");
        assert!(!format!("{odd:?}").contains("s3cret"), "{odd:?}");
    }
}

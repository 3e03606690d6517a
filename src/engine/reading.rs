//! How a session reads text: what a file was split into must be the same statements for the server.
//!
//! A setting can change where a text ends, and then one message holds several statements, or a part of one. So before
//! statements run the session is asked, again behind each that may have told it something. Refuses to change settings.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::engine::Script;
use crate::engine::run::{Runner, Stop};
use crate::engine::wire::{Class, Fault, Wire};
use crate::sql::settings::{HOLDS_ASCII, reads_text};

/// The code of a session that reads text in another way.
pub(super) const OTHERWISE: &str = "reading";

impl<W: Wire> Runner<W> {
    /// Makes sure that the session reads a statement as it was judged.
    pub(super) fn reads_as_judged(&mut self, script: &Script, index: usize, number: usize) -> Result<(), Stop> {
        let Some(question) = self.wire.reading().filter(|_| !(self.tame && self.reads_alike)) else { return Ok(()) };
        let rows = self.wire.ask(question)?;
        let cells: Vec<String> = rows.into_iter().flatten().map(Option::unwrap_or_default).collect();
        if let Some(why) = otherwise(&cells, script.flavour) {
            let message = format!("{why}, so text would be read in another way than this file was judged");
            let fault = Fault { code: OTHERWISE.to_owned(), ..Fault::new(Class::Refused, message) };
            return Err(Stop::Statement(index, number, fault));
        }
        self.reads_alike = true;
        Ok(())
    }
}

/// What differs between how a session reads text and how it was judged; `cells` answer the question of the engine.
fn otherwise(cells: &[String], judged: Flavour) -> Option<String> {
    let [setting, encoding] = cells else { return Some("the session does not say how it reads text".to_owned()) };
    if HOLDS_ASCII.iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
        return Some(format!("this session reads {encoding}"));
    }
    if judged.dialect == Dialect::Postgres {
        return (setting != "on").then(|| "standard_conforming_strings is off in this session".to_owned());
    }
    let found = reads_text(setting, judged);
    let differs = |name: &str, is: bool, was: bool| {
        (is != was).then(|| format!("sql_mode of this session is {} {name}", if is { "with" } else { "without" }))
    };
    differs("ANSI_QUOTES", found.ansi_quotes, judged.ansi_quotes)
        .or_else(|| differs("NO_BACKSLASH_ESCAPES", found.no_backslash_escapes, judged.no_backslash_escapes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_reads_otherwise_is_found() {
        let said = |setting: &str, encoding: &str, judged: Flavour| {
            otherwise(&[setting.to_owned(), encoding.to_owned()], judged).is_some()
        };
        let (postgres, mysql) = (Dialect::Postgres.into(), Flavour::from(Dialect::Mysql));
        assert!(!said("on", "UTF8", postgres) && !said("on", "LATIN1", postgres));
        assert!(said("off", "UTF8", postgres) && said("on", "SJIS", postgres));
        assert!(!said("STRICT_TRANS_TABLES,PIPES_AS_CONCAT", "utf8mb4", mysql));
        assert!(said("NO_BACKSLASH_ESCAPES", "utf8mb4", mysql) && said("", "gbk", mysql));
        let quotes = Flavour { ansi_quotes: true, ..mysql };
        assert!(!said("ANSI_QUOTES", "utf8mb3", quotes) && said("", "utf8mb3", quotes));
        assert!(otherwise(&[], mysql).is_some());
    }
}

//! The checking servers of a server file: connected when the first statement of their product comes.
//!
//! A server that cannot be reached changes nothing but the report, which says so. Refuses to judge.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::config::server::Server;
use crate::engine::verify::Checker;
use crate::finding::Finding;
use crate::host;
use crate::rules::config::checking_server_silent;
use crate::sql::verdict::Answer;

/// A product and the two modes that its session is set to.
type Key = (Dialect, bool, bool);

/// The servers.
pub struct Checkers<'s> {
    server: &'s Server,
    folder: PathBuf,
    open: RefCell<BTreeMap<Key, Result<Checker, String>>>,
}

impl<'s> Checkers<'s> {
    /// Takes the servers of a server file, whose relative paths count from `folder`.
    pub fn new(server: &'s Server, folder: PathBuf) -> Self {
        Self { server, folder, open: RefCell::new(BTreeMap::new()) }
    }

    /// Says whether there is any.
    pub fn any(&self) -> bool {
        !self.server.verify.is_empty()
    }

    /// Asks about one statement.
    pub fn ask(&self, flavour: Flavour, text: &str) -> Answer {
        let Some(source) = self.server.verify.get(&flavour.dialect) else { return Answer::Silent };
        let mut open = self.open.borrow_mut();
        let checker =
            open.entry((flavour.dialect, flavour.ansi_quotes, flavour.no_backslash_escapes)).or_insert_with(|| {
                let url = host::url(source, &self.folder).map_err(|error| format!("{error:#}"))?;
                Checker::connect(&url, flavour)
            });
        match checker {
            Ok(checker) => checker.ask(text),
            Err(_) => Answer::Silent,
        }
    }

    /// Says which servers did not answer, and why.
    pub fn findings(&self) -> Vec<Finding> {
        let open = self.open.borrow();
        let silent = open.iter().filter_map(|((dialect, ..), checker)| {
            let why = match checker {
                Ok(checker) => checker.silent()?.to_owned(),
                Err(why) => why.clone(),
            };
            Some(checking_server_silent(dialect.title(), &why))
        });
        silent.collect()
    }
}

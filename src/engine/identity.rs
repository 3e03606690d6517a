//! Which database it is: told apart from a copy of it, from one that was made anew, and from one that was restored.
//!
//! A database gets a random name when its history is made, and keeps with it where its data were then. Refuses to compare
//! with what others know about it; that is the ledger's.

use std::time::Duration;

use crate::engine::patience::Patience;
use crate::engine::record::new_name;
use crate::engine::run::Runner;
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::{Terms, Trouble, tables};
use crate::finding::hex;
use crate::history::FORMAT;

/// How long a lock on the history is waited for at a time.
const TURN: Duration = Duration::from_secs(1);

/// Who a database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name that it got with its history; empty where there is none.
    pub name: String,
    /// The name that it had before, if it was found to be a copy, or moved, and got one of its own just now.
    pub was: Option<String>,
}

impl Identity {
    /// Returns the name under which it was known before.
    pub fn known_as(&self) -> &str {
        self.was.as_deref().unwrap_or(&self.name)
    }
}

impl<W: Wire> Runner<W> {
    /// Brings the tables of the history to the present format. Where definitions commit by themselves it may have been
    /// begun before.
    pub(super) fn bring_up_to_date(&mut self) -> Result<(), Trouble> {
        if self.format == FORMAT {
            return Ok(());
        }
        let dialect = self.wire.dialect();
        let prefix = self.wire.prefix().to_owned();
        let add = tables::MIGRATION.add_last(dialect, &prefix);
        let says = format!("UPDATE {prefix}{} SET value = '{FORMAT}' WHERE name = 'format'; COMMIT", tables::META.name);
        let there = |fault: &Fault| {
            ["42701", "1060"].contains(&fault.code.as_str()) || fault.message.starts_with("duplicate column name")
        };
        // Who reads the table holds us up, and we would hold up all who come behind us: so in short turns.
        let terms = Terms { lock_timeout: Some(self.wait.min(TURN)), ..Terms::default() };
        let mut patience = Patience::new(self.wait);
        let mut sql = format!("{add}; {says}");
        while let Err(fault) = self.wire.begin(&terms, true, &sql) {
            self.wire.take_back();
            if there(&fault) {
                sql.clone_from(&says);
            } else if fault.class != Class::Busy || patience.again().is_none() {
                return Err(self.explain(&fault));
            }
        }
        self.settled = None;
        self.format = FORMAT;
        Ok(())
    }

    /// Where the data of this database are, in a form that tells nothing about the place.
    pub(super) fn place_of_data(&mut self) -> Result<String, Fault> {
        use sha2::{Digest as _, Sha256};
        let place = self.wire.place_of_data()?;
        Ok(hex(&Sha256::digest(place.as_bytes()))[..32].to_owned())
    }

    /// Gives a database that is a copy, or was moved, a name of its own. The lock must be held.
    pub(super) fn own_identity(&mut self) -> Result<(), Trouble> {
        let place = self.place_of_data().map_err(|fault| self.explain(&fault))?;
        if self.facts.get("place") == Some(&place) {
            return Ok(());
        }
        let was = self.facts.get("database_uid").cloned().unwrap_or_default();
        let name = if self.facts.contains_key("place") { new_name() } else { was.clone() };
        let sql = self.writer.identity(&name, &place);
        self.wire.begin(&Terms::default(), false, &format!("{sql}; COMMIT")).map_err(|fault| {
            self.wire.take_back();
            self.explain(&fault)
        })?;
        self.was = Some(was).filter(|was| *was != name);
        self.facts.insert("database_uid".to_owned(), name);
        self.facts.insert("place".to_owned(), place);
        Ok(())
    }

    pub(super) fn identity_now(&self) -> Identity {
        Identity { name: self.facts.get("database_uid").cloned().unwrap_or_default(), was: self.was.clone() }
    }
}

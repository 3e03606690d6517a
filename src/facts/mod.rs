//! What a statement does, and to what: the facts that rules and the catalogue ask for.
//!
//! Read from the tokens of a statement that its engine's verdict has let pass, so the reader may be generous in what it
//! takes and must be exact in what it says: one shape for all engines, with the place of every name. What it does not
//! know it says so, and then no rule guesses. Refuses to judge.

mod alter;
mod column;
mod cursor;
mod data;
mod parts;
mod read;
mod table;
pub mod types;
mod upkeep;
mod within;

pub(crate) use parts::is_false;
pub use parts::{
    Action, Alteration, Change, Column, Constraint, Demand, Generated, Index, Mark, Reference, Setting, Table, Text,
};
pub use read::read;
pub use types::Type;
pub use within::{Body, bodies, dynamic, within};

use serde::{Deserialize, Serialize};

use std::rc::Rc;

use crate::text::Span;

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ident {
    /// As the engine compares it; empty for what is computed.
    pub name: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// The name of a thing that may stand in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Name {
    /// The schema, where it is written and not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The name, as the engine compares it.
    pub name: String,
    /// Where it stands, with its schema.
    #[serde(skip)]
    pub span: Span,
}

impl Name {
    /// Returns the name by which the catalogue knows the thing.
    pub fn key(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A kind of thing in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the thing that SQL calls so")]
pub enum Object {
    Table,
    View,
    MaterializedView,
    Index,
    Sequence,
    Type,
    Domain,
    Function,
    Procedure,
    Trigger,
    Event,
    Schema,
    Database,
    Extension,
    Policy,
    Rule,
    Owned,
    Column,
    Other,
}

impl Object {
    /// Returns what SQL calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Index => "INDEX",
            Self::Sequence => "SEQUENCE",
            Self::Type => "TYPE",
            Self::Domain => "DOMAIN",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
            Self::Schema => "SCHEMA",
            Self::Database => "DATABASE",
            Self::Extension => "EXTENSION",
            Self::Policy => "POLICY",
            Self::Rule => "RULE",
            Self::Owned => "PROPERTY",
            Self::Column => "COLUMN",
            Self::Other => "OBJECT",
        }
    }
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// It makes a table.
    CreateTable(Box<Table>),
    /// It changes a table.
    AlterTable(Alteration),
    /// It makes an index.
    CreateIndex(Rc<Index>),
    /// It makes something else.
    Create(Created),
    /// It removes something.
    Drop(Dropped),
    /// It gives things other names.
    Rename(Object, Vec<(Name, Name)>),
    /// It changes a type or domain.
    AlterType(TypeChange),
    /// It empties tables.
    Truncate {
        /// Which.
        tables: Vec<Name>,
        /// The word CASCADE.
        cascade: Option<Span>,
    },
    /// It deletes or changes rows.
    Rows(RowChange),
    /// It adds rows.
    Insert(Insertion),
    /// It sets something for the session or transaction.
    Set {
        /// The setting, in lower case.
        name: String,
        /// What it gets, as written.
        value: String,
        /// Whether it ends with the transaction.
        local: bool,
    },
    /// It writes a table or index anew, or everything: VACUUM FULL, CLUSTER, OPTIMIZE.
    Rewrite {
        /// In which words.
        words: &'static str,
        /// Of what; none for everything.
        tables: Vec<Name>,
    },
    /// It builds indexes anew.
    Reindex {
        /// Without blocking.
        concurrently: bool,
        /// The catalogue's own.
        system: bool,
    },
    /// It fills a materialized view anew.
    Refresh {
        /// Which.
        name: Name,
        /// Without blocking.
        concurrently: bool,
        /// Whether it is filled at all.
        filled: bool,
    },
    /// It says something about a thing.
    Comment {
        /// Of which kind.
        on: Object,
        /// Which: for a column, the table.
        name: Name,
        /// The column.
        column: Option<String>,
    },
    /// Nothing that a rule asks for.
    Nothing,
}

/// Something else that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Of which kind.
    pub what: Object,
    /// Its name.
    pub name: Option<Name>,
    /// The table that it is on.
    pub on: Option<Name>,
    /// OR REPLACE, or IF NOT EXISTS.
    pub replaces: bool,
    /// Whether it ends with the session.
    pub temporary: bool,
    /// The tables that its query reads, and those that it changes.
    pub reads: Vec<Name>,
    /// A domain: whether it has a CHECK; a type: its values.
    pub detail: Detail,
    /// The word that says the kind.
    pub span: Span,
}

/// What else is known of something that is made.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// A domain with a CHECK or NOT NULL.
    Checked,
    /// The values of an enum.
    Values(Vec<String>),
    /// A routine that runs with its owner's rights; whether it sets its search path.
    OwnersRights(bool),
}

/// Things that are removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    /// Of which kind.
    pub what: Object,
    /// Which.
    pub names: Vec<Name>,
    /// The table that it was on.
    pub on: Option<Name>,
    /// Without blocking.
    pub concurrently: bool,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Whether it ends with the session anyway (MySQL and MariaDB: DROP TEMPORARY TABLE).
    pub temporary: bool,
    /// The word CASCADE.
    pub cascade: Option<Span>,
    /// The word DROP.
    pub span: Span,
}

/// A change of a type or domain.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeChange {
    /// Which.
    pub name: Name,
    /// How.
    pub how: TypeHow,
    /// The words that say how.
    pub span: Span,
}

/// How a type or domain changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeHow {
    /// A value comes to an enum.
    AddValue(String),
    /// A value of an enum gets another name.
    RenameValue(String, String),
    /// The type gets another name.
    Rename(String),
    /// A domain gets a constraint; whether old rows are left alone.
    AddConstraint(bool),
    /// Nothing that a rule asks for.
    Other,
}

/// A change of rows that are there.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// Whether they are deleted.
    pub deletes: bool,
    /// In which table.
    pub table: Name,
    /// The word UPDATE or DELETE.
    pub verb: Span,
    /// Which rows.
    pub reach: Reach,
    /// The columns that an UPDATE sets.
    pub sets: Vec<Ident>,
}

/// Which rows are hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    Every,
    /// All of them, by a condition that is always true: its place.
    AlwaysTrue(Span),
    /// Some.
    Some,
}

/// Rows that are added.
#[derive(Debug, Clone, PartialEq)]
pub struct Insertion {
    /// To which table.
    pub table: Name,
    /// The columns that are named; none where they are not.
    pub columns: Option<Vec<Ident>>,
    /// The tables that a query takes them from; none where they are written out.
    pub from: Option<Vec<Name>>,
    /// The columns that the query selects, where all are plain names.
    pub selected: Option<Vec<Ident>>,
    /// Where the query says that not all rows are meant.
    pub filter: Option<Span>,
    /// The first word.
    pub verb: Span,
}

#[cfg(test)]
mod tests;

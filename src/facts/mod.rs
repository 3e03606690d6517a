//! What a statement does, and to what: the facts that rules and the catalogue ask for.
//!
//! Read from the tokens of a statement that its engine's verdict has let pass, so the reader may be generous in what it
//! takes and must be exact in what it says: one shape for all engines, with the place of every name. What it does not
//! know it says so, and then no rule guesses. Refuses to judge.

mod alter;
mod column;
mod cursor;
mod data;
mod read;
mod table;
pub mod types;

pub use read::{Body, read, within};
pub use types::Type;

use serde::{Deserialize, Serialize};

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
pub struct Name {
    /// The schema, where it is written and not the usual one.
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
    CreateIndex(Index),
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

/// A table that is made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// Whether it ends with the session.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its constraints, those of columns not among them.
    pub constraints: Vec<Constraint>,
    /// Its indexes (MySQL and MariaDB).
    pub indexes: Vec<Index>,
    /// The tables that it takes columns from: LIKE.
    pub like: Vec<Name>,
    /// The table that it is a part of: PARTITION OF, INHERITS.
    pub parent: Option<Name>,
    /// Whether it is a partition of its parent.
    pub is_part: bool,
    /// Whether it is parted itself.
    pub partitioned: bool,
    /// Whether a query makes its columns.
    pub from_query: bool,
    /// Whether it is kept elsewhere, or by an extension: FOREIGN, VIRTUAL.
    pub foreign: bool,
    /// Its options, the names in upper case (MySQL and MariaDB; STRICT of SQLite).
    pub options: Vec<Setting>,
}

/// An option of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which, in upper case.
    pub name: String,
    /// What it gets, in lower case.
    pub value: String,
    /// Where that stands.
    pub span: Span,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub of: Type,
    /// The words NOT NULL.
    pub not_null: Option<Mark>,
    /// Its default.
    pub default: Option<Text>,
    /// Whether it is computed, and kept.
    pub generated: Option<Generated>,
    /// Whether it counts by itself: identity, AUTO_INCREMENT.
    pub counts: bool,
    /// The words PRIMARY KEY.
    pub primary: Option<Mark>,
    /// The word UNIQUE.
    pub unique: Option<Mark>,
    /// The word CHECK, with the condition.
    pub check: Option<Text>,
    /// What it refers to.
    pub references: Option<Reference>,
    /// Its own character set or collation, in lower case.
    pub charset: Option<Text>,
    /// Its own collation, in lower case.
    pub collation: Option<Text>,
    /// Whether it is commented.
    pub commented: bool,
    /// Whether ON UPDATE gives it a value.
    pub on_update: bool,
    /// The whole definition.
    #[serde(skip)]
    pub span: Span,
}

/// A place that is worth pointing at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Where.
    #[serde(skip)]
    pub span: Span,
}

/// Words as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text {
    /// The words.
    pub text: String,
    /// Where.
    #[serde(skip)]
    pub span: Span,
}

/// How a column is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// Whether the values are kept.
    pub stored: bool,
    /// Where that is said.
    #[serde(skip)]
    pub span: Span,
}

/// What a foreign key refers to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reference {
    /// The table.
    pub table: Name,
    /// The columns; none for the primary key.
    pub columns: Vec<Ident>,
    /// ON DELETE CASCADE or ON UPDATE CASCADE.
    pub cascade: Option<Mark>,
    /// Where the reference stands.
    #[serde(skip)]
    pub span: Span,
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its name.
    pub name: Option<Ident>,
    /// What it demands.
    pub demand: Demand,
    /// Whether old rows are not looked at: NOT VALID.
    pub not_valid: bool,
    /// The index that is taken for it: USING INDEX.
    pub using: Option<Ident>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What a constraint demands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Demand {
    /// A primary key.
    Primary(Vec<Ident>),
    /// No two alike.
    Unique(Vec<Ident>),
    /// A row elsewhere.
    Foreign(Vec<Ident>, Reference),
    /// A condition.
    Check(Text),
    /// No two that agree by operators.
    Exclude,
    /// Not null (PostgreSQL 18).
    NotNull(Ident),
}

/// An index.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: Option<Name>,
    /// The table.
    pub table: Name,
    /// Its columns; an empty name for what is computed.
    pub columns: Vec<Ident>,
    /// Whether no two rows may be alike in it.
    pub unique: bool,
    /// Without blocking.
    pub concurrently: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// ON ONLY.
    pub only: bool,
    /// A condition: only some rows are in it.
    pub partial: bool,
    /// FULLTEXT, SPATIAL or a method that is not the usual one, in lower case.
    pub method: Option<String>,
    /// The word INDEX.
    #[serde(skip)]
    pub span: Span,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Alteration {
    /// Which.
    pub table: Name,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// One action of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What is done.
    pub change: Change,
    /// Where it stands, whole.
    pub span: Span,
    /// Its first words, for pointing at.
    pub verb: Span,
}

/// What is done to a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A column comes.
    AddColumn(Box<Column>),
    /// A column goes.
    DropColumn(Ident, Option<Span>),
    /// A constraint comes.
    AddConstraint(Box<Constraint>),
    /// An index comes (MySQL and MariaDB).
    AddIndex(Index),
    /// A constraint goes; the word CASCADE.
    DropConstraint(Ident, Option<Span>),
    /// The primary key goes (MySQL and MariaDB).
    DropPrimary,
    /// A foreign key goes (MySQL and MariaDB).
    DropForeign(Ident),
    /// An index goes (MySQL and MariaDB).
    DropIndex(Ident),
    /// A column gets another type (PostgreSQL); whether USING says how.
    SetType(Ident, Type, bool),
    /// A column gets another definition, and perhaps name (MODIFY and CHANGE of MySQL and MariaDB).
    Redefine(Ident, Box<Column>),
    /// A column gets a default.
    SetDefault(Ident, Text),
    /// A column loses its default.
    DropDefault(Ident),
    /// A column no longer takes null.
    SetNotNull(Ident),
    /// A column takes null.
    DropNotNull(Ident),
    /// Old rows are held against a constraint.
    Validate(Ident),
    /// A column gets another name.
    RenameColumn(Ident, Ident),
    /// The table gets another name.
    RenameTable(Name),
    /// A constraint or index gets another name.
    RenamePart(Object, Ident, Ident),
    /// A part comes.
    AttachPartition(Name),
    /// A part leaves; without blocking?
    DetachPartition(Name, bool),
    /// A part goes with its rows.
    DropPartition(Ident),
    /// The table is written anew, in these words.
    Rewrite(&'static str),
    /// The table is written anew with other characters (CONVERT TO CHARACTER SET), these.
    Convert(String),
    /// The engine is named (MySQL and MariaDB).
    Engine(Setting),
    /// Another option.
    Option(Setting),
    /// How it is done: ALGORITHM or LOCK, with its word in upper case.
    Manner(&'static str, String),
    /// The table goes into another schema.
    SetSchema(Ident),
    /// Triggers, rules and row security: takes an exclusive lock for a moment.
    Guard,
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
    /// The first word.
    pub verb: Span,
}

#[cfg(test)]
mod tests;

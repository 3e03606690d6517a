//! What a table is made of, and what is done to it.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::facts::{Ident, Name, Object, Type};
use crate::text::Span;

/// A table that is made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// Whether it ends with the session.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// OR REPLACE: what bears its name goes first (MariaDB).
    pub replaces: bool,
    /// Its columns, which the catalogue shares.
    pub columns: Vec<Rc<Column>>,
    /// Its constraints, those of columns not among them.
    pub constraints: Vec<Constraint>,
    /// Its indexes (MySQL and MariaDB).
    pub indexes: Vec<Index>,
    /// The tables that it takes columns from: LIKE.
    pub like: Vec<Name>,
    /// Whether keys, defaults and indexes come with them.
    pub like_all: bool,
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
#[serde(default)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub of: Type,
    /// The words NOT NULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_null: Option<Mark>,
    /// Whether it is said to take null, by NULL or by a default of null.
    #[serde(skip_serializing_if = "is_false")]
    pub null: bool,
    /// Its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Box<Text>>,
    /// Whether it is computed, and kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// Whether it counts by itself: identity, AUTO_INCREMENT.
    #[serde(skip_serializing_if = "is_false")]
    pub counts: bool,
    /// The words PRIMARY KEY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Mark>,
    /// Whether that key counts down: DESC.
    #[serde(skip_serializing_if = "is_false")]
    pub descends: bool,
    /// The word UNIQUE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<Mark>,
    /// The word CHECK, with the condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Box<Text>>,
    /// Whether a primary key of the table holds it.
    #[serde(skip_serializing_if = "is_false")]
    pub in_key: bool,
    /// What it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<Box<Reference>>,
    /// Its own character set or collation, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<Box<Text>>,
    /// Its own collation, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<Box<Text>>,
    /// The names of its own constraints, each with what it demands, by its first word.
    #[serde(skip)]
    pub names: Vec<(Ident, &'static str)>,
    /// Whether it is commented.
    #[serde(skip_serializing_if = "is_false")]
    pub commented: bool,
    /// Whether ON UPDATE gives it a value.
    #[serde(skip_serializing_if = "is_false")]
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
#[serde(default)]
pub struct Reference {
    /// The table.
    pub table: Name,
    /// The columns; none for the primary key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Ident>,
    /// ON DELETE CASCADE or ON UPDATE CASCADE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cascade: Option<Mark>,
    /// Where the reference stands.
    #[serde(skip)]
    pub span: Span,
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Ident>,
    /// What it demands.
    pub demand: Demand,
    /// Whether old rows are not looked at: NOT VALID.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_valid: bool,
    /// The index that is taken for it: USING INDEX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<Ident>,
    /// NULLS NOT DISTINCT.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nulls_alike: bool,
    /// What stands behind the columns of a key and is about its index: INCLUDE, WITH, USING INDEX TABLESPACE.
    #[serde(skip)]
    pub storage: Span,
    /// When it is looked at: DEFERRABLE and the like.
    #[serde(skip)]
    pub deferral: Span,
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

impl Demand {
    /// Says whether another one demands the same of the same columns, wherever it is written.
    pub fn is_like(&self, other: &Self) -> bool {
        let same = |one: &[Ident], two: &[Ident]| {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.name == two.name)
        };
        match (self, other) {
            (Self::Primary(one), Self::Primary(two)) | (Self::Unique(one), Self::Unique(two)) => same(one, two),
            (Self::Foreign(one, to), Self::Foreign(two, other)) => {
                same(one, two) && to.table.key() == other.table.key() && same(&to.columns, &other.columns)
            }
            _ => false,
        }
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Index {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The table.
    pub table: Name,
    /// Its columns; an empty name for what is computed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Ident>,
    /// Whether no two rows may be alike in it.
    #[serde(skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Without blocking.
    #[serde(skip_serializing_if = "is_false")]
    pub concurrently: bool,
    /// IF NOT EXISTS.
    #[serde(skip_serializing_if = "is_false")]
    pub if_not_exists: bool,
    /// ON ONLY.
    #[serde(skip_serializing_if = "is_false")]
    pub only: bool,
    /// A condition: only some rows are in it.
    #[serde(skip_serializing_if = "is_false")]
    pub partial: bool,
    /// Whether its columns stand there with nothing behind them: no length, order, collation or class.
    #[serde(skip_serializing_if = "is_false")]
    pub plain: bool,
    /// How it is built (MySQL and MariaDB): ALGORITHM or LOCK, its word in upper case, and where that stands.
    #[serde(skip)]
    pub manner: Vec<(&'static str, String, Span)>,
    /// FULLTEXT, SPATIAL or a method that is not the usual one, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The word INDEX.
    #[serde(skip)]
    pub span: Span,
}

impl Index {
    /// Says whether it bears a name.
    pub fn is_called(&self, name: Option<&Name>) -> bool {
        self.name.as_ref().zip(name).is_some_and(|(own, name)| own.name == name.name)
    }
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
    AddColumn(Rc<Column>),
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

/// Whether a field says nothing, so that it need not be kept.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_false(field: &bool) -> bool {
    !*field
}

//! Rules about what a project has agreed on in its manifest: `[project.conventions]`.

use crate::config::Dialect;
use crate::config::conventions::Named;
use crate::facts::{Change, Column, Constraint, Created, Demand, Fact, Ident, Index, Name, Object, Table};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::{Span, enumerate};

/// A name that does not fit.
pub static NAMING_CONVENTION: Rule = Rule::new(
    "naming-convention",
    Severity::Warning,
    "A name does not follow the convention of the project.",
    "`[project.conventions.naming]` in the manifest holds a pattern for each kind of thing.",
);
/// A column that every table has.
pub static REQUIRED_COLUMNS: Rule = Rule::new(
    "required-columns",
    Severity::Warning,
    "A table lacks a column that every table of the project has.",
    "`required-columns` in `[project.conventions]` names them.",
);
/// Nothing said of a table.
pub static TABLE_COMMENT: Rule = Rule::new(
    "table-comment",
    Severity::Off,
    "A new table has no comment.",
    "Whoever meets the table later reads in the catalogue what it is for. SQLite has no comments of that kind.",
);
/// Nothing said of a column.
pub static COLUMN_COMMENT: Rule = Rule::new(
    "column-comment",
    Severity::Off,
    "A new column has no comment.",
    "Whoever meets the column later reads in the catalogue what it holds. SQLite has no comments of that kind.",
);
/// A type that is not wanted.
pub static UNWANTED_TYPE: Rule = Rule::new(
    "unwanted-type",
    Severity::Warning,
    "A column has a type that the project does not want.",
    "`allowed-types` and `denied-types` in `[project.conventions]` name them.",
);
/// Letters that are not wanted.
pub static UNWANTED_CHARSET: Rule = Rule::new(
    "unwanted-charset",
    Severity::Warning,
    "A character set or collation is not one of those that the project wants.",
    "`charsets` and `collations` in `[project.conventions]` name them.",
);
/// Too many.
pub static TOO_MANY_INDEXES: Rule = Rule::new(
    "too-many-indexes",
    Severity::Warning,
    "A table has more indexes than the project wants.",
    "Each costs every write. `most-indexes` in `[project.conventions]` is the bound.",
);
/// Too wide.
pub static WIDE_INDEX: Rule = Rule::new(
    "wide-index",
    Severity::Warning,
    "An index has more columns than the project wants.",
    "`most-index-columns` in `[project.conventions]` is the bound.",
);
/// Too long.
pub static LONG_NAME: Rule = Rule::new(
    "long-name",
    Severity::Warning,
    "A name is longer than the project wants.",
    "`longest-name` in `[project.conventions]` is the bound, in characters.",
);
/// A statement that is not wanted.
pub static UNWANTED_STATEMENT: Rule = Rule::new(
    "unwanted-statement",
    Severity::Error,
    "A statement is of a kind that the project does not want.",
    "`denied-statements` in `[project.conventions]` names them by their first words.",
);
/// An extension that is not wanted.
pub static UNWANTED_EXTENSION: Rule = Rule::new(
    "unwanted-extension",
    Severity::Warning,
    "An extension is not one of those that the project wants (PostgreSQL).",
    "`extensions` in `[project.conventions]` names them: servers that are made anew must have them.",
);

/// The family of single statements.
pub const FAMILY: Family = Family {
    rules: &[
        &NAMING_CONVENTION,
        &UNWANTED_TYPE,
        &UNWANTED_CHARSET,
        &TOO_MANY_INDEXES,
        &WIDE_INDEX,
        &LONG_NAME,
        &UNWANTED_STATEMENT,
        &UNWANTED_EXTENSION,
    ],
    looks: Looks::AtStatement(look),
};

/// The family of whole files.
pub const FILES: Family =
    Family { rules: &[&REQUIRED_COLUMNS, &TABLE_COMMENT, &COLUMN_COMMENT], looks: Looks::AtEnd(at_end) };

/// A name with what its template may ask for.
struct Subject<'n> {
    kind: Named,
    name: &'n str,
    span: Span,
    table: &'n str,
    columns: String,
    referenced: Option<(&'n str, String)>,
}

impl<'n> Subject<'n> {
    fn of(kind: Named, name: &'n str, span: Span, table: &'n str) -> Self {
        Self { kind, name, span, table, columns: String::new(), referenced: None }
    }

    fn over(self, columns: String) -> Self {
        Self { columns, ..self }
    }
}

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = unwanted(scene);
    match scene.fact() {
        Fact::CreateTable(table) if !table.temporary => created(scene, table, &mut findings),
        Fact::CreateIndex(index) => indexed(scene, index, &mut findings),
        Fact::Create(made) => made_other(scene, made, &mut findings),
        Fact::AlterTable(alteration) => {
            for action in &alteration.actions {
                changed(scene, &alteration.table, &action.change, &mut findings);
            }
        }
        _ => {}
    }
    findings
}

fn joined(columns: &[Ident]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join("_")
}

fn named(scene: &Scene<'_>, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let conventions = scene.script.conventions;
    if let Some(longest) = conventions.longest_name.filter(|longest| subject.name.chars().count() > *longest) {
        let message = format!("`{}` has more than {longest} characters", subject.name);
        findings.push(scene.finding(&LONG_NAME, subject.span, message).help("choose a shorter name"));
    }
    let fill = |placeholder: &str| match placeholder {
        "column_list" | "referencing_column" => subject.columns.clone(),
        "referenced_table" => subject.referenced.as_ref().map_or_else(String::new, |(table, _)| (*table).to_owned()),
        "referenced_column" => subject.referenced.as_ref().map_or_else(String::new, |(_, columns)| columns.clone()),
        _ => subject.table.to_owned(),
    };
    let patterns = conventions.patterns(subject.kind, &fill);
    if let Some((_, shown)) = patterns.iter().find(|(pattern, _)| !pattern.is_match(subject.name)) {
        let message = format!("`{}` does not follow the convention {shown}", subject.name);
        findings.push(scene.finding(&NAMING_CONVENTION, subject.span, message).help(format!("it must match {shown}")));
    }
}

fn created(scene: &Scene<'_>, table: &Table, findings: &mut Vec<Finding>) {
    let name = &table.name;
    named(scene, &Subject::of(Named::Table, &name.name, name.span, &name.name), findings);
    for column in &table.columns {
        column_named(scene, name, &column.name, findings);
        own_names(scene, name, column, findings);
        of_column(scene, column, findings);
    }
    for constraint in &table.constraints {
        constrained(scene, name, constraint, findings);
    }
    for index in &table.indexes {
        indexed(scene, index, findings);
    }
    for option in &table.options {
        let wanted = match option.name.as_str() {
            "CHARSET" => &scene.script.conventions.charsets,
            "COLLATE" => &scene.script.conventions.collations,
            _ => continue,
        };
        findings.extend(letters(scene, &option.value, option.span, wanted));
    }
}

fn letters(scene: &Scene<'_>, value: &str, span: Span, wanted: &[String]) -> Option<Finding> {
    if wanted.is_empty() || wanted.iter().any(|one| one == value) {
        return None;
    }
    let message = format!("{value} is not one of {}", enumerate(wanted, 9));
    Some(scene.finding(&UNWANTED_CHARSET, span, message).help(format!("write {}", wanted[0])))
}

fn of_column(scene: &Scene<'_>, column: &Column, findings: &mut Vec<Finding>) {
    let conventions = scene.script.conventions;
    let is = |list: &[String]| list.iter().any(|name| *name == column.of.name || *name == column.of.shown());
    let denied =
        is(&conventions.denied_types) || !conventions.allowed_types.is_empty() && !is(&conventions.allowed_types);
    if denied && !column.of.name.is_empty() {
        let message = format!("the project does not want columns of type {}", column.of.shown());
        let help = match conventions.allowed_types.is_empty() {
            true => "choose another type".to_owned(),
            false => format!("the wanted types are {}", enumerate(&conventions.allowed_types, 12)),
        };
        findings.push(scene.finding(&UNWANTED_TYPE, column.of.span, message).help(help));
    }
    let own = [(&column.charset, &conventions.charsets), (&column.collation, &conventions.collations)];
    for (text, wanted) in own {
        findings.extend(text.as_ref().and_then(|text| letters(scene, &text.text, text.span, wanted)));
    }
}

/// The names of constraints that stand at a column.
fn own_names(scene: &Scene<'_>, table: &Name, column: &Column, findings: &mut Vec<Finding>) {
    for (name, word) in &column.names {
        let reference = column.references.as_deref();
        let (kind, referenced) = match *word {
            "PRIMARY" => (Named::PrimaryKey, None),
            "UNIQUE" => (Named::Unique, None),
            "CHECK" => (Named::Check, None),
            _ => (Named::ForeignKey, reference.map(|one| (one.table.name.as_str(), joined(&one.columns)))),
        };
        let subject = Subject::of(kind, &name.name, name.span, &table.name).over(column.name.name.clone());
        named(scene, &Subject { referenced, ..subject }, findings);
    }
}

fn constrained(scene: &Scene<'_>, table: &Name, constraint: &Constraint, findings: &mut Vec<Finding>) {
    let Some(name) = &constraint.name else { return };
    let (kind, columns, referenced) = match &constraint.demand {
        Demand::Primary(columns) => (Named::PrimaryKey, joined(columns), None),
        Demand::Unique(columns) => (Named::Unique, joined(columns), None),
        Demand::Foreign(columns, reference) => {
            (Named::ForeignKey, joined(columns), Some((reference.table.name.as_str(), joined(&reference.columns))))
        }
        Demand::Check(_) | Demand::Exclude | Demand::NotNull(_) => (Named::Check, String::new(), None),
    };
    let subject = Subject::of(kind, &name.name, name.span, &table.name).over(columns);
    named(scene, &Subject { referenced, ..subject }, findings);
}

fn indexed(scene: &Scene<'_>, index: &Index, findings: &mut Vec<Finding>) {
    let conventions = scene.script.conventions;
    if let Some(name) = &index.name {
        let kind = if index.unique && conventions.names(Named::Unique) { Named::Unique } else { Named::Index };
        let subject = Subject::of(kind, &name.name, name.span, &index.table.name).over(joined(&index.columns));
        named(scene, &subject, findings);
    }
    let span = index.name.as_ref().map_or(index.span, |name| name.span);
    if let Some(most) = conventions.most_index_columns.filter(|most| index.columns.len() > *most) {
        let message = format!("this index has {} columns; the project wants at most {most}", index.columns.len());
        findings.push(scene.finding(&WIDE_INDEX, span, message).help("leave out columns that tell few rows apart"));
    }
    let there = scene.schema.table(&index.table).map_or(0, |table| table.indexes.len() + table.uniques().len());
    if let Some(most) =
        conventions.most_indexes.filter(|most| there + 1 > *most && !matches!(scene.fact(), Fact::CreateTable(_)))
    {
        let message =
            format!("`{}` would have {} indexes; the project wants at most {most}", index.table.name, there + 1);
        findings.push(scene.finding(&TOO_MANY_INDEXES, span, message).help("drop one that another one serves as well"));
    }
}

fn made_other(scene: &Scene<'_>, made: &Created, findings: &mut Vec<Finding>) {
    let Some(name) = &made.name else { return };
    match made.what {
        Object::View | Object::MaterializedView => {
            let subject = Subject::of(Named::View, &name.name, name.span, &name.name);
            named(scene, &subject, findings);
        }
        Object::Extension => {
            let wanted = &scene.script.conventions.extensions;
            if !wanted.is_empty() && !wanted.contains(&name.name) {
                let message = format!("the extension `{}` is not one of {}", name.name, enumerate(wanted, 12));
                let help = "ask for it to be added to `extensions` in `[project.conventions]`";
                findings.push(scene.finding(&UNWANTED_EXTENSION, name.span, message).help(help));
            }
        }
        _ => {}
    }
}

fn column_named(scene: &Scene<'_>, table: &Name, name: &Ident, findings: &mut Vec<Finding>) {
    let subject = Subject::of(Named::Column, &name.name, name.span, &table.name).over(name.name.clone());
    named(scene, &subject, findings);
}

fn changed(scene: &Scene<'_>, table: &Name, change: &Change, findings: &mut Vec<Finding>) {
    match change {
        Change::AddColumn(column) => {
            column_named(scene, table, &column.name, findings);
            own_names(scene, table, column, findings);
            of_column(scene, column, findings);
        }
        Change::Redefine(old, column) => {
            if old.name != column.name.name {
                column_named(scene, table, &column.name, findings);
            }
            of_column(scene, column, findings);
        }
        Change::SetType(_, of, _) => {
            let column = Column { of: of.clone(), ..Column::default() };
            of_column(scene, &column, findings);
        }
        Change::RenameColumn(_, new) => column_named(scene, table, new, findings),
        Change::RenameTable(new) => {
            let subject = Subject::of(Named::Table, &new.name, new.span, &new.name);
            named(scene, &subject, findings);
        }
        Change::AddConstraint(constraint) => constrained(scene, table, constraint, findings),
        Change::AddIndex(index) => indexed(scene, index, findings),
        _ => {}
    }
}

/// Finds statements whose first words are not wanted.
fn unwanted(scene: &Scene<'_>) -> Vec<Finding> {
    let denied = &scene.script.conventions.denied_statements;
    if denied.is_empty() || scene.act().body.is_some() {
        return Vec::new();
    }
    let text = scene.statement();
    let tokens = crate::sql::lex::Lexer::new(text, scene.flavour()).filter(|token| token.kind.is_significant()).take(8);
    let tokens: Vec<Span> = tokens.map(|token| token.span).collect();
    let begins = |words: &&String| {
        let words: Vec<&str> = words.split_whitespace().collect();
        words.len() <= tokens.len()
            && words.iter().zip(&tokens).all(|(word, span)| span.of(text).eq_ignore_ascii_case(word))
    };
    let found = denied.iter().find(begins);
    let finding = |words: &String| {
        let last = tokens[words.split_whitespace().count() - 1];
        let message = format!("the project does not want {words} in migrations");
        let span = Span::new(tokens[0].start, last.end);
        scene
            .finding(&UNWANTED_STATEMENT, span, message)
            .help("do it outside of migrations, or ask for the rule to be changed")
    };
    found.map(finding).into_iter().collect()
}

fn at_end(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, act) in scene.acts.iter().enumerate().filter(|(_, act)| act.body.is_none()) {
        let Fact::CreateTable(table) = &act.fact else { continue };
        if table.temporary || table.from_query || table.is_part {
            continue;
        }
        let Some(known) = scene.schema.table(&table.name) else { continue };
        let wanted = scene.script.conventions.required_columns.iter();
        let missing: Vec<&String> = wanted.filter(|name| known.whole && known.column(name).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("`{}` lacks {}, which every table has", table.name.name, enumerate(&missing, 9));
            let finding = scene.finding_at(at, &REQUIRED_COLUMNS, table.name.span, message);
            findings.push(finding.help("add it"));
        }
        let wanted = scene.script.wanted;
        if !scene.is(Dialect::Sqlite) && (wanted(&TABLE_COMMENT) || wanted(&COLUMN_COMMENT)) {
            findings.extend(uncommented(scene, at, table));
        }
    }
    findings
}

/// Finds a table and its columns without a comment, which may stand in the definition or later in the file.
fn uncommented(scene: &Scene<'_>, at: usize, table: &Table) -> Vec<Finding> {
    let said = |wanted: Option<&str>| {
        scene.about(&table.name.name).any(|(_, act)| match &act.fact {
            Fact::Comment { name, column, .. } => name.key() == table.name.key() && column.as_deref() == wanted,
            _ => false,
        })
    };
    let mut findings = Vec::new();
    if !said(None) && !table.options.iter().any(|option| option.name == "COMMENT") {
        let message = format!("nothing says what `{}` is for", table.name.name);
        findings.push(scene.finding_at(at, &TABLE_COMMENT, table.name.span, message).help("add a COMMENT"));
    }
    for column in table.columns.iter().filter(|column| !column.commented && !said(Some(&column.name.name))) {
        let message = format!("nothing says what `{}.{}` holds", table.name.name, column.name.name);
        findings.push(scene.finding_at(at, &COLUMN_COMMENT, column.name.span, message).help("add a COMMENT"));
    }
    findings
}

//! Rules about what MySQL and MariaDB do otherwise than people expect.
//!
//! Which changes copy the table was measured on MariaDB 10.11 and MySQL 8.4, and is asked of live servers by
//! `tests/all/locks.rs`.

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::facts::{
    Action, Alteration, Change, Column, Constraint, Created, Demand, Dropped, Fact, Index, Name, Setting, Table, Text,
};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::columns::online;
use crate::rules::expressions::differs_in_mariadb;
use crate::rules::mysql_defaults;
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::{Span, enumerate};

/// A table is copied.
pub static MYSQL_TABLE_COPY: Rule = Rule::new(
    "mysql-table-copy",
    Severity::Error,
    "A change copies the whole table while writers wait (MySQL, MariaDB).",
    "The server does it with ALGORITHM=COPY and a shared lock: readers go on, every INSERT, UPDATE and DELETE waits until the \
     copy is done. gh-ost and pt-online-schema-change do it in small steps. A change that says ALGORITHM=INPLACE or \
     LOCK=NONE is refused by the server where it would block, and is not reported.",
);
/// Blocking is written out.
pub static MYSQL_BLOCKING_OPTION: Rule = Rule::new(
    "mysql-blocking-option",
    Severity::Error,
    "A change makes writers wait, by its words or by its kind (MySQL, MariaDB).",
    "ALGORITHM=COPY and LOCK=SHARED or EXCLUSIVE make others wait even where the server could do without. A column that counts \
     by itself and an index of words or places (FULLTEXT, SPATIAL) need LOCK=SHARED: writers wait until all rows are read.",
);
/// Rows get something that nobody wrote.
pub static MYSQL_IMPLICIT_DEFAULT: Rule = Rule::new(
    "mysql-implicit-default",
    Severity::Warning,
    "A NOT NULL column without a default fills old rows with 0, '' or the first value (MySQL, MariaDB).",
    "The server does not refuse it: it invents a value that cannot be told from a real one. Give it a default, or add it as \
     NULL, fill it, and then demand NOT NULL.",
);
/// What is not said again is lost.
pub static MYSQL_MODIFY_LOSES_ATTRIBUTES: Rule = Rule::new(
    "mysql-modify-loses-attributes",
    Severity::Warning,
    "MODIFY or CHANGE drops what it does not say again (MySQL, MariaDB).",
    "They replace the whole definition: a NOT NULL, DEFAULT, COMMENT, AUTO_INCREMENT, ON UPDATE, character set or collation \
     that is not written again is gone.",
);
/// An engine or alphabet of the past.
pub static MYSQL_ENGINE_CHARSET: Rule = Rule::new(
    "mysql-engine-charset",
    Severity::Warning,
    "A table is not InnoDB, or not utf8mb4 (MySQL, MariaDB).",
    "Other engines have no transactions and lose data in a crash. utf8 (utf8mb3) and latin1 cannot hold all characters, and \
     joins between columns of different character sets use no index.",
);
/// Every definition commits.
pub static IMPLICIT_COMMIT: Rule = Rule::new(
    "implicit-commit",
    Severity::Warning,
    "A file holds several definitions, each of which commits (MySQL, MariaDB).",
    "A definition cannot be rolled back there. If a later one fails, the earlier ones stay; the history says after which \
     statement the file stopped, and it is resumed from there. With one definition a file nothing is ever half done.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &MYSQL_TABLE_COPY,
        &MYSQL_BLOCKING_OPTION,
        &MYSQL_IMPLICIT_DEFAULT,
        &MYSQL_MODIFY_LOSES_ATTRIBUTES,
        &MYSQL_ENGINE_CHARSET,
    ],
    looks: Looks::AtStatement(look),
};

/// The rules about a whole file.
pub const FILES: Family = Family { rules: &[&IMPLICIT_COMMIT], looks: Looks::AtEnd(commits) };

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.mysql() {
        return Vec::new();
    }
    match scene.fact() {
        Fact::CreateTable(table) => created(scene, table),
        Fact::AlterTable(alteration) => {
            let new = scene.is_new(&alteration.table);
            alteration.actions.iter().flat_map(|action| of_action(scene, alteration, action, new)).collect()
        }
        Fact::CreateIndex(index) if !scene.is_new(&index.table) => {
            let mut findings: Vec<Finding> = searched(scene, index).into_iter().collect();
            findings.extend(
                index.manner.iter().filter_map(|(what, word, span)| asked(scene, &index.table, what, word, *span)),
            );
            findings
        }
        _ => Vec::new(),
    }
}

/// Finds that a manner is asked for which makes others wait.
fn asked(scene: &Scene<'_>, table: &Name, what: &str, word: &str, span: Span) -> Option<Finding> {
    let message = format!("{what}={word} makes others wait for `{}`", table.name);
    matches!(word, "COPY" | "SHARED" | "EXCLUSIVE").then(|| {
        scene
            .finding(&MYSQL_BLOCKING_OPTION, span, message)
            .help("write ALGORITHM=INPLACE, LOCK=NONE; the server refuses it where it cannot be done")
    })
}

/// Finds an index of words or places, which is built while writers wait.
fn searched(scene: &Scene<'_>, index: &Index) -> Option<Finding> {
    let method = index.method.as_deref().filter(|method| matches!(*method, "fulltext" | "spatial"))?;
    let message =
        format!("a {} index of `{}` is built while every writer waits", method.to_uppercase(), index.table.name);
    Some(
        scene
            .finding(&MYSQL_BLOCKING_OPTION, index.span, message)
            .label("LOCK=SHARED")
            .help("gh-ost or pt-online-schema-change do it in small steps; or plan a quiet hour"),
    )
}

fn of_action(scene: &Scene<'_>, alteration: &Alteration, action: &Action, new: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !new && !online(alteration) {
        findings.extend(copied(scene, alteration, action));
    }
    match &action.change {
        Change::Manner(what, word) if !new => {
            findings.extend(asked(scene, &alteration.table, what, word, action.span));
        }
        Change::AddIndex(index) if !new && !online(alteration) => findings.extend(searched(scene, index)),
        Change::AddColumn(column) => {
            findings.extend(letters(scene, column));
            if !new && column.counts && !online(alteration) {
                let message = format!("every row of `{}` is counted while every writer waits", alteration.table.name);
                let finding = scene.finding(&MYSQL_BLOCKING_OPTION, column.name.span, message).label("LOCK=SHARED");
                findings.push(finding.help("gh-ost or pt-online-schema-change do it in small steps"));
            }
            if !new {
                findings.extend(invented(scene, &alteration.table, column));
            }
        }
        Change::Redefine(old, column) => {
            findings.extend(letters(scene, column));
            findings.extend(lost(scene, &alteration.table, &old.name, column));
        }
        Change::Engine(setting) | Change::Option(setting) => findings.extend(past(scene, setting)),
        _ => {}
    }
    findings
}

/// Why a change copies the table, where it does.
fn copied(scene: &Scene<'_>, alteration: &Alteration, action: &Action) -> Option<Finding> {
    let adds = |wanted: fn(&Demand) -> bool| {
        alteration
            .actions
            .iter()
            .any(|other| matches!(&other.change, Change::AddConstraint(constraint) if wanted(&constraint.demand)))
    };
    let (span, why) = match &action.change {
        Change::AddColumn(column) => match (&column.generated, &column.default) {
            (Some(generated), _) if generated.stored => (generated.span, "a stored computed column"),
            (_, Some(default)) if scene.is(Dialect::Mariadb) && differs_in_mariadb(&default.text) => {
                (default.span, "a default that differs from row to row")
            }
            (_, Some(default)) if computed_in_mysql(scene, &default.text) => (default.span, "a computed default"),
            _ if column.references.is_some() && makes_inline_keys(scene) && !unchecked(scene) => {
                (column.references.as_ref()?.span, "a foreign key")
            }
            _ if column.check.is_some() && scene.is(Dialect::Mysql) => (column.check.as_ref()?.span, "a CHECK"),
            _ => return None,
        },
        Change::AddConstraint(constraint) => (constraint.span, added(scene, constraint)?),
        Change::DropPrimary if !adds(|demand| matches!(demand, Demand::Primary(_))) => {
            (action.verb, "dropping the primary key")
        }
        Change::Convert(charset) => {
            let now = scene.schema.table(&alteration.table).and_then(|known| known.charset.as_ref());
            if now == Some(charset) {
                return None;
            }
            (action.verb, "another character set")
        }
        _ => return None,
    };
    let table = &alteration.table.name;
    let message = format!("{why} makes the server copy `{table}`; every writer waits until that is done");
    let finding =
        scene.finding(&MYSQL_TABLE_COPY, first_words(scene, span), message).label("ALGORITHM=COPY, LOCK=SHARED");
    let parent = match &action.change {
        Change::AddColumn(column) => column.references.as_ref().map(|reference| &reference.table),
        Change::AddConstraint(constraint) => match &constraint.demand {
            Demand::Foreign(_, reference) => Some(&reference.table),
            _ => None,
        },
        _ => None,
    };
    Some(match parent {
        Some(parent) => finding.note(format!("writers of `{}` wait as well", parent.name)).help(
            "pt-online-schema-change does it in small steps; with SET foreign_key_checks = 0 before it the server adds the \
             key at once, and looks at no row",
        ),
        None => finding.help("gh-ost or pt-online-schema-change do it in small steps; or plan a quiet hour"),
    })
}

/// Says whether `REFERENCES` at a column makes a key: in MariaDB always, in MySQL since 9.0.
fn makes_inline_keys(scene: &Scene<'_>) -> bool {
    scene.is(Dialect::Mariadb) || scene.flavour().release.is_some_and(|release| release >= Release::new(9, 0, 0))
}

/// Says whether a default is an expression for MySQL: in parentheses, whatever stands in them.
fn computed_in_mysql(scene: &Scene<'_>, default: &str) -> bool {
    scene.is(Dialect::Mysql) && default.starts_with('(') && !mysql_defaults::is_refused(default)
}

/// The first line of a place, so that not a whole definition is underlined.
fn first_words(scene: &Scene<'_>, span: crate::text::Span) -> crate::text::Span {
    let shown = scene.shown(span);
    let end = shown.find(['\n', '(']).filter(|end| *end > 0).unwrap_or(shown.len());
    crate::text::Span::new(span.start, span.start + shown[..end].trim_end().len())
}

fn added(scene: &Scene<'_>, constraint: &Constraint) -> Option<&'static str> {
    match constraint.demand {
        Demand::Foreign(..) if !unchecked(scene) => Some("a foreign key"),
        Demand::Check(_) => Some("a CHECK"),
        _ => None,
    }
}

/// Says whether the file has said that foreign keys are not looked at.
fn unchecked(scene: &Scene<'_>) -> bool {
    let said = scene.earlier("foreign_key_checks").rev().find_map(|act| match &act.fact {
        Fact::Set { name, value, .. } if name == "foreign_key_checks" => Some(value.as_str()),
        _ => None,
    });
    said.is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "0" | "OFF" | "FALSE"))
}

fn invented(scene: &Scene<'_>, table: &Name, column: &Column) -> Option<Finding> {
    let mark = column.not_null?;
    let filled = scene.later(&table.name).any(|act| match &act.fact {
        Fact::Rows(change) => change.sets.iter().any(|set| set.name == column.name.name),
        _ => false,
    });
    if column.default.is_some() || column.counts || column.generated.is_some() || filled {
        return None;
    }
    let message =
        format!("the rows of `{}` get {} in `{}`, which nobody wrote", table.name, implied(column), column.name.name);
    Some(
        scene
            .finding(&MYSQL_IMPLICIT_DEFAULT, mark.span, message)
            .help("write DEFAULT; or add it as NULL, fill it, then demand NOT NULL"),
    )
}

fn implied(column: &Column) -> String {
    match column.of.name.as_str() {
        "enum" => column.of.arguments.first().cloned().unwrap_or_else(|| "the first value".to_owned()),
        "date" | "datetime" | "timestamp" | "time" => "a date of zeros".to_owned(),
        "integer" | "bigint" | "smallint" | "tinyint" | "mediumint" | "decimal" | "float" | "double" | "bit"
        | "year" => "0".to_owned(),
        _ => "an empty text".to_owned(),
    }
}

fn lost(scene: &Scene<'_>, table: &Name, old: &str, new: &Column) -> Option<Finding> {
    let known = scene.schema.table(table);
    let before = known.and_then(|known| known.column(old))?;
    let in_key =
        known.is_some_and(|known| known.uniques().iter().any(|unique| unique.primary && unique.columns.contains(&old)));
    // What the column says and its table says as well is not lost.
    let other = |one: &Option<Box<Text>>, other: &Option<Box<Text>>, usual: Option<&String>| {
        one.as_ref().is_some_and(|one| other.is_none() && usual != Some(&one.text))
    };
    let had_default = before.default.as_ref().is_some_and(|default| !default.text.eq_ignore_ascii_case("NULL"));
    let checks = [
        (
            before.not_null.is_some() && new.not_null.is_none() && !new.null && new.primary.is_none() && !in_key,
            "NOT NULL",
        ),
        (had_default && new.default.is_none() && !new.counts, "DEFAULT"),
        (before.counts && !new.counts, "AUTO_INCREMENT"),
        (before.commented && !new.commented, "COMMENT"),
        (before.on_update && !new.on_update, "ON UPDATE"),
        (other(&before.charset, &new.charset, known.and_then(|known| known.charset.as_ref())), "CHARACTER SET"),
        (other(&before.collation, &new.collation, known.and_then(|known| known.collation.as_ref())), "COLLATE"),
    ];
    let gone: Vec<&str> = checks.into_iter().filter(|(gone, _)| *gone).map(|(_, what)| what).collect();
    if gone.is_empty() {
        return None;
    }
    let message =
        format!("`{}.{old}` had {}, and this definition does not say it again", table.name, enumerate(&gone, 9));
    Some(
        scene
            .finding(&MYSQL_MODIFY_LOSES_ATTRIBUTES, new.name.span, message)
            .label("dropped with the old definition")
            .help("write it again, or DROP it in so many words"),
    )
}

fn created(scene: &Scene<'_>, table: &Table) -> Vec<Finding> {
    let mut findings: Vec<Finding> = table.options.iter().filter_map(|setting| past(scene, setting)).collect();
    let own = table.options.iter().find(|setting| setting.name == "CHARSET").map(|setting| setting.value.as_str());
    for column in &table.columns {
        findings.extend(letters(scene, column));
        let other = column.charset.as_ref().filter(|charset| own.is_some_and(|own| own != charset.text));
        if let (Some(charset), Some(own)) = (other, own)
            && !matches!(charset.text.as_str(), "ascii" | "binary" | "latin1" | "utf8" | "utf8mb3")
        {
            let message =
                format!("`{}` is {}, its table {own}: joins with others use no index", column.name.name, charset.text);
            findings.push(scene.finding(&MYSQL_ENGINE_CHARSET, charset.span, message).help("leave it out"));
        }
    }
    findings
}

fn past(scene: &Scene<'_>, setting: &Setting) -> Option<Finding> {
    let engines = ["innodb", "rocksdb", "ndb", "ndbcluster", "memory"];
    let (message, help) = match setting.name.as_str() {
        "ENGINE" if !engines.contains(&setting.value.as_str()) => (
            format!("{} has no transactions: a crash in mid-statement leaves half of it", setting.value),
            "write ENGINE=InnoDB, or leave it out",
        ),
        "CHARSET" if is_past(&setting.value) => {
            (format!("{} cannot hold every character", setting.value), "write utf8mb4")
        }
        _ => return None,
    };
    Some(scene.finding(&MYSQL_ENGINE_CHARSET, setting.span, message).help(help))
}

fn is_past(charset: &str) -> bool {
    matches!(charset, "utf8" | "utf8mb3" | "latin1" | "latin2" | "ucs2" | "cp1252")
}

fn letters(scene: &Scene<'_>, column: &Column) -> Option<Finding> {
    let charset = column.charset.as_ref().filter(|charset| is_past(&charset.text))?;
    let message = format!("{} cannot hold every character", charset.text);
    Some(
        scene
            .finding(&MYSQL_ENGINE_CHARSET, charset.span, message)
            .help("write utf8mb4; ascii where only ASCII may come"),
    )
}

fn commits(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.mysql() {
        return Vec::new();
    }
    // A table that ends with its session commits nothing.
    let defines = |fact: &Fact| match fact {
        Fact::CreateTable(table) => !table.temporary,
        Fact::Drop(Dropped { temporary, .. }) | Fact::Create(Created { temporary, .. }) => !temporary,
        Fact::AlterTable(_) | Fact::CreateIndex(_) | Fact::Rename(..) | Fact::Truncate { .. } => true,
        _ => false,
    };
    let own = scene.acts.iter().enumerate().filter(|(_, act)| act.body.is_none());
    let (definitions, others): (Vec<_>, Vec<_>) = own.partition(|(_, act)| defines(&act.fact));
    let mut rows = others.iter().filter(|(_, act)| matches!(act.fact, Fact::Rows(_) | Fact::Insert(_)));
    let first = rows.next().map(|(at, _)| *at);
    let second = match definitions.as_slice() {
        [_, second, ..] => *second,
        [only] if first.is_some() => *only,
        _ => return Vec::new(),
    };
    let word = scene.first_word(second.0);
    let message = match definitions.len() {
        1 if first.is_some_and(|first| first < second.0) => {
            "this definition commits the rows changed before it".to_owned()
        }
        1 => "this definition commits: if a statement behind it fails, it stays".to_owned(),
        many => format!("each of the {many} definitions of this file commits: if one fails, those before it stay"),
    };
    // Several changes of one table are one definition, if they are written as one.
    let mut tables = definitions.iter().map(|(_, act)| match &act.fact {
        Fact::AlterTable(alteration) => Some(&alteration.table.name),
        _ => None,
    });
    let first = tables.next().flatten();
    let help = match first.is_some() && definitions.len() > 1 && tables.all(|table| table == first) {
        true => "write them as one ALTER TABLE, which commits once; or one definition a file",
        false => "one definition a file; the versions may follow each other",
    };
    vec![scene.finding_at(second.0, &IMPLICIT_COMMIT, word, message).help(help)]
}

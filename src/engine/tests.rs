//! The session of SQLite against files: what no gate would let through must not corrupt the history either.

use std::path::Path;
use std::time::Duration;

use super::sqlite::connect;
use super::{Access, Connecting, Outcome, Provenance, Script, ScriptStatement, Terms};
use crate::history::{Mode, State};
use crate::migration::{Checksums, Kind, Migration, ObjectId, ProjectName, RepoPath, Version};

fn script(statements: &[&str]) -> Script {
    let migration = Migration {
        project: ProjectName::new("p"),
        path: RepoPath::from("1.sql"),
        environment: None,
        database: None,
        version: Version::new("1"),
        version_key: "n0001".to_owned(),
        kind: Kind::Ddl,
        description: String::new(),
        blob: ObjectId::from_raw(&[1; 20]),
        only: None,
    };
    let statement =
        |text: &&str| ScriptStatement { text: (*text).to_owned(), line: 1, column: 1, ..ScriptStatement::default() };
    Script {
        flavour: crate::config::Dialect::Sqlite.into(),
        migration,
        statements: statements.iter().map(statement).collect(),
        mode: Mode::Transaction,
        done: 0,
        earlier: None,
        out_of_order: false,
        checksums: Checksums { bytes: String::new(), text: String::new() },
        terms: Terms::default(),
        suppressed: String::new(),
        target: "-e dev -d shop".into(),
    }
}

fn run(folder: &Path, statements: &[&str]) -> (Outcome, Vec<crate::history::Row>) {
    let how = Connecting { access: Access::Write, ..Connecting::new(folder, Duration::from_secs(5)) };
    let mut session = connect("sqlite:x.sqlite", &how).unwrap();
    session.lock(Duration::from_secs(5), &mut |_| {}).unwrap();
    session.prepare().unwrap();
    let outcome = session.run(&[script(statements)], &Provenance::default(), &mut |_| {}).unwrap();
    let rows = session.history().unwrap();
    (outcome, rows)
}

#[test]
fn a_commit_inside_a_file_is_noticed_and_never_recorded_as_applied() {
    for end in ["COMMIT", "ROLLBACK", "END"] {
        let folder = tempfile::tempdir().unwrap();
        let (outcome, rows) = run(folder.path(), &["CREATE TABLE a (id INTEGER)", end, "CREATE TABLE b (id INTEGER)"]);
        let Outcome::Failed { error, left, .. } = outcome else { panic!("{end} went unnoticed") };
        assert_eq!(error.statement, 2);
        assert!(left.contains("statements 1 to 2 of this file ran and may stay"), "{left}");
        assert_eq!((rows[0].state, rows[0].statements_done), (State::Failed, 2), "{end}");
    }
}

#[test]
fn what_another_process_applied_meanwhile_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = run(folder.path(), &["CREATE TABLE a (id INTEGER)"]);
    assert!(matches!(first, Outcome::Applied(_)));
    let (second, rows) = run(folder.path(), &["CREATE TABLE a (id INTEGER)"]);
    assert!(matches!(second, Outcome::Applied(_)), "{second:?}");
    assert_eq!((rows.len(), rows[0].attempt), (1, 1));
}

#[test]
fn a_failure_leaves_nothing_but_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, rows) = run(folder.path(), &["CREATE TABLE a (id INTEGER)", "DROP TABLE nowhere"]);
    assert!(matches!(outcome, Outcome::Failed { script: 0, .. }));
    assert_eq!((rows[0].state, rows[0].statements_done, rows.len()), (State::Failed, 0, 1));
    let (again, _) = run(folder.path(), &["CREATE TABLE a (id INTEGER)"]);
    assert!(matches!(again, Outcome::Applied(_)), "{again:?}");
}

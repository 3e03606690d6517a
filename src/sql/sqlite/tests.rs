//! What SQLite says, alone and behind other statements.

use super::*;

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted => "ok".to_owned(),
        Verdict::Rejected { span, message, .. } => format!("form {} {message}", span.start),
        Verdict::Refused { span, message } => format!("schema {} {message}", span.start),
        other => format!("{other:?}"),
    }
}

#[test]
fn form_is_judged_without_a_schema() {
    for (text, expected) in [
        ("CREATE TABLE t (a, b)", "ok"),
        ("SELECT c FROM nowhere", "ok"),
        ("CREATE TABLE t (a, b,)", "form 21 near \")\": syntax error"),
        ("CREATE TABLE t (a", "form 17 incomplete input"),
        ("CREATE TABLE a (i int) END", "form 23 unknown table option: END"),
        ("CREATE TRIGGER x AFTER INSERT ON nowhere BEGIN SELCT 1; END", "form 47 near \"SELCT\": syntax error"),
        ("ALTER TABLE nowhere ADD COLUMN c INT NOT NUL", "form 41 near \"NUL\": syntax error"),
        ("SELECT \u{2018}a\u{2019}", "ok"),
        ("SELECT 1 @ 2", "form 9 unrecognized token: \"@\""),
        ("ATTACH '/tmp/x' AS y", "ok"),
        ("PRAGMA journal_mode = WAL", "ok"),
        ("VACUUM INTO '/tmp/never'", "ok"),
        ("SELECT load_extension('x')", "schema 7 not authorized to use function: load_extension"),
    ] {
        assert_eq!(shown(&judge(text)), expected, "{text}");
    }
    assert!(!std::path::Path::new("/tmp/never").exists());
}

#[test]
fn the_schema_so_far_decides_about_names() {
    let mut replay = Replay::new().unwrap();
    for (text, expected) in [
        ("CREATE TABLE t (a, b)", "ok"),
        ("INSERT INTO t VALUES (1, 2)", "ok"),
        ("INSERT INTO t VALUES (1)", "schema 14 table t has 2 columns but 1 values were supplied"),
        ("INSERT INTO u VALUES (1)", "schema 12 no such table: u"),
        ("SELECT c FROM t", "schema 7 no such column: c"),
        ("CREATE INDEX i ON t (a)", "ok"),
        ("ALTER TABLE t RENAME COLUMN b TO c", "ok"),
        ("UPDATE t SET c = 1", "ok"),
        ("CREATE TABLE t (x)", "schema 13 table t already exists"),
        ("UPDATE t SET b = 1", "ok"),
    ] {
        assert_eq!(shown(&replay.judge(text)), expected, "{text}");
    }
    assert!(replay.doubt().is_some(), "a table that could not be made leaves a doubt");
}

#[test]
fn a_snapshot_holds_the_schema() {
    let mut replay = Replay::new().unwrap();
    replay.follow("CREATE TABLE t (a)");
    let mut restored = Replay::restore(&replay.snapshot().unwrap()).unwrap();
    assert_eq!(shown(&restored.judge("SELECT a FROM t")), "ok");
    assert_eq!(shown(&restored.judge("CREATE TABLE u (a)")), "ok");
    assert!(Replay::restore(b"not a database, but long enough to be read as if it were one").is_err());
}

#[test]
fn what_a_query_would_compute_is_never_computed() {
    let mut replay = Replay::new().unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    for query in [
        format!("CREATE TABLE endless AS {rows} SELECT i, i FROM n"),
        format!("CREATE TEMP TABLE huge AS {rows} SELECT zeroblob(900000000) AS z FROM n"),
        "CREATE TABLE slow AS SELECT instr(zeroblob(500000000), zeroblob(250000000) || x'01') AS a".to_owned(),
    ] {
        assert_eq!(shown(&replay.judge(&query)), "ok", "{query}");
    }
    assert_eq!(shown(&replay.judge("SELECT a, z, i, \"i:1\" FROM slow, huge, endless")), "ok");
    assert_eq!(shown(&replay.judge("CREATE TABLE t (a)")), "ok");
    let index = "CREATE INDEX x ON t (a, instr(zeroblob(50000000), zeroblob(25000000) || x'01'))";
    let verdict = shown(&replay.judge(index));
    assert!(verdict == "ok" || verdict.contains("too big"), "{verdict}");
}

#[test]
fn the_cases_have_the_verdicts_that_they_name() {
    let mut wrong = Vec::new();
    for case in crate::sql::cases::cases("sqlite") {
        let verdict = judge(&case.text);
        if matches!(verdict, Verdict::Rejected { .. }) && case.accept || verdict == Verdict::Accepted && !case.accept {
            wrong.push(format!("{}: {}\n    {verdict:?}", case.place, case.text));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn foreign_keys_are_as_they_are_when_a_file_runs() {
    let mut replay = Replay::new().unwrap();
    for text in ["CREATE TABLE p (id INTEGER)", "CREATE TABLE c (p INTEGER REFERENCES p (id))"] {
        assert_eq!(replay.judge(text), Verdict::Accepted);
    }
    // With keys enforced this would be a mismatch: the parent's column is no key.
    assert_eq!(replay.judge("INSERT INTO c VALUES (1)"), Verdict::Accepted);
}

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
    let mut replay = Replay::new();
    for (text, expected) in [
        ("CREATE TABLE t (a, b)", "ok"),
        ("INSERT INTO t VALUES (1, 2)", "ok"),
        ("INSERT INTO t VALUES (1)", "schema 14 table t has 2 columns but 1 values were supplied"),
        ("INSERT INTO u VALUES (1)", "schema 12 no such table: u"),
        ("INSERT INTO t (a, z) VALUES (1, 2)", "schema 18 table t has no column named z"),
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
    let mut replay = Replay::new();
    replay.follow("CREATE TABLE t (a)");
    let mut restored = Replay::restore(&replay.snapshot().unwrap()).unwrap();
    assert_eq!(shown(&restored.judge("SELECT a FROM t")), "ok");
    assert_eq!(shown(&restored.judge("CREATE TABLE u (a)")), "ok");
    assert!(Replay::restore(b"not a database, but long enough to be read as if it were one").is_err());
}

#[test]
fn what_a_query_would_compute_is_never_computed() {
    let mut replay = Replay::new();
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
    let mut replay = Replay::new();
    for text in ["CREATE TABLE p (id INTEGER)", "CREATE TABLE c (p INTEGER REFERENCES p (id))"] {
        assert_eq!(replay.judge(text), Verdict::Accepted);
    }
    // With keys enforced this would be a mismatch: the parent's column is no key.
    assert_eq!(replay.judge("INSERT INTO c VALUES (1)"), Verdict::Accepted);
}

/// Everyday statements, of which most are certain, on a few tables.
fn everyday(seed: &mut impl FnMut(usize) -> usize) -> String {
    const SHAPES: [&str; 52] = [
        "INSERT INTO A (c, d) SELECT d, c || 'x' FROM B WHERE c > 1 ORDER BY c",
        "INSERT INTO A SELECT * FROM B",
        "INSERT INTO A (d) SELECT replace(c, 'a', 'b') AS e FROM B",
        "ALTER TABLE A RENAME TO B",
        "DROP INDEX IF EXISTS j",
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE A (id INTEGER PRIMARY KEY AUTOINCREMENT, c TEXT NOT NULL DEFAULT 'x', d VARCHAR(20) UNIQUE)",
        "CREATE TABLE IF NOT EXISTS A (c INT, d DECIMAL(10, 2) DEFAULT -1.5, e, PRIMARY KEY (c, d), UNIQUE (e))",
        "CREATE TABLE A (c INTEGER REFERENCES B (c) ON DELETE CASCADE, d DATE DEFAULT CURRENT_TIMESTAMP)",
        "CREATE TABLE \"A\" (\"c\" text, [d] int, `e` blob, CONSTRAINT k FOREIGN KEY (c) REFERENCES B (d) ON UPDATE SET NULL)",
        "CREATE TABLE A (c INT CHECK (c > 0 AND d IS NOT NULL OR length(c) BETWEEN 1 AND 5), d TEXT COLLATE NOCASE)",
        "CREATE TABLE A (c INT, d INT, CONSTRAINT k CHECK (c IN (1, 2) AND A.d LIKE 'x%' AND NOT d = -c))",
        "CREATE TABLE A (c INT DEFAULT (datetime('now')), d INT DEFAULT (1 + 2), e TEXT DEFAULT (lower('X')))",
        "CREATE TABLE A (c INT GENERATED ALWAYS AS (d + 1), d INT) WITHOUT ROWID",
        "CREATE TABLE A (c INT PRIMARY KEY, d INT) WITHOUT ROWID",
        "CREATE TABLE A (key TEXT, action INT, c UNSIGNED BIG INT, d DOUBLE PRECISION, e TIMESTAMP WITH TIME ZONE)",
        "CREATE TABLE A (c INT CHECK (random() > c))",
        "CREATE TABLE A AS SELECT * FROM B",
        "CREATE TEMP TABLE A (c, d)",
        "CREATE VIRTUAL TABLE A USING fts5 (c, d)",
        "CREATE TABLE A_data (c, d)",
        "CREATE INDEX i ON A (c)",
        "CREATE UNIQUE INDEX j ON A (c COLLATE NOCASE DESC, d ASC) WHERE c IS NOT NULL",
        "CREATE INDEX IF NOT EXISTS i ON A (d) WHERE d > 5 AND c LIKE 'a%'",
        "CREATE INDEX l ON A (lower(c))",
        "CREATE INDEX A ON B (c)",
        "ALTER TABLE A ADD COLUMN e INT DEFAULT 5 NOT NULL",
        "ALTER TABLE A ADD f TEXT REFERENCES B (c)",
        "ALTER TABLE A ADD COLUMN e INT NOT NULL",
        "ALTER TABLE A ADD COLUMN e INT UNIQUE",
        "ALTER TABLE A RENAME TO B",
        "ALTER TABLE A RENAME COLUMN c TO g",
        "ALTER TABLE A DROP COLUMN d",
        "DROP TABLE A",
        "DROP TABLE IF EXISTS A",
        "DROP INDEX i",
        "INSERT INTO A (c, d) VALUES (1, 'it''s'), (-2.5e3, NULL), (x'1f', upper('a') || 'b')",
        "INSERT INTO A VALUES (1, 2, 3)",
        "INSERT OR IGNORE INTO A (c) VALUES (CASE WHEN 1 < 2 THEN 'a' ELSE CAST('1' AS INT) END)",
        "INSERT INTO A (c) VALUES (datetime('now')), (coalesce(NULL, 1)), (CURRENT_TIMESTAMP), (\"y\")",
        "INSERT INTO A SELECT * FROM B",
        "UPDATE A SET c = d + 1, d = 'x' || c WHERE (c <> 1 OR d IS NULL) AND A.c NOT IN (1, 2) AND d NOT BETWEEN 1 AND 2",
        "UPDATE A SET c = (SELECT max(d) FROM B)",
        "UPDATE A SET c = TRUE WHERE d NOT LIKE '%a' ESCAPE '!' AND c ISNULL AND d == 1",
        "DELETE FROM A WHERE c % 2 = 0 AND d >= 1 AND c << 1 < 3 & 4",
        "DELETE FROM A WHERE rowid = 1",
        "SELECT c, d FROM A, B",
        "CREATE VIEW v AS SELECT c FROM A",
        "CREATE TRIGGER t AFTER INSERT ON A BEGIN INSERT INTO B (c) VALUES (new.c); END",
        "PRAGMA foreign_keys = ON",
        "DELETE FROM sqlite_sequence WHERE name = 'A'",
        "DROP VIEW v",
    ];
    const TABLES: [&str; 8] = ["orders", "users", "teams", "Orders", "rates", "roles", "notes", "USERS"];
    // What SQLite must judge ends certainty, so it is rarer.
    let changes = |shape: &str| {
        let words = ["RENAME", "DROP COLUMN", "TRIGGER", "VIEW", "VIRTUAL", "PRAGMA", "TEMP", "SELECT", "sqlite_"];
        words.iter().any(|word| shape.contains(word))
    };
    let mut shape = SHAPES[seed(SHAPES.len())];
    while changes(shape) && seed(12) > 0 {
        shape = SHAPES[seed(SHAPES.len())];
    }
    let table = TABLES[seed(TABLES.len())];
    let text = shape.replace("CREATE TABLE A_data", &format!("CREATE TABLE {table}_data"));
    let text = text.replace('A', "\u{1}").replace('B', "\u{2}");
    let names = |text: &str, mark: char, name: &str| {
        // Only where the letter stands alone.
        let mut made = String::new();
        let letters: Vec<char> = text.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let alone = |place: Option<&char>| {
                place.is_none_or(|other| !other.is_alphanumeric() && !"_\u{1}\u{2}".contains(*other))
            };
            let free = alone(at.checked_sub(1).and_then(|at| letters.get(at))) && alone(letters.get(at + 1));
            match (*letter == mark, free) {
                (true, true) => made.push_str(name),
                (true, false) => made.push(if mark == '\u{1}' { 'A' } else { 'B' }),
                (false, _) => made.push(*letter),
            }
        }
        made
    };
    let text = names(&text, '\u{1}', table);
    names(&text, '\u{2}', TABLES[seed(TABLES.len())])
}

/// Takes a token away, doubles it, or puts another one in its place, now and then.
fn bent(text: &str, seed: &mut impl FnMut(usize) -> usize) -> String {
    const OTHERS: [&str; 40] = [
        "(", ")", ",", ";", "'", "\"", ".", "NOT", "NULL", "c", "d", "\"c\"", "x", "1", "1a", "0x1F", "'t'", "=", "<",
        "> =", "||", "->", "?", ":a", "@v", "/*", "--", "/* a */", "SELECT", "DEFAULT", "KEY", "PRIMARY", "true", "*",
        "IS", "AND", "\u{e4}", "1e", "x'1'", "ROW",
    ];
    if seed(5) > 0 {
        return text.to_owned();
    }
    let spans: Vec<Span> = Lexer::new(text, Dialect::Sqlite).map(|token| token.span).collect();
    let span = spans[seed(spans.len())];
    let other = OTHERS[seed(OTHERS.len())];
    let put = match seed(4) {
        0 => String::new(),
        1 => format!("{} {}", span.of(text), span.of(text)),
        2 => format!("{} {other}", span.of(text)),
        _ => other.to_owned(),
    };
    format!("{}{put}{}", &text[..span.start], &text[span.end..])
}

fn schema(replay: &mut Replay) -> Vec<(String, String)> {
    replay.follow("DROP TABLE IF EXISTS sqlite_nothing");
    let (connection, _) = replay.opened.as_ref().unwrap();
    let mut asked = connection.prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema").unwrap();
    let mut rows: Vec<(String, String)> =
        asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

/// What is certain is exactly what SQLite says, whatever stood before; also behind a snapshot.
#[test]
fn what_waits_changes_no_verdict() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut seed = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let (mut certain, mut taken) = (0, 0);
    for _ in 0..500 {
        let (mut ours, mut eager) = (Replay::new(), Replay::new());
        eager.waiting = Waiting::never();
        let mut texts = Vec::new();
        for _ in 0..40 {
            let text = bent(&everyday(&mut seed), &mut seed);
            certain += usize::from(certain::read(&text, &ours.waiting).is_some());
            texts.push(text.clone());
            let (said, expected) = (ours.judge(&text), eager.judge(&text));
            taken += usize::from(expected == Verdict::Accepted && ours.doubt().is_none());
            assert_eq!(shown(&said), shown(&expected), "{texts:#?}");
            assert_eq!(ours.doubt(), eager.doubt(), "{texts:#?}");
            if seed(10) == 0 {
                ours.next_file();
                eager.next_file();
                if let Some(kept) = ours.snapshot() {
                    ours = Replay::restore(&kept).unwrap();
                }
            }
        }
        assert_eq!(schema(&mut ours), schema(&mut eager), "{texts:#?}");
    }
    assert!(certain * 2 > taken, "only {certain} of {taken} were certain");
}

/// The same on real migrations, where they are there.
#[test]
fn what_waits_changes_no_verdict_on_real_migrations() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(projects) = std::fs::read_dir(top) else { return };
    for project in projects.map(|project| project.unwrap().path().join("sqlite")) {
        let Ok(files) = std::fs::read_dir(&project) else { continue };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.to_string_lossy().ends_with(".up.sql"));
        files.sort();
        let (mut ours, mut eager) = (Replay::new(), Replay::new());
        eager.waiting = Waiting::never();
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            ours.next_file();
            eager.next_file();
            for statement in crate::sql::split::split(&text, Dialect::Sqlite) {
                let one = statement.span.of(&text);
                assert_eq!(shown(&ours.judge(one)), shown(&eager.judge(one)), "{}: {one}", file.display());
            }
        }
        assert_eq!(schema(&mut ours), schema(&mut eager), "{}", project.display());
    }
}

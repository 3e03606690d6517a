//! The rules of the review, held against their fixtures: what each finds, to the column, and what it leaves alone.
//!
//! `fixtures/rules/RULE.sql` holds cases: `=== ENGINE [VERSION]`, then `--- earlier` (what ran before), `--- bad` and
//! `--- good`, each with a title if it needs one. Behind a bad case stand the places that the rule finds, as
//! `--> LINE:COLUMN TOKEN`. With `SCHEMAGATE_WRITE_DOCS=1` these and the pages in `docs/rules` are written anew.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemagate::catalogue::Catalogue;
use schemagate::check::Judge;
use schemagate::check::content::{Court, Schema, ToRead};
use schemagate::config::Dialect;
use schemagate::config::flavour::Flavour;
use schemagate::config::manifest::{self, Settings};
use schemagate::finding::{Finding, Report, Rule, Severity};
use schemagate::migration::{ObjectId, RepoPath};
use schemagate::render::{Look, ReportFormat};
use schemagate::rules;
use schemagate::rules::naming::KnownNames;
use schemagate::rules::released::Baseline;
use schemagate::sql::sqlite::Replay;
use schemagate::text::line_column;

/// One case of a fixture.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    /// The engine with its version, as the fixture says it.
    pub(crate) engine: String,
    /// What ran before.
    pub(crate) earlier: String,
    /// Whether the rule is to find something.
    pub(crate) bad: bool,
    /// What the case is about.
    pub(crate) title: String,
    /// The file.
    pub(crate) sql: String,
    /// The places of a bad case.
    expected: Vec<String>,
}

impl Case {
    pub(crate) fn dialect(&self) -> Dialect {
        let word = self.engine.split(' ').next().unwrap();
        Dialect::ALL.into_iter().find(|dialect| dialect.word() == word).unwrap()
    }

    pub(crate) fn place(&self) -> String {
        format!("{} {} {}: {}", self.engine, if self.bad { "bad" } else { "good" }, self.title, self.sql)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules")
}

/// Reads the cases of a rule.
pub(crate) fn cases(rule: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join(format!("{rule}.sql"))).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    let (mut engine, mut earlier, mut in_earlier) = (String::new(), String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            (engine, earlier, in_earlier) = (name.to_owned(), String::new(), false);
        } else if line == "--- earlier" {
            in_earlier = true;
        } else if let Some(head) = line.strip_prefix("--- ") {
            in_earlier = false;
            let (kind, title) = head.split_once(": ").unwrap_or((head, ""));
            assert!(matches!(kind, "bad" | "good"), "{rule}: {line}");
            let (engine, earlier) = (engine.clone(), earlier.clone());
            cases.push(Case { engine, earlier, bad: kind == "bad", title: title.to_owned(), ..Case::default() });
        } else if in_earlier {
            earlier.push_str(line);
            earlier.push('\n');
        } else if let Some(place) = line.strip_prefix("--> ") {
            cases.last_mut().unwrap().expected.push(place.to_owned());
        } else {
            let sql = &mut cases.last_mut().unwrap().sql;
            sql.push_str(line);
            sql.push('\n');
        }
    }
    cases
}

/// Writes the expectations of a rule's cases anew.
fn rewrite(rule: &str, found: &[Vec<String>]) {
    let path = folder().join(format!("{rule}.sql"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    let mut number = 0_usize;
    let mut open = false;
    let mut finish = |written: &mut String, open: &mut bool| {
        if std::mem::take(open) {
            for place in &found[number] {
                let _ = writeln!(written, "--> {place}");
            }
            number += 1;
        }
    };
    for line in text.lines().filter(|line| !line.starts_with("--> ")) {
        if line.starts_with("=== ") || line.starts_with("--- ") {
            finish(&mut written, &mut open);
            open = line.starts_with("--- bad") || line.starts_with("--- good");
        }
        written.push_str(line);
        written.push('\n');
    }
    finish(&mut written, &mut open);
    std::fs::write(path, written).unwrap();
}

/// The manifest under which a case is judged: rules that are off are on.
fn settings(case: &Case, rule: Option<&Rule>) -> Settings {
    let conventions = std::fs::read_to_string(folder().join("conventions.toml")).unwrap();
    let (dialect, version) = case.engine.split_once(' ').unwrap_or((case.engine.as_str(), ""));
    let version = if version.is_empty() { String::new() } else { format!("version = \"{version}\"\n") };
    let on = match rule {
        Some(rule) if rule.severity == Severity::Off => format!("{} = \"warning\"\n", rule.name),
        _ => String::new(),
    };
    let text = format!(
        "[[project]]\nbase-directory = \"db\"\nfile-path-template = \"{{{{DB_NAME}}}}##{{{{VERSION}}}}##{{{{TYPE}}}}.sql\"\n\
         [project.databases.shop]\ndialect = \"{dialect}\"\n{version}[project.rules]\ntype-mismatch = \"off\"\n{on}\n{}",
        if rule.is_some_and(case_is_agreed) { conventions } else { String::new() }
    );
    manifest::read(&text).unwrap_or_else(|findings| panic!("{findings:?}"))
}

/// Says whether a rule is about what a project has agreed on.
fn case_is_agreed(rule: &Rule) -> bool {
    rules::conventions::FAMILY.rules.iter().chain(rules::conventions::FILES.rules).any(|other| *other == rule)
}

/// Judges files one after the other, each behind `earlier` and those before it.
pub(crate) fn review(case: &Case, rule: Option<&Rule>, files: &[String]) -> Vec<Report> {
    let settings = settings(case, rule);
    let judge = Judge {
        now: &settings,
        before: None,
        policy: None,
        known: KnownNames::default(),
        baseline: Baseline { revision: "HEAD".to_owned(), on_server: false },
    };
    let project = &settings.projects[0];
    let flavour: Flavour = project.databases.values().next().unwrap().flavour;
    let replay = (flavour.dialect == Dialect::Sqlite).then(|| RefCell::new(Replay::new()));
    let schema = Schema { flavour, replay, known: RefCell::new(Catalogue::default()) };
    let blob = ObjectId::from_raw(&[0; 20]);
    schema.follow(&RepoPath::from("db/shop##0##ddl.sql"), case.earlier.as_bytes(), false);
    let clock = || Duration::ZERO;
    let court = Court { replay: schema.replay.as_ref(), known: Some(&schema.known), server: None, clock: &clock };
    let judged = files.iter().enumerate().map(|(number, text)| {
        let path = RepoPath::from(format!("db/shop##{}##ddl.sql", number + 1).as_str());
        let migration = project.migration(&path, &blob).unwrap();
        let largest = project.largest_file;
        let file = ToRead {
            migration,
            flavour: Some(flavour),
            flavour_before: None,
            largest,
            limits: project.limits,
            // Each file of a way runs before the next one is written.
            pending: false,
        };
        let mut report = judge.content(&file, text.as_bytes(), &court);
        report.sort();
        report
    });
    judged.collect()
}

/// Where a finding points: line, column and token.
fn shown(report: &Report, finding: &Finding) -> String {
    let span = finding.place.span.unwrap();
    let source = report.source(&finding.place.name).unwrap();
    let at = line_column(source, span.start);
    format!("{}:{} {}", at.line, at.column, span.of(source).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn found_by(rule: &Rule, report: &Report) -> Vec<String> {
    let mine = report.findings().iter().filter(|finding| finding.rule == rule);
    mine.map(|finding| shown(report, finding)).collect()
}

/// The rules that look at what statements do.
pub(crate) fn reviewed() -> Vec<&'static Rule> {
    let families = rules::FAMILIES.iter().filter(|family| family.looks.reviews());
    families.flat_map(|family| family.rules.iter().copied()).collect()
}

/// The weights of a manifest under which the review finds nothing.
pub(crate) fn no_review() -> String {
    let off = reviewed().into_iter().map(|rule| format!("{} = \"off\"\n", rule.name));
    format!("[project.rules]\ntype-mismatch = \"off\"\n{}", off.collect::<String>())
}

fn writes() -> bool {
    std::env::var_os("SCHEMAGATE_WRITE_DOCS").is_some()
}

#[test]
fn each_rule_finds_what_its_fixture_says_and_nothing_else() {
    let mut wrong = String::new();
    let mut all = 0;
    for rule in reviewed() {
        let cases = cases(rule.name);
        assert!(cases.iter().any(|case| case.bad) && cases.iter().any(|case| !case.bad), "{}", rule.name);
        let mut found = Vec::new();
        for case in &cases {
            let report = review(case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
            let places = found_by(rule, &report);
            let broken: Vec<&Finding> =
                report.findings().iter().filter(|finding| finding.rule.name == "syntax-error").collect();
            if !broken.is_empty() || places.is_empty() == case.bad || (!writes() && places != case.expected) {
                let _ = writeln!(
                    wrong,
                    "{}: {}found {places:?}, expected {:?} {broken:?}\n",
                    rule.name,
                    case.place(),
                    case.expected
                );
            }
            found.push(places);
            all += 1;
        }
        if writes() {
            rewrite(rule.name, &found);
        }
    }
    println!("{all} cases of {} rules", reviewed().len());
    assert!(wrong.is_empty(), "{wrong}");
}

/// The files of the safe ways that a case is shown.
pub(crate) fn safe_ways(case: &Case, rule: &'static Rule) -> Vec<Vec<String>> {
    let report = review(case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
    let mine = report.findings().iter().filter(|finding| finding.rule == rule && !finding.safe.is_empty());
    mine.map(|finding| finding.safe.clone()).collect()
}

#[test]
fn the_safe_ways_are_reviewed_clean() {
    let mut wrong = String::new();
    let mut ways = 0;
    for rule in reviewed() {
        for case in cases(rule.name).iter().filter(|case| case.bad) {
            for way in safe_ways(case, rule) {
                ways += 1;
                for (report, file) in review(case, Some(rule), &way).iter().zip(&way) {
                    let heavy = report.findings().iter().filter(|finding| finding.severity >= Severity::Warning);
                    for finding in heavy {
                        let _ = writeln!(wrong, "{}: {file} {}: {}", rule.name, finding.rule.name, finding.message);
                    }
                }
            }
        }
    }
    println!("{ways} safe ways");
    assert!(wrong.is_empty() && ways > 20, "{wrong}");
}

#[test]
fn white_space_and_comments_never_change_findings() {
    let mut wrong = String::new();
    for rule in reviewed() {
        for case in cases(rule.name) {
            let plain = review(&case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
            let spread = spread(&case.sql, case.dialect());
            let other = review(&case, Some(rule), std::slice::from_ref(&spread)).remove(0);
            let said = |report: &Report| {
                report.findings().iter().map(|finding| (finding.rule.name, finding.severity)).collect::<Vec<_>>()
            };
            if said(&plain) != said(&other) {
                let _ = writeln!(
                    wrong,
                    "{}: {}\n{spread}\n{:?}\n{:?}",
                    rule.name,
                    case.place(),
                    said(&plain),
                    said(&other)
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The same file with a comment and a line break behind every token, but for the head, which holds directives.
fn spread(sql: &str, dialect: Dialect) -> String {
    use schemagate::sql::lex::Lexer;
    let head = sql.lines().take_while(|line| line.starts_with("--")).map(|line| line.len() + 1).sum::<usize>();
    let mut text = sql[..head].to_owned();
    let body = &sql[head..];
    for token in Lexer::new(body, dialect) {
        let shown = token.span.of(body);
        text.push_str(shown);
        if token.kind == schemagate::sql::lex::TokenKind::Space {
            text.push_str("/* DROP TABLE x */ \n\t");
        }
    }
    text
}

#[test]
fn every_finding_can_be_suppressed_at_its_statement() {
    let mut wrong = String::new();
    for rule in reviewed() {
        for case in cases(rule.name).into_iter().filter(|case| case.bad) {
            let report = review(&case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
            let mine = report.findings().iter().filter(|finding| finding.rule == rule);
            let places: Vec<usize> = mine.filter_map(|finding| finding.place.span).map(|span| span.start).collect();
            let statements = schemagate::sql::split::split(&case.sql, case.dialect());
            let hit =
                statements.iter().filter(|one| places.iter().any(|at| one.span.start <= *at && *at < one.span.end));
            let mut text = case.sql.clone();
            for statement in hit.rev() {
                text.insert_str(statement.span.start, &format!("-- schemagate: ignore {} -- because\n\n", rule.name));
            }
            let report = review(&case, Some(rule), &[text]).remove(0);
            let left = found_by(rule, &report);
            let slips = report.findings().iter().filter(|finding| finding.rule.name.contains("suppression")).count();
            let gone =
                report.suppressed().iter().filter(|one| one.finding.rule == rule && one.reason == "because").count();
            if !left.is_empty() || slips > 0 || gone != places.len() {
                let _ = writeln!(wrong, "{}: left {left:?}, {slips} slips, {gone} gone", case.place());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The page of a rule, from running its fixture.
fn page(rule: &'static Rule) -> String {
    let mut page =
        format!("# {}\n\n{}\n\n{}\n\nSeverity: {}.", rule.name, rule.summary, rule.explanation, rule.severity);
    if rule.severity == Severity::Off {
        page.push_str(" Switch it on in `[project.rules]`.");
    }
    page.push('\n');
    let cases = cases(rule.name);
    for case in cases.iter().filter(|case| case.bad) {
        let title = if case.title.is_empty() { String::new() } else { format!(": {}", case.title) };
        let _ = write!(page, "\n## Found ({}){title}\n\n```sql\n{}```\n\n```\n", case.engine, case.sql);
        let report = review(case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
        let mut mine = Report::default();
        mine.keep_source("db/shop##1##ddl.sql", case.sql.as_str());
        mine.extend(report.findings().iter().filter(|finding| finding.rule == rule).cloned());
        let text = schemagate::render::report(ReportFormat::Human, &mine, Look { color: false, most: 5 });
        let text = text.rsplit_once("schemagate: ").map_or(text.as_str(), |(text, _)| text);
        page.push_str(text.trim_end());
        page.push_str("\n```\n");
    }
    let good: Vec<&Case> = cases.iter().filter(|case| !case.bad).collect();
    page.push_str("\n## Not found\n");
    for case in good {
        let _ = write!(page, "\n{} ({}):\n\n```sql\n{}```\n", case.title, case.engine, case.sql);
    }
    page
}

#[test]
fn the_pages_are_what_the_fixtures_give() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    std::fs::create_dir_all(&folder).unwrap();
    let mut stale = Vec::new();
    for rule in reviewed() {
        let path = folder.join(format!("{}.md", rule.name));
        let page = page(rule);
        if writes() {
            std::fs::write(&path, &page).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != page {
            stale.push(rule.name);
        }
    }
    let mut index = "# The rules of the review\n\n| rule | severity | what |\n|---|---|---|\n".to_owned();
    for rule in reviewed() {
        let _ = writeln!(index, "| [{0}]({0}.md) | {1} | {2} |", rule.name, rule.severity, rule.summary);
    }
    index.push_str(
        "\nThe other rules are about paths, names, versions, bytes and syntax: `schemagate rules` lists them all.\n",
    );
    if writes() {
        std::fs::write(folder.join("README.md"), &index).unwrap();
    } else if std::fs::read_to_string(folder.join("README.md")).unwrap_or_default() != index {
        stale.push("README");
    }
    assert!(stale.is_empty(), "run SCHEMAGATE_WRITE_DOCS=1 cargo test --test all reviews: {stale:?}");
}

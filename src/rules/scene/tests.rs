//! What happens when the time for a file is up.

use super::*;
use crate::config::conventions::Conventions;
use crate::config::limits::Limits;
use crate::migration::Kind;
use crate::sql::split::split;
use crate::sql::verdict::Bench;

#[test]
fn what_was_not_reviewed_for_lack_of_time_is_never_a_pass() {
    let text = "CREATE TABLE a (id int PRIMARY KEY);\nDROP TABLE b;\n";
    let flavour = Flavour::from(Dialect::Postgres);
    let statements = split(text, flavour);
    let conventions = Conventions::default();
    let known = RefCell::new(Catalogue::default());
    let judged = |late: bool| {
        let late = move || late;
        let script = Script {
            name: "a.sql",
            text,
            kind: Kind::Ddl,
            database: None,
            bench: Some(Bench { flavour, limits: Limits::default(), replay: None, server: None }),
            statements: &statements,
            known: Some(&known),
            pending: true,
            conventions: &conventions,
            wanted: &|rule| rule.severity != crate::finding::Severity::Off,
            late: &late,
        };
        review(&script, &mut Tally::default())
    };
    let names = |findings: &[Finding]| findings.iter().map(|finding| finding.rule.name).collect::<Vec<_>>();
    assert_eq!(names(&judged(false)), ["drop-table"]);
    let late = judged(true);
    assert_eq!(names(&late), ["too-much"]);
    assert_eq!(late[0].severity, crate::finding::Severity::Error);
    assert!(known.borrow().doubt().is_some(), "what is behind it is not known");
}

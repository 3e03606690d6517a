//! Tests of the plan.

use crate::history::*;
use crate::layout::version::Order;
use crate::migration::*;
use crate::plan::*;

fn migration(version: &str, kind: Kind, blob: char) -> Migration {
    Migration {
        project: ProjectName::new("p"),
        path: RepoPath::from(format!("m/{version}##{kind}.sql").as_str()),
        environment: None,
        database: None,
        version: Version::new(version),
        version_key: Order::Natural.key(version),
        kind,
        description: String::new(),
        blob: ObjectId::parse(&blob.to_string().repeat(40)).unwrap(),
        only: None,
    }
}

fn row(migration: &Migration, state: State, done: usize) -> Row {
    Row {
        seq: 1,
        project: migration.project.clone(),
        version: migration.version.as_str().to_owned(),
        version_key: migration.version_key.clone(),
        kind: migration.kind,
        description: String::new(),
        path: migration.path.display(),
        blob_id: migration.blob.as_str().to_owned(),
        commit_id: "c".repeat(40),
        checksum_bytes: "b".to_owned(),
        checksum_text: "t".to_owned(),
        mode: Mode::Journal,
        state,
        statements_total: 3,
        statements_done: done,
        statement_open: 0,
        statement_sums: ["a", "b", "c"].map(statement).concat(),
        error: None,
        attempt: 1,
        out_of_order: false,
        pusher: String::new(),
        pusher_source: String::new(),
        host: String::new(),
        process_id: 1,
        program_version: String::new(),
        started_at: String::new(),
        finished_at: String::new(),
        duration_us: 0,
        seal: String::new(),
    }
}

fn statement(text: &str) -> String {
    crate::history::statement_sum(text, None)
}

fn planned(migrations: &[Migration], rows: &[Row]) -> Plan {
    plan(migrations, rows, Policy::default(), &mut |_| None)
}

#[test]
fn what_has_run_is_left_and_the_rest_comes_in_order() {
    let files = [migration("10", Kind::Ddl, 'a'), migration("2", Kind::Dml, 'b'), migration("2", Kind::Ddl, 'c')];
    let all = planned(&files, &[]);
    let order: Vec<String> = all.steps.iter().map(|step| step.migration.path.display()).collect();
    assert_eq!(order, ["m/2##ddl.sql", "m/2##dml.sql", "m/10##ddl.sql"]);
    let rest = planned(&files, &[row(&files[2], State::Applied, 3)]);
    assert_eq!((rest.applied, rest.steps.len()), (1, 2));
}

#[test]
fn other_content_under_an_applied_version_stops_everything() {
    let old = migration("1", Kind::Ddl, 'a');
    let edited = migration("1", Kind::Ddl, 'b');
    let rows = [row(&old, State::Applied, 3)];
    let result = planned(&[edited.clone(), migration("2", Kind::Ddl, 'c')], &rows);
    assert!(result.steps.is_empty() && result.conflicts.len() == 1);
    let same = Checksums { bytes: String::new(), text: "t".to_owned() };
    let cosmetic = plan(&[edited], &rows, Policy::default(), &mut |_| Some(same.clone()));
    assert!(cosmetic.conflicts.is_empty() && cosmetic.notes.len() == 1);
}

#[test]
fn a_late_version_needs_leave() {
    let files = [migration("1", Kind::Ddl, 'a'), migration("2", Kind::Ddl, 'b')];
    let rows = [row(&files[1], State::Applied, 3)];
    assert_eq!(planned(&files, &rows).conflicts.len(), 1);
    let allowed = plan(&files, &rows, Policy { out_of_order: true, ..Policy::default() }, &mut |_| None);
    assert!(allowed.steps[0].out_of_order);
}

#[test]
fn a_journal_continues_where_it_stopped_unless_what_ran_was_edited() {
    let file = migration("1", Kind::Ddl, 'a');
    let stopped = row(&file, State::Running, 2);
    let sums = |texts: [&str; 3]| texts.map(statement).to_vec();
    assert_eq!(resume_at(Some(&stopped), &sums(["a", "b", "c"])), Ok(2));
    assert_eq!(resume_at(Some(&stopped), &sums(["a", "b", "mended"])), Ok(2));
    assert_eq!(resume_at(Some(&stopped), &sums(["a", "edited", "c"])), Err(2));
    assert_eq!(resume_at(None, &sums(["a", "b", "c"])), Ok(0));
}

#[test]
fn the_same_version_twice_is_never_chosen_from() {
    let mut twin = migration("01", Kind::Ddl, 'b');
    twin.path = RepoPath::from("m/01##ddl.sql");
    assert_eq!(planned(&[migration("1", Kind::Ddl, 'a'), twin], &[]).conflicts.len(), 1);
}

#[test]
fn bytes_that_ran_run_again_only_beside_the_file_that_ran() {
    let (first, copied) = (migration("1", Kind::Dml, 'a'), migration("3", Kind::Dml, 'a'));
    let ran = [row(&first, State::Applied, 3)];
    let beside = planned(&[first.clone(), copied.clone()], &ran);
    assert_eq!((beside.steps.len(), beside.conflicts.len()), (1, 0));
    assert!(beside.notes[0].contains("they run once more"), "{:?}", beside.notes);
    // Alone it is the same file with another name.
    let renamed = planned(std::slice::from_ref(&copied), &ran);
    assert!(renamed.steps.is_empty() && renamed.conflicts[0].message.contains("they would run twice"));
    // Of several that ran, one that is still there is enough.
    let gone = migration("2", Kind::Dml, 'a');
    let both = [row(&first, State::Applied, 3), row(&gone, State::Applied, 3)];
    assert_eq!(planned(&[first, copied], &both).conflicts, []);
}

#[test]
fn what_began_in_order_goes_on_behind_what_came_since() {
    let (begun, later) = (migration("1", Kind::Ddl, 'a'), migration("2", Kind::Ddl, 'b'));
    let rows = |done| [row(&begun, State::Failed, done), row(&later, State::Applied, 3)];
    let plan = planned(&[begun.clone(), later.clone()], &rows(1));
    assert_eq!((plan.steps.len(), plan.conflicts.len()), (1, 0));
    let plan = planned(&[begun.clone(), later.clone()], &rows(0));
    assert!(plan.conflicts[0].message.contains("has not run"), "{:?}", plan.conflicts);
}

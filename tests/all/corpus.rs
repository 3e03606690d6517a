//! Real migrations of two public projects, pushed and applied to PostgreSQL, MariaDB and SQLite, where they are at hand.

use std::path::Path;

use crate::databases::Engine;
use crate::support::{World, flat};

/// The files on the way up of one project for one engine, in their order: name and text.
fn files(project: &str, engine: Engine) -> Option<Vec<(String, String)>> {
    let folder = crate::verdicts::folder(engine.flavour());
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(project).join(folder);
    let mut files: Vec<(String, String)> = std::fs::read_dir(top)
        .ok()?
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".up.sql"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        // A file without a statement has nothing to run, and the gate says so.
        .filter(|(_, text)| !schemagate::sql::split::split(text, engine.flavour()).is_empty())
        .collect();
    files.sort();
    Some(files)
}

/// What became of the files of one project on one engine.
#[derive(Default)]
struct Outcome {
    applied: usize,
    /// Names and messages of those that the gate refused or the database did.
    out: Vec<String>,
    /// Those that the engine's own client takes.
    ours: Vec<String>,
}

/// Pushes all files, one after the other; what is refused or fails is tried with the engine's own client.
fn push_all(engine: Engine, files: &[(String, String)]) -> Outcome {
    let database = engine.database();
    let manifest = format!("{}{}", database.manifest(), crate::reviews::no_review());
    let world = World::new(&manifest, &database.server_file());
    world.commit("manifest");
    world.push().ok();
    let mut outcome = Outcome::default();
    for (number, (name, text)) in files.iter().enumerate() {
        let path = world.migration(&format!("{:04}", number + 1), text);
        let done = world.send(name);
        if done.code == 0 && done.text.contains("1 applied now") {
            outcome.applied += 1;
            continue;
        }
        let said = flat(&done.text);
        let said = said.split_once("error").map_or("", |(_, said)| said);
        outcome.out.push(format!("{name}: {}", said.chars().take(160).collect::<String>()));
        if database.takes(&world, &world.clone_().join(&path)) {
            outcome.ours.push(format!("{name}:\n{}", done.text));
        }
        if done.code == 0 {
            // It was accepted and failed: the next versions wait for it until it says something that works. Of a
            // journal what ran stays as it is.
            let ran = format!(
                "SELECT statements_done FROM {} WHERE version = '{:04}'",
                database.history("migration"),
                number + 1
            );
            let ran: usize = database.ask(&world, &ran).parse().unwrap_or(0);
            let dialect = engine.flavour();
            let kept = schemagate::sql::split::split(text, dialect).into_iter().take(ran);
            let kept: String = kept.map(|statement| format!("{};\n", statement.span.of(text))).collect();
            world.file(&path, &format!("{kept}SELECT 1;\n"));
            world.send("mended").ok();
        } else {
            world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
        }
    }
    outcome
}

#[test]
fn real_migrations_are_applied_through_pushes() {
    let mut ours = Vec::new();
    for project in ["authelia-authelia", "ory-hydra"] {
        for engine in Engine::all() {
            let Some(files) = files(project, engine) else {
                println!("the real migrations are not here");
                return;
            };
            let outcome = push_all(engine, &files);
            println!("{project} {engine:?}: {} of {} applied", outcome.applied, files.len());
            for why in outcome.out {
                println!("  {why}");
            }
            ours.extend(outcome.ours);
        }
    }
    assert!(ours.is_empty(), "the engine's own client takes what we do not:\n{}", ours.join("\n"));
}

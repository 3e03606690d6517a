//! The installer: what Git runs afterwards, and that everything comes back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{MANIFEST, ONE_TARGET, World};

fn write_hook(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Every file of a folder with its mode and content.
fn state(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            (path.file_name().unwrap().to_string_lossy().into_owned(), mode, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn installing_twice_changes_nothing_and_uninstalling_brings_everything_back() {
    let world = World::empty();
    world.git(world.path(), &["init", "-q", "--bare", "server.git"]).ok();
    let hooks = world.server().join("hooks");
    write_hook(&hooks, "pre-receive", "#!/bin/sh\nexit 0\n");
    let before = state(&hooks);
    world.on_server(&["install"]).says(&["the hook that was here runs first"]).ok();
    let installed = state(&hooks);
    let text = std::fs::read_to_string(hooks.join("pre-receive")).unwrap();
    assert!(text.starts_with("#!/") && text.lines().next().unwrap().ends_with("/schemagate hook"), "{text}");
    world.on_server(&["install"]).says(&["unchanged"]).ok();
    assert_eq!(state(&hooks), installed);
    world.on_server(&["uninstall"]).says(&["the hook that was here before is back"]).ok();
    assert_eq!(state(&hooks), before);
    world.on_server(&["uninstall"]).says(&["no hooks of schemagate are installed here"]).ok();
}

#[test]
fn a_foreign_hook_runs_first_with_the_same_input_and_its_answer_counts() {
    let world = World::without_client_hooks(MANIFEST, ONE_TARGET);
    world.on_server(&["uninstall"]).ok();
    let hooks = world.server().join("hooks");
    write_hook(&hooks, "pre-receive", "#!/bin/sh\ncat > seen\necho foreign hook speaks\n! grep -q forbidden seen\n");
    write_hook(&hooks, "post-receive", "#!/bin/sh\ncat > seen-after\n");
    world.on_server(&["install"]).ok();
    world.commit("one");
    world.push().says(&["foreign hook speaks"]).ok();
    let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
    let line = format!("{} {} refs/heads/main\n", "0".repeat(40), head.trim());
    assert_eq!(std::fs::read_to_string(world.server().join("seen")).unwrap(), line);
    assert_eq!(std::fs::read_to_string(world.server().join("seen-after")).unwrap(), line);
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:forbidden"]).refused(&["pre-receive hook declined"]);
}

#[test]
fn two_foreign_hooks_are_never_overwritten() {
    let world = World::empty();
    world.git(world.path(), &["init", "-q", "--bare", "server.git"]).ok();
    let hooks = world.server().join("hooks");
    write_hook(&hooks, "pre-receive", "#!/bin/sh\n");
    write_hook(&hooks, "pre-receive.schemagate-prev", "#!/bin/sh\n");
    let before = state(&hooks);
    world.on_server(&["install"]).refused(&["both foreign hooks"]);
    assert_eq!(state(&hooks), before);
}

#[test]
fn without_its_program_a_server_refuses_and_a_client_warns() {
    let world = World::usual();
    let program = world.path().join("program");
    std::fs::copy(crate::support::PROGRAM, &program).unwrap();
    let program_text = program.to_str().unwrap().to_owned();
    world.on_server(&["install", "--program", &program_text]).ok();
    world.sg(&["install", "--program", &program_text]).ok();
    std::fs::remove_file(&program).unwrap();
    world.migration("1", "CREATE TABEL a (x);");
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).says(&["warning: schemagate is not at", "were not checked here"]).ok();
    world.in_clone(&["push", "-q", "origin", "HEAD:main"]).refused(&["pre-receive hook declined"]);
    world.sg(&["install", "--strict"]).ok();
    let hook = std::fs::read_to_string(world.clone_().join(".git/hooks/pre-commit")).unwrap();
    assert!(!hook.contains("warning"), "{hook}");
}

#[test]
fn the_hooks_path_of_the_configuration_is_honoured() {
    let world = World::usual();
    world.in_clone(&["config", "core.hooksPath", ".githooks"]).ok();
    world.sg(&["install"]).ok();
    assert!(world.clone_().join(".githooks/pre-commit").exists());
    world.migration("1", "CREATE TABEL a (x);");
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).refused(&["syntax-error"]);
    let outside = world.path().join("outside");
    world.in_clone(&["config", "core.hooksPath", outside.to_str().unwrap()]).ok();
    world.sg(&["install"]).refused(&["outside of this repository", "--shared-hooks"]);
    world.sg(&["install", "--shared-hooks"]).ok();
    assert!(outside.join("pre-push").exists());
}

#[test]
fn a_state_that_lets_pushes_through_is_not_left() {
    let world = World::empty();
    world.git(world.path(), &["init", "-q", "--bare", "server.git"]).ok();
    let hooks = world.server().join("hooks");
    std::os::unix::fs::symlink("/nowhere/hook", hooks.join("pre-receive")).unwrap();
    world.on_server(&["install"]).refused(&["not an executable file", "Git does not run it"]);
    std::fs::remove_file(hooks.join("pre-receive")).unwrap();
    std::fs::write(hooks.join("pre-receive"), "").unwrap();
    world.on_server(&["install"]).refused(&["not an executable file"]);
    std::fs::remove_file(hooks.join("pre-receive")).unwrap();
    world.on_server(&["install", "--program", "/bin/false"]).refused(&["does not run"]);
    world.on_server(&["install", "--program", "/bin/true"]).refused(&["is not schemagate"]);
    std::fs::remove_dir_all(&hooks).unwrap();
    world.on_server(&["install"]).says(&["every push is refused"]).ok();
    assert!(hooks.join("pre-receive").exists());
}

#[test]
fn a_program_in_a_folder_with_odd_characters_runs() {
    let world = World::usual();
    let folder = world.path().join("it's $(odd) \"here\"");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("schemagate");
    std::fs::copy(crate::support::PROGRAM, &program).unwrap();
    world.on_server(&["install", "--program", program.to_str().unwrap()]).ok();
    world.sg(&["install", "--program", program.to_str().unwrap()]).ok();
    let hook = std::fs::read_to_string(world.server().join("hooks/pre-receive")).unwrap();
    assert!(hook.starts_with("#!/bin/sh\n"), "a path with spaces cannot stand in the first line: {hook}");
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
    world.in_clone(&["add", "."]).ok();
    assert_eq!(world.in_clone(&["commit", "-qm", "x"]).ok(), "");
    world.push().says(&["applied 1 ddl"]).ok();
}

#[test]
fn install_sh_asks_nothing_and_explains_itself() {
    let world = World::empty();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let run = |argument: &str| {
        let mut command = world.command("sh", world.path());
        command.arg(&script).arg(argument);
        world.feed(command, b"")
    };
    assert!(run("--help").ok().contains("--demo"));
    assert_eq!(run("--nonsense").code, 64);
    let prefix = format!("--prefix={}", world.path().display());
    let mut command = world.command("sh", world.path());
    command.arg(&script).arg(&prefix).arg("--uninstall");
    world.feed(command, b"").says(&["not there"]).ok();
}

#[test]
fn the_demo_plays() {
    let world = World::empty();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo.sh");
    let mut command = world.command("sh", world.path());
    command.arg(script).arg(crate::support::PROGRAM).arg(world.path().join("demo"));
    world
        .feed(command, b"")
        .says(&["error[syntax-error]", "error[released-edited]", "6 up to date, 0 pending, 0 in trouble", "To go on:"])
        .ok();
}

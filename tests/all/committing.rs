//! The client's hooks: what a commit holds is judged, and nothing else.

use crate::support::{MANIFEST, ONE_TARGET, World};

const GOOD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n";
const BAD: &str = "CREATE TABEL a (id INTEGER);\n";

#[test]
fn a_mistake_is_pointed_at_and_a_good_commit_is_silent() {
    let world = World::usual();
    let path = world.migration("1", BAD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).refused(&[
        "error[syntax-error]",
        "db/shop/1##ddl##change.sql:1:8",
        "TABEL",
    ]);
    world.file(&path, GOOD);
    world.in_clone(&["add", "."]).ok();
    assert_eq!(world.in_clone(&["commit", "-qm", "x"]).ok(), "");
}

#[test]
fn the_index_is_judged_not_the_working_tree() {
    let world = World::usual();
    let path = world.migration("1", BAD);
    world.in_clone(&["add", "."]).ok();
    world.file(&path, GOOD);
    world.in_clone(&["commit", "-qm", "staged is bad"]).refused(&["syntax-error"]);
    world.in_clone(&["add", "."]).ok();
    world.file(&path, BAD);
    world.in_clone(&["commit", "-qm", "staged is good"]).ok();
}

#[test]
fn commit_a_and_commit_of_a_path_are_judged_by_their_own_index() {
    let world = World::usual();
    let one = world.migration("1", GOOD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "one"]).ok();
    world.file(&one, BAD);
    world.in_clone(&["commit", "-qam", "all"]).refused(&["syntax-error"]);
    let two = world.migration("2", BAD);
    world.file("notes.txt", "n");
    world.in_clone(&["add", "notes.txt", &two]).ok();
    world.in_clone(&["commit", "-qm", "only notes", "--", "notes.txt"]).ok();
    world.in_clone(&["commit", "-qm", "the file", "--", &two]).refused(&["syntax-error", "2##ddl"]);
}

#[test]
fn intended_files_do_not_count() {
    let world = World::usual();
    let path = world.migration("1", BAD);
    world.in_clone(&["add", "-N", &path]).ok();
    world.file("notes.txt", "n");
    world.in_clone(&["add", "notes.txt"]).ok();
    world.in_clone(&["commit", "-qm", "notes"]).ok();
}

#[test]
fn amending_what_was_not_pushed_is_no_edit_of_history() {
    let world = World::usual();
    let path = world.migration("1", GOOD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "one"]).ok();
    world.file(&path, "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-q", "--amend", "-m", "mended"]).ok();
    world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.file(&path, GOOD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-q", "--amend", "-m", "again"]).refused(&["released-edited", "git checkout"]);
}

#[test]
fn hooks_work_in_worktrees_and_subdirectories() {
    let world = World::usual();
    world.in_clone(&["worktree", "add", "-q", "../tree", "-b", "feature"]).ok();
    let tree = world.path().join("tree");
    std::fs::create_dir_all(tree.join("db/shop/deep")).unwrap();
    std::fs::write(tree.join("db/shop/1##ddl##x.sql"), BAD).unwrap();
    world.git(&tree, &["add", "."]).ok();
    world.git(&tree, &["commit", "-qm", "x"]).refused(&["syntax-error"]);
    std::fs::write(tree.join("db/shop/1##ddl##x.sql"), GOOD).unwrap();
    let deep = tree.join("db/shop");
    world.git(&deep, &["add", "."]).ok();
    world.git(&deep, &["commit", "-qm", "x"]).ok();
}

#[test]
fn a_merge_in_which_two_branches_meet_is_refused_and_renumber_mends_it() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["checkout", "-qb", "feature"]).ok();
    let late = world.migration("2", "CREATE TABLE feature (id INTEGER PRIMARY KEY);\n");
    world.commit("feature");
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.migration("3", "CREATE TABLE other (id INTEGER PRIMARY KEY);\n");
    world.send("three").ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.in_clone(&["merge", "-q", "--no-edit", "feature"]).refused(&[
        "out-of-order",
        "must come after 3",
        "renumber",
    ]);
    world.sg(&["renumber", &late]).ok();
    world.in_clone(&["add", "-A"]).ok();
    world.in_clone(&["commit", "-qm", "merged"]).ok();
    world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select group_concat(version) from schemagate_migration"), "1,3,4");
}

#[test]
fn merging_the_released_branch_into_a_feature_is_no_finding() {
    let world = World::usual();
    world.in_clone(&["checkout", "-qb", "feature"]).ok();
    world.file("notes.txt", "n");
    world.commit("notes");
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.in_clone(&["checkout", "-q", "feature"]).ok();
    world.in_clone(&["merge", "-q", "--no-edit", "main"]).ok();
}

#[test]
fn pre_push_judges_what_commits_without_a_hook_brought() {
    let world = World::usual();
    world.migration("1", BAD);
    world.commit("bad, past the hook");
    world.in_clone(&["push", "-q", "origin", "HEAD:main"]).refused(&["syntax-error", "failed to push"]);
    world.in_clone(&["push", "-q", "origin", "HEAD:refs/heads/topic"]).refused(&["syntax-error"]);
}

#[test]
fn repositories_without_a_manifest_are_left_alone() {
    let world = World::without_client_hooks(MANIFEST, ONE_TARGET);
    std::fs::remove_file(world.clone_().join("schemagate.toml")).unwrap();
    world.sg(&["install"]).ok();
    world.file("a.sql", BAD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).ok();
}

#[test]
fn a_split_index_is_read_by_git_itself() {
    let world = World::usual();
    world.migration("1", BAD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["update-index", "--split-index"]).ok();
    world.file("more.txt", "x");
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).refused(&["syntax-error"]);
}

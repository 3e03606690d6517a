//! Process tests: real `git`, real bare repositories whose hooks our own installer wrote, real SQLite databases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]
#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]
#![expect(clippy::disallowed_methods, reason = "tests pin the environment of their children")]

mod access;
mod applying;
mod bad_input;
mod cli;
mod committing;
mod concurrently;
mod configuration;
mod connections;
mod contents;
mod corpus;
mod databases;
mod deciding;
mod doubt;
mod engines;
mod equivalence;
mod faults;
mod floors;
mod gate;
mod groups;
mod identity;
mod installing;
mod keywords;
mod leaks;
mod locks;
mod many;
mod matrix;
mod matrix_cases;
mod misread;
mod outages;
mod parity;
mod proxy;
mod pushing;
mod reports;
mod reviews;
mod rollouts;
mod servers;
mod sessions;
mod situations;
mod splitting;
mod support;
mod traps;
mod truth;
mod verdicts;

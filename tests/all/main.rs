//! Process tests: real `git`, real bare repositories whose hooks our own installer wrote, real SQLite databases.

mod applying;
mod bad_input;
mod cli;
mod committing;
mod configuration;
mod floors;
mod installing;
mod pushing;
mod support;

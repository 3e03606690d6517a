//! Git: objects, trees, the index, references. The only floor that names `git2` or runs `git`.
//!
//! Reads only. Objects are read by identity, with replace references ignored, from the repository and from the
//! quarantine of a push alike. References are read by `git` itself, which knows every storage format.

pub mod baseline;
pub mod index;
pub mod process;
pub mod push;
pub mod refs;
pub mod repository;
pub mod store;
pub mod tree;

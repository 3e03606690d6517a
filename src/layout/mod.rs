//! The layout of a repository: which paths are migrations and what they say.

pub mod compile;
pub mod explain;
pub mod template;
pub mod version;

#[cfg(test)]
mod tests;

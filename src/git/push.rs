//! The lines that Git gives to pre-receive, post-receive and pre-push.
//!
//! Knows their form. Refuses to touch the repository.

use anyhow::{Result, bail};

use crate::migration::ObjectId;

/// One reference of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The full name, as pushed.
    pub reference: String,
    /// Its old value; zeros if it is new.
    pub old: ObjectId,
    /// Its new value; zeros if it is deleted.
    pub new: ObjectId,
}

/// Reads `old SP new SP ref LF` lines (githooks(5), pre-receive).
///
/// # Errors
/// If a line has another form.
pub fn received(input: &[u8]) -> Result<Vec<Update>> {
    lines(input)
        .map(|line| {
            let mut words = line.splitn(3, |byte| *byte == b' ');
            match (identity(words.next()), identity(words.next()), words.next()) {
                (Some(old), Some(new), Some(reference)) if !reference.is_empty() => {
                    Ok(Update { reference: name(reference), old, new })
                }
                _ => bail!(
                    "Git handed over a line of unknown form: {}",
                    crate::text::display_bytes(&line[..line.len().min(120)])
                ),
            }
        })
        .collect()
}

/// Reads `localref SP localoid SP remoteref SP remoteoid LF` lines (githooks(5), pre-push): what the remote
/// reference is, and what it will be.
///
/// # Errors
/// If a line has another form.
pub fn pushed(input: &[u8]) -> Result<Vec<Update>> {
    lines(input)
        .map(|line| {
            let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            match words.as_slice() {
                [.., local, reference, remote] if words.len() >= 4 => {
                    match (identity(Some(local)), identity(Some(remote))) {
                        (Some(new), Some(old)) => Ok(Update { reference: name(reference), old, new }),
                        _ => bail!("Git handed over a line of unknown form: {}", crate::text::display_bytes(line)),
                    }
                }
                _ => bail!(
                    "Git handed over a line of unknown form: {}",
                    crate::text::display_bytes(&line[..line.len().min(120)])
                ),
            }
        })
        .collect()
}

fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn identity(word: Option<&[u8]>) -> Option<ObjectId> {
    ObjectId::parse(std::str::from_utf8(word?).ok()?)
}

/// A reference's name; bytes that are not UTF-8 become the replacement character, which a pattern may match: such a
/// branch is judged like any other.
fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything_but_the_form_is_fixed() {
        let zeros = "0".repeat(40);
        let ones = "1".repeat(40);
        let update = received(format!("{zeros} {ones} refs/heads/a$(id)'b\n").as_bytes()).unwrap();
        assert_eq!(update[0].reference, "refs/heads/a$(id)'b");
        assert!(update[0].old.is_zero() && !update[0].new.is_zero());
        assert!(received(b"garbage\n").is_err());
        assert!(received(b"").unwrap().is_empty());
        let update = pushed(format!("(delete) {zeros} refs/heads/x {ones}\n").as_bytes()).unwrap();
        assert!(update[0].new.is_zero());
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = received(&bytes);
            let _ = pushed(&bytes);
        }
    }
}

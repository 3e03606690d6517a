//! How the program is linked on Linux, so that a run touches few pages of its file.
//!
//! A hook lives for milliseconds, and most of its memory are pages of the program itself. Functions sorted by name lie
//! beside those of the same crate, so that fewer pages are read; and addresses that the loader writes take a sixtieth of
//! the room where the C library knows the short form (glibc 2.36 and later). Nothing here changes what the program does.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script what it builds by variables")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") != "linux" || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    println!("cargo:rustc-link-arg-bins=-Wl,--sort-section=name");
    if variable("HOST") == variable("TARGET") && glibc().is_some_and(|release| release >= (2, 36)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The release of the C library here.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

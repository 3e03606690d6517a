//! Whatever a configuration file holds, reading it answers.

use proptest::prelude::*;

use super::{manifest, server};

/// Pieces of configuration files, right and wrong, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z-]{1,12}",
        Just("[[project]]\n".to_owned()),
        Just("[project.databases.shop]\ndialect = \"sqlite\"\n".to_owned()),
        Just("[[environment]]\nname = \"dev\"\n".to_owned()),
        Just("[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\nurl = \"sqlite:x\"\n".to_owned()),
        Just("[policy]\n".to_owned()),
        Just("[project.rules]\n".to_owned()),
        Just("branches = [\"main\"]\n".to_owned()),
        "(file-path-template|base-directory|version-format|largest-file|url|branches|identity|name) = ",
        r#""[^"\n]{0,20}"\n"#,
        "[0-9_]{1,30}\n",
        r#"[\[\]{}=,."'\n \u{e4}\x00-\x1f]{1,6}"#,
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_manifest_panics_and_every_finding_points_inside(text in pieces()) {
        if let Err(findings) = manifest::read(&text) {
            prop_assert!(!findings.is_empty());
            for finding in findings {
                let span = finding.place.span.expect("a place");
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{:?} in {:?}", span, text);
            }
        }
    }

    #[test]
    fn no_server_file_panics_and_every_finding_points_inside(text in pieces()) {
        if let Err(findings) = server::read("server", &text) {
            prop_assert!(!findings.is_empty());
            for finding in findings {
                let span = finding.place.span.expect("a place");
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{:?} in {:?}", span, text);
            }
        }
    }
}

#[test]
fn passwords_are_seen_wherever_a_url_may_hold_them() {
    for url in ["postgres://a:b@h/d", "mysql://h/d?password=x", "postgres://a:b%40c@h:5432/d?sslmode=x"] {
        assert!(super::urls::has_password(url), "{url}");
    }
    for url in ["sqlite:///srv/a:b.sqlite", "postgres://a@h/d", "sqlite:x"] {
        assert!(!super::urls::has_password(url), "{url}");
    }
}

#[test]
fn patterns_stay_inside_their_segment() {
    let matches = |pattern: &str, text: &str| super::Pattern::new(pattern).expect(pattern).matches(text);
    assert!(matches("release/*", "release/1") && !matches("release/*", "release/1/2"));
    assert!(matches("release/**", "release/1/2") && matches("v[0-9]", "v7") && !matches("v?", "v/"));
    assert!(matches("main", "main") && !matches("main", "mainline"));
}

//! Rules about the two configuration files themselves.

use crate::config::SERVER_FILE;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks};

/// The manifest cannot be used.
pub static MANIFEST_INVALID: Rule = Rule {
    name: "manifest-invalid",
    severity: Severity::Error,
    configurable: false,
    summary: "The manifest `schemagate.toml` cannot be used.",
    explanation: "The manifest says which files are migrations. With a mistake in it nothing can be judged, so the push \
                  is refused until it is mended. All mistakes of the file are reported at once.",
};

/// There is no manifest.
pub static MANIFEST_MISSING: Rule = Rule {
    name: "manifest-missing",
    severity: Severity::Error,
    configurable: false,
    summary: "There is no manifest `schemagate.toml` at the top of the repository.",
    explanation: "Without a manifest no file would be judged or applied. On a watched branch this is refused, so that \
                  deleting the manifest is not a way around the judge. `schemagate init` writes one.",
};

/// The server file cannot be used.
pub static SERVER_FILE_INVALID: Rule = Rule {
    name: "server-file-invalid",
    severity: Severity::Error,
    configurable: false,
    summary: "The server file `schemagate-server.toml` cannot be used.",
    explanation: "The server file holds branches, environments, targets and policy. With a mistake in it every push is \
                  refused. This is for the administrator of the Git server to mend, not for the one who pushes.",
};

/// A checking server did not answer.
pub static CHECKING_SERVER_SILENT: Rule = Rule {
    name: "checking-server-silent",
    severity: Severity::Note,
    configurable: true,
    summary: "A checking server (`verify-url`) could not be asked.",
    explanation: "Statements were judged without it: by the engine's own parser for PostgreSQL, by the recogniser for MySQL \
                  and MariaDB. Policy can make this an error, so that nothing comes in unasked.",
};

/// Says that a checking server did not answer.
pub fn checking_server_silent(title: &str, why: &str) -> Finding {
    let message = format!("the checking server for {title} could not be asked: {}", crate::text::sanitize(why));
    Finding::new(&CHECKING_SERVER_SILENT, Place::file(SERVER_FILE), message).help(
        "statements were judged without it; the administrator finds its URL under `verify-url` in the server file",
    )
}

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&MANIFEST_INVALID, &MANIFEST_MISSING, &SERVER_FILE_INVALID, &CHECKING_SERVER_SILENT],
    looks: Looks::Elsewhere,
};

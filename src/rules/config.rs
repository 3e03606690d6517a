//! Rules about the two configuration files themselves.

use crate::finding::{Rule, Severity};
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

/// The family.
pub const FAMILY: Family =
    Family { rules: &[&MANIFEST_INVALID, &MANIFEST_MISSING, &SERVER_FILE_INVALID], looks: Looks::Elsewhere };

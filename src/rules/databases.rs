//! The rule about names of another database (MySQL and MariaDB), where a name may begin with that of its database.
//!
//! What opens or selects another one is found by its first word: see [`crate::rules::statements`].

use crate::facts::Name;
use crate::finding::{Finding, Severity};
use crate::rules::outline::names_of;
use crate::rules::scene::Scene;
use crate::rules::statements::OTHER_DATABASE;
use crate::rules::{Family, Looks};

/// The family; its rule is listed with that of first words.
pub const FAMILY: Family = Family { rules: &[], looks: Looks::AtStatement(look) };

/// Databases of the server itself, from which anybody may read.
const SERVERS_OWN: [&str; 3] = ["information_schema", "performance_schema", "sys"];

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.mysql() {
        return Vec::new();
    }
    let own = scene.script.database;
    let mut findings = Vec::new();
    names_of(scene.fact(), &mut |name: &Name| {
        let Some(other) = &name.schema else { return };
        let servers = SERVERS_OWN.iter().any(|name| other.eq_ignore_ascii_case(name));
        if own == Some(other.as_str()) || servers || name.span.start == name.span.end {
            return;
        }
        let message = format!("`{}` is of the database `{other}`, past its own order and history", name.name);
        let finding = scene.finding(&OTHER_DATABASE, name.span, message);
        findings.push(match own {
            Some(_) => finding.help("put the statement under that database's path"),
            None => finding.at_most(Severity::Warning).help("leave the database out: each target has its own"),
        });
    });
    findings
}

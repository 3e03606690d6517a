//! The rule about version comments of MySQL and MariaDB that the declared release does not settle.
//!
//! What stands in `/*!90100 ... */` is code for a server of that release and nothing for an older one. The review reads
//! what the declared release reads; what another server would run or leave out was seen by nobody. Refuses to know grammar.

use crate::config::flavour::Release;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::version_comments::unsettled;
use crate::text::Span;

/// Not settled by the release.
pub static VERSION_COMMENT: Rule = Rule {
    name: "version-comment",
    severity: Severity::Error,
    configurable: true,
    summary: "A version comment is code for one server and nothing for another.",
    explanation: "What stands in `/*!90100 ... */` (`/*M!101100 ... */` in MariaDB) runs on servers of that release and \
                  later, and nowhere else. The review follows the release that the manifest declares: what is for a newer \
                  one would run unseen on a newer server. Where none is declared, comments for releases behind the oldest \
                  supported one are in doubt. Declare `version`, or write what is meant without the comment.",
};

/// The family.
pub const FAMILY: Family = Family { rules: &[&VERSION_COMMENT], looks: Looks::AtScript(look) };

fn look(script: &Script<'_>, _tally: &mut Tally) -> Vec<Finding> {
    let flavour = script.flavour();
    let found = unsettled(script.text, flavour).into_iter().map(|span| {
        let place = Place::content(script.name, Span::new(span.start, first_line(script.text, span)));
        let release = Release::of_comment_number(number(span.of(script.text)));
        let title = flavour.dialect.title();
        if flavour.release.is_some() {
            let message =
                format!("this comment runs on {title} {release} and later, and was read for {}", flavour.title());
            return Finding::new(&VERSION_COMMENT, place, message)
                .label("a newer server would run this unseen")
                .help("raise `version` in the manifest if the server is newer, or take the comment out");
        }
        let message = format!("this comment runs on {title} {release} and later, and the manifest declares no release");
        Finding::new(&VERSION_COMMENT, place, message)
            .label("code for one server, nothing for another")
            .help("declare `version` of the database in the manifest")
    });
    found.collect()
}

/// The number of a version comment.
fn number(comment: &str) -> u32 {
    let digits = comment.trim_start_matches(['/', '*', 'M', '!']);
    let end = digits.bytes().take(6).take_while(u8::is_ascii_digit).count();
    digits[..end].parse().unwrap_or_default()
}

/// Where the first line of a comment ends.
fn first_line(text: &str, span: Span) -> usize {
    span.of(text).find('\n').map_or(span.end, |length| span.start + length)
}

//! What helps after a failure: the file may be mended as long as it ran nowhere; then it is the database that has to change.
//!
//! Knows from the ledgers where a file ran. Refuses to ask a database.

use crate::commands::changes::Source;
use crate::commands::ledgers;
use crate::commands::rollout::Rollout;
use crate::commands::scripts::sums_of;
use crate::commands::work::Work;
use crate::config::server::Target;
use crate::engine::MEND;
use crate::migration::Migration;
use crate::render::rollout::TargetView;
use crate::text::{enumerate, for_shell};

impl Rollout<'_> {
    /// Says what helps after a failure, once others that were at work beside it are done.
    pub(super) fn tell_help(&self, target: &Target, view: &mut TargetView) {
        // A manual environment is reached only by name.
        let manual = self.common.loaded.server.is_manual(&target.environment);
        if let Some(help) = view.help.as_mut().filter(|_| manual) {
            *help = help.replace("schemagate sync", &format!("schemagate apply {}", target.options()));
        }
        let failed = view.steps.iter().find(|step| step.outcome == "failed").map(|step| &step.path);
        let migration = failed.and_then(|path| self.common.migrations.iter().find(|one| one.path.display() == *path));
        let statement = view.error.as_ref().map_or(0, |error| error.statement);
        if let Some((migration, help)) = migration.zip(view.help.as_mut())
            && help.contains(MEND)
        {
            *help = help.replace(MEND, &self.work(target).mend(migration, statement));
        }
    }
}

impl Work<'_> {
    /// How a migration is mended that failed at a statement (from 1; 0 if it is not known).
    pub(super) fn mend(&self, migration: &Migration, statement: usize) -> String {
        let Source::Tree(repository, _) = self.source else { return MEND.to_owned() };
        let target = self.target.options();
        let group = self.manifest.group_of(migration);
        let server = &self.loaded.server;
        let text = sums_of(self.source, self.manifest, migration).map(|sums| sums.text).unwrap_or_default();
        let file = (migration, text.as_str(), statement);
        let elsewhere = ledgers::ran_elsewhere(&repository.common_dir, server, self.target, file, group);
        if !elsewhere.is_empty() {
            return format!(
                "it has run on {} (or runs there), so the file stays as it is: change what is in the way in this database, then schemagate \
                 apply {target}; or let it go here (schemagate resolve {} {target} --forget) and write a new migration",
                enumerate(&elsewhere, 3),
                for_shell(&migration.path.display())
            );
        }
        let manual = self.loaded.server.is_manual(&self.target.environment);
        if manual { MEND.replace("schemagate apply", &format!("schemagate apply {target}")) } else { MEND.to_owned() }
    }
}

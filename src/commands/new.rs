//! `schemagate new`: a new, empty migration with the right path.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::commands::changes::{Manifest, Source, base_directories, manifest};
use crate::commands::check::{released_state, tree_source};
use crate::commands::{Console, Exit};
use crate::config::MANIFEST;
use crate::config::manifest::Project;
use crate::disk;
use crate::git::refs::resolve;
use crate::git::repository::Repository;
use crate::layout::template::{Field, is_value_character};
use crate::migration::Migration;
use crate::render::{Format, json::text};
use crate::text::{did_you_mean, enumerate};

/// Writes a new, empty migration with the next version.
///
/// The version comes after every one in the working tree and in the released state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate new -e dev -d shop -t ddl 'add customer email'
  schemagate new -d shop -t dml --dry-run 'seed countries'

Exit code: 0 written, 1 the manifest has mistakes, 2 failure.")]
pub struct Args {
    /// The project; needed only with several
    #[arg(long, short)]
    project: Option<String>,
    /// The environment
    #[arg(long, short)]
    environment: Option<String>,
    /// The database
    #[arg(long, short)]
    database: Option<String>,
    /// What it holds
    #[arg(long = "type", short = 't', value_parser = ["ddl", "dml", "migrate", "data"])]
    kind: String,
    /// The version, instead of the next one
    #[arg(long)]
    version: Option<String>,
    /// What stands for each `*` or `**` of the template, in order
    #[arg(long, value_name = "FOLDER")]
    folder: Vec<String>,
    /// Only print the path
    #[arg(long)]
    dry_run: bool,
    /// What it does, in a few words
    #[arg(value_name = "DESCRIPTION", default_value = "")]
    description: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If a value is missing or unknown, or the file cannot be written.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let known = match Known::read(Path::new("."))? {
        Ok(known) => known,
        Err(report) => return Ok(console.report(&report)),
    };
    let project = choose(&known.manifest, args.project.as_deref())?;
    check_names(project, args)?;
    let version = match &args.version {
        Some(version) => {
            if let Some(complaint) = project.version_format.complaint(version) {
                bail!("version `{}` has the wrong format: {complaint}", crate::text::sanitize(version));
            }
            version.clone()
        }
        None => known.next(project, args.environment.as_deref(), args.database.as_deref()).context("give --version")?,
    };
    let description = args.description.join(" ").trim().replace(' ', "_");
    let value = |field: Field| match field {
        Field::Environment => args.environment.clone(),
        Field::Database => args.database.clone(),
        Field::Version => Some(version.clone()),
        Field::Type => Some(args.kind.clone()),
        Field::Description => Some(description.clone()).filter(|text| !text.is_empty()),
    };
    for field in project.template.fields() {
        let option = ["--environment", "--database", "--version", "--type", "DESCRIPTION"][field as usize];
        let given =
            value(field).with_context(|| format!("the template asks for {{{{{}}}}}: give {option}", field.name()))?;
        if let Some(wrong) = given.chars().find(|c| !is_value_character(*c) || crate::text::is_unsafe(*c)) {
            bail!("`{}` may not stand in {option}", crate::text::sanitize(&wrong.to_string()));
        }
    }
    if args.folder.len() < project.template.wildcards() {
        bail!("the template {} has wildcards: give --folder for each", project.template.text);
    }
    let path = project.template.path_of(&value, &args.folder).context("the path cannot be written")?;
    if project.template.matches(&path).is_none() {
        bail!("the path `{path}` would not match the template {}", project.template.text);
    }
    known.refuse_taken(project, &path)?;
    if !args.dry_run {
        write(&known.top.join(&path), &path)?;
    }
    match console.format {
        Format::Human => console.say(&format!("{path}\n")),
        Format::Json => console.say(&text(&json!({ "path": path, "version": version, "written": !args.dry_run }))),
    }
    Ok(Exit::Clean)
}

fn write(file: &Path, path: &str) -> Result<()> {
    if file.exists() {
        bail!("`{path}` is there already");
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    disk::write(file, b"", 0o644)
}

fn choose<'m>(manifest: &'m Manifest, name: Option<&str>) -> Result<&'m Project> {
    let projects = &manifest.settings.projects;
    let names: Vec<&str> = projects.iter().map(|project| project.name.as_str()).collect();
    match (name, projects.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => bail!("there are several projects: give --project, one of {}", enumerate(&names, 20)),
        (Some(name), _) => projects
            .iter()
            .find(|project| project.name.as_str() == name)
            .with_context(|| format!("there is no project `{name}`; the projects are {}", enumerate(&names, 20))),
    }
}

fn check_names(project: &Project, args: &Args) -> Result<()> {
    let environments: Vec<&str> = project.environments.iter().map(|name| name.as_str()).collect();
    let databases: Vec<&str> = project.databases.keys().map(|name| name.as_str()).collect();
    let open = project.dialect.is_some();
    let asked = [
        ("environment", &args.environment, &environments, environments.is_empty()),
        ("database", &args.database, &databases, open),
    ];
    for (what, given, known, any) in asked {
        if let Some(given) = given.as_deref().filter(|given| !any && !known.contains(given)) {
            let near = did_you_mean(given, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
            bail!("the manifest has no {what} `{given}`; {}it has {}", near.unwrap_or_default(), enumerate(known, 20));
        }
    }
    Ok(())
}

/// The migrations that a new version must come after.
pub struct Known {
    /// The top of the working tree, or the folder of the manifest.
    pub top: PathBuf,
    /// The repository, if there is one.
    pub repository: Option<Repository>,
    /// The manifest.
    pub manifest: Manifest,
    /// Migrations of the working tree.
    pub present: Vec<Migration>,
    /// Migrations of the released state.
    pub released: Vec<Migration>,
}

impl Known {
    /// Reads a working tree and its released state.
    ///
    /// # Errors
    /// If they cannot be read. Mistakes in the manifest come back as a report.
    pub fn read(folder: &Path) -> Result<Result<Self, crate::finding::Report>> {
        let (top, _) = super::check::locate(&folder.join(MANIFEST).to_string_lossy(), true)?;
        let repository = Repository::discover(&top).ok();
        let source = Source::Folder(top.clone(), repository.as_ref());
        let manifest = match manifest(&source)? {
            Ok(manifest) => manifest,
            Err(report) => return Ok(Err(report)),
        };
        let present = super::rollout::migrations(&source, &manifest)?;
        let mut released = Vec::new();
        if let Some(repository) = &repository {
            let base = released_state(repository, &source, resolve(repository, "HEAD")?.as_ref())?;
            for commit in [&base.commit, &base.tip] {
                if let Some(Source::Tree(_, tree)) = tree_source(repository, commit.as_ref())? {
                    let files = Source::Tree(repository, tree).files(&base_directories([&manifest.settings]))?;
                    let read = |project: &Project| {
                        files.iter().filter_map(|entry| project.migration(&entry.path, &entry.blob)).collect::<Vec<_>>()
                    };
                    released.extend(manifest.settings.projects.iter().flat_map(read));
                }
            }
        }
        drop(source);
        Ok(Ok(Self { top, repository, manifest, present, released }))
    }

    /// Reads a bare repository: the tip of the branch of HEAD is all there is.
    ///
    /// # Errors
    /// If it cannot be read, or HEAD names no commit. Mistakes in the manifest come back as a report.
    pub fn of_bare(repository: Repository) -> Result<Result<Self, crate::finding::Report>> {
        let head = resolve(&repository, "HEAD")?.context("HEAD names no commit yet")?;
        let source = Source::Tree(&repository, crate::git::refs::tree_of(&repository, &head)?);
        let manifest = match manifest(&source)? {
            Ok(manifest) => manifest,
            Err(report) => return Ok(Err(report)),
        };
        let present = super::rollout::migrations(&source, &manifest)?;
        drop(source);
        let (top, released) = (repository.git_dir.clone(), present.clone());
        Ok(Ok(Self { top, repository: Some(repository), manifest, present, released }))
    }

    /// Refuses a path whose version and type are taken.
    fn refuse_taken(&self, project: &Project, path: &str) -> Result<()> {
        let blob = crate::migration::ObjectId::from_raw(&[0; 20]);
        let Some(new) = project.migration(&crate::migration::RepoPath::from(path), &blob) else { return Ok(()) };
        let stream = crate::rules::order::stream(&new);
        let twin = self.present.iter().chain(&self.released).find(|other| {
            other.project == new.project
                && crate::rules::order::stream(other) == stream
                && other.position() == new.position()
                && other.path != new.path
        });
        match twin {
            Some(twin) => bail!("version {} {} is taken by `{}`", new.version, new.kind, twin.path.display()),
            None => Ok(()),
        }
    }

    /// Returns the version after the highest one of a database and environment.
    ///
    /// # Errors
    /// If the version format does not tell a next one.
    pub fn next(&self, project: &Project, environment: Option<&str>, database: Option<&str>) -> Result<String> {
        let mine = |migration: &&Migration| {
            migration.project == project.name
                && migration.environment.as_ref().map(|name| name.as_str()) == environment
                && migration.database.as_ref().map(|name| name.as_str()) == database
        };
        let highest = self
            .present
            .iter()
            .chain(&self.released)
            .filter(mine)
            .max_by(|a, b| a.version_key.cmp(&b.version_key))
            .map(|migration| migration.version.as_str());
        project
            .version_format
            .next(highest, project.order, time::OffsetDateTime::now_utc())
            .context("the version format does not tell the next version")
    }
}

//! Reading a template as it is written in the manifest, and refusing one that cannot be told apart.
//!
//! Knows the grammar of templates (literals, placeholders, `*`, `**`). Refuses to know paths.

use super::template::{Field, Part, Segment, Template};
use crate::text::{Span, did_you_mean};

/// Which fields a template must and must not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Migrations of databases that paths name.
    Migrations,
    /// Migrations of a group of databases: VERSION and TYPE, and no database or environment.
    GroupMigrations,
    /// The schema file of a database.
    Schema,
    /// The schema file of a group.
    GroupSchema,
}

impl Role {
    fn required(self) -> &'static [Field] {
        match self {
            Self::Migrations => &[Field::Version, Field::Database, Field::Type],
            Self::GroupMigrations => &[Field::Version, Field::Type],
            Self::Schema => &[Field::Database],
            Self::GroupSchema => &[],
        }
    }

    fn allowed(self) -> &'static [Field] {
        match self {
            Self::Migrations => &Field::ALL,
            Self::GroupMigrations => &[Field::Version, Field::Type, Field::Description],
            Self::Schema => &[Field::Environment, Field::Database],
            Self::GroupSchema => &[],
        }
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Where in the template as written.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// The remedy.
    pub help: String,
}

/// Compiles a template under a base directory (empty for the top of the repository).
///
/// # Errors
/// All mistakes at once, with their places in `template`.
pub fn compile(base: &str, template: &str, role: Role) -> Result<Template, Vec<TemplateError>> {
    let mut errors = Vec::new();
    let mut segments: Vec<Segment> =
        clean(base).map(|(_, text)| Segment::Parts(vec![Part::Literal(text.to_owned())])).collect();
    let own = clean(template).collect::<Vec<_>>();
    let last = own.len().saturating_sub(1);
    for (index, (start, text)) in own.iter().enumerate() {
        let first = segments.is_empty();
        match segment(text, *start) {
            Ok(wildcard @ (Segment::One | Segment::Many)) if first || index == last => {
                let place = if index == last { "last" } else { "first" };
                errors.push(error(
                    Span::new(*start, start + text.len()),
                    format!("`{text}` may not be the {place} segment of base directory and template"),
                    if index == last {
                        "name the file in the last segment"
                    } else {
                        "set `base-directory`, or begin with a name"
                    },
                ));
                segments.push(wildcard);
            }
            Ok(segment) => segments.push(segment),
            Err(wrong) => errors.extend(wrong),
        }
    }
    let many = own.iter().filter(|(_, text)| *text == "**").collect::<Vec<_>>();
    if let Some((start, _)) = many.get(2) {
        let span = Span::new(*start, start + 2);
        errors.push(error(span, "more than two `**` in one template".to_owned(), "name the folders, or use `*`"));
    }
    if own.is_empty() {
        errors.push(error(
            Span::new(0, template.len()),
            "the template is empty".to_owned(),
            "for example {{DB_NAME}}##{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql",
        ));
    }
    let joined =
        clean(base).map(|(_, text)| text).chain(own.iter().map(|(_, text)| *text)).collect::<Vec<_>>().join("/");
    let compiled = Template { segments, text: joined };
    if errors.is_empty() {
        errors.extend(fields(&compiled, template, role));
    }
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

/// Splits at slashes and leaves out empty and `.` segments, keeping the places of the others.
fn clean(path: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    path.split('/').filter_map(move |text| {
        let place = start;
        start += text.len() + 1;
        (!text.is_empty() && text != ".").then_some((place, text))
    })
}

fn error(span: Span, message: String, help: &str) -> TemplateError {
    TemplateError { span, message, help: help.to_owned() }
}

fn segment(text: &str, start: usize) -> Result<Segment, Vec<TemplateError>> {
    let whole = Span::new(start, start + text.len());
    match text {
        "*" => return Ok(Segment::One),
        "**" => return Ok(Segment::Many),
        ".." => {
            return Err(vec![error(whole, "`..` would leave the repository".to_owned(), "name the folder itself")]);
        }
        _ => {}
    }
    let mut errors = Vec::new();
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = start + text.len() - rest.len();
        if let Some(after) = rest.strip_prefix("{{") {
            let Some(end) = after.find("}}") else {
                errors.push(error(Span::new(at, whole.end), "`{{` is never closed".to_owned(), "close it with `}}`"));
                break;
            };
            match placeholder(&after[..end], Span::new(at, at + end + 4)) {
                Ok(field) => parts.push(Part::Field(field)),
                Err(wrong) => errors.push(wrong),
            }
            rest = &after[end + 2..];
        } else {
            let end = rest.find("{{").unwrap_or(rest.len());
            errors.extend(literal(&rest[..end], at));
            parts.push(Part::Literal(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    if errors.is_empty() { Ok(Segment::Parts(parts)) } else { Err(errors) }
}

fn placeholder(name: &str, span: Span) -> Result<Field, TemplateError> {
    if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) {
        return Ok(field);
    }
    let names = Field::ALL.map(Field::name);
    let near = did_you_mean(name.trim(), names);
    Err(TemplateError {
        span,
        message: format!("`{{{{{}}}}}` is not a placeholder", crate::text::sanitize(name)),
        help: match near {
            Some(near) => format!("did you mean `{{{{{near}}}}}`? (exact case, no spaces)"),
            None => format!("the placeholders are {}", crate::text::enumerate(&names, 5)),
        },
    })
}

fn literal(text: &str, at: usize) -> Vec<TemplateError> {
    let mut errors = Vec::new();
    if let Some(star) = text.find('*') {
        let stars = text[star..].bytes().take_while(|byte| *byte == b'*').count();
        let span = Span::new(at + star, at + star + stars);
        errors.push(if stars > 2 {
            error(span, "more than two asterisks in a row".to_owned(), "`*` is one folder, `**` one or more")
        } else {
            error(
                span,
                "an asterisk must be a whole segment".to_owned(),
                "write `/*/` for one folder, `/**/` for one or more",
            )
        });
    }
    if let Some((place, wrong)) = text.char_indices().find(|(_, c)| crate::text::is_unsafe(*c) || *c == '\\') {
        errors.push(error(
            Span::new(at + place, at + place + wrong.len_utf8()),
            "a backslash or control character may not stand in a template".to_owned(),
            "segments are separated by `/`",
        ));
    }
    errors
}

fn fields(compiled: &Template, template: &str, role: Role) -> Vec<TemplateError> {
    let whole = Span::new(0, template.len());
    let mut errors = Vec::new();
    let missing: Vec<String> = role
        .required()
        .iter()
        .filter(|field| !compiled.names(**field))
        .map(|field| format!("{{{{{}}}}}", field.name()))
        .collect();
    if !missing.is_empty() {
        errors.push(TemplateError {
            span: whole,
            message: format!("the template lacks {}", crate::text::enumerate(&missing, 5)),
            help: format!("add {} to it", crate::text::enumerate(&missing, 5)),
        });
    }
    for field in compiled.fields().into_iter().filter(|field| !role.allowed().contains(field)) {
        let name = format!("{{{{{}}}}}", field.name());
        let start = template.find(&name).unwrap_or(0);
        errors.push(TemplateError {
            span: Span::new(start, start + name.len()),
            message: match role {
                Role::GroupMigrations | Role::GroupSchema => format!(
                    "`{name}` is not allowed in the template of a group: its files go to every database of the group"
                ),
                _ => format!("`{name}` is not allowed in a schema path template"),
            },
            help: "take it out".to_owned(),
        });
    }
    errors.extend(compiled.segments.iter().filter_map(|segment| touching(segment, template)));
    errors
}

/// Two placeholders with nothing between them cannot be told apart.
fn touching(segment: &Segment, template: &str) -> Option<TemplateError> {
    let Segment::Parts(parts) = segment else { return None };
    parts.windows(2).find_map(|pair| {
        let [Part::Field(left), Part::Field(right)] = pair else { return None };
        let text = format!("{{{{{}}}}}{{{{{}}}}}", left.name(), right.name());
        let start = template.find(&text).unwrap_or(0);
        Some(TemplateError {
            span: Span::new(start, start + text.len()),
            message: format!(
                "`{text}` cannot be told apart: `ab12` could be {} `a` and {} `b12`, or `ab1` and `2`",
                left.name(),
                right.name()
            ),
            help: format!("put a separator between them: {{{{{}}}}}##{{{{{}}}}}", left.name(), right.name()),
        })
    })
}

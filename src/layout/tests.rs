//! The exact semantics of templates, each line a case.

use super::compile::{Role, compile};
use super::explain::near_miss;
use super::template::{Field, Template};

const DEFAULT: &str = "{{ENV_ID}}/{{DB_NAME}}##{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql";

fn template(base: &str, text: &str) -> Template {
    compile(base, text, Role::Migrations).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn values(template: &Template, path: &str) -> Option<Vec<String>> {
    let found = template.matches(path)?;
    Some(Field::ALL.into_iter().filter_map(|field| found.value(path, field)).map(str::to_owned).collect())
}

fn refusal(text: &str) -> String {
    let errors = compile("db", text, Role::Migrations).expect_err(text);
    for error in &errors {
        assert!(error.span.end <= text.len(), "{error:?} points outside of {text}");
    }
    errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_default_template_reads_all_fields() {
    let template = template("db", DEFAULT);
    assert_eq!(
        values(&template, "db/prod/shop##1.2##ddl##add_index.sql").unwrap(),
        ["prod", "shop", "1.2", "ddl", "add_index"]
    );
    assert_eq!(
        values(&template, "db/prod/shop##1##data##a##b.sql").unwrap(),
        ["prod", "shop", "1", "data", "a##b"],
        "a separator inside a description does not shift the fields"
    );
    assert_eq!(values(&template, "db/prod/ma shop ü##1##dml##x.sql").unwrap()[1], "ma shop ü");
}

#[test]
fn templates_are_anchored_and_literal() {
    let template = template("db", DEFAULT);
    for path in [
        "db/prod/shop##1##ddl##x.sql.bak",
        "db/prod/sub/shop##1##ddl##x.sql",
        "x/db/prod/shop##1##ddl##x.sql",
        "db/prod/s:hop##1##ddl##x.sql",
        "db/prod/shop##1##DDL##x.sql",
        "db/prod/shop##1##ddl##xXsql",
        "db/prod/##1##ddl##x.sql",
        "db/prod/shop##1##ddl##.sql",
        "",
    ] {
        assert!(template.matches(path).is_none(), "{path}");
    }
}

#[test]
fn wildcards_take_folders() {
    let one = template("db", "*/{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql");
    assert!(one.matches("db/a/shop##1##ddl.sql").is_some());
    assert!(one.matches("db/a/b/shop##1##ddl.sql").is_none());
    assert!(one.matches("db/shop##1##ddl.sql").is_none());
    let many = template("db", "**/{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql");
    assert!(many.matches("db/a/shop##1##ddl.sql").is_some());
    assert!(many.matches("db/a/b/c/shop##1##ddl.sql").is_some());
    assert!(many.matches("db/shop##1##ddl.sql").is_none(), "never none");
}

#[test]
fn a_repeated_placeholder_repeats_its_value() {
    let template = template("", "{{DB_NAME}}/{{VERSION}}/{{DB_NAME}}-{{VERSION}}-{{TYPE}}.sql");
    assert!(template.matches("shop/1/shop-1-ddl.sql").is_some());
    assert!(template.matches("shop/1/other-1-ddl.sql").is_none());
    assert_eq!(template.matches("shop/1/shop-1-ddl.sql").unwrap().versions.len(), 2);
}

#[test]
fn bad_templates_are_refused_with_the_reason() {
    assert!(refusal("{{DB_NAME}}##{{TYPE}}.sql").contains("lacks {{VERSION}}"));
    assert!(refusal("{{DB_NAME}}{{VERSION}}##{{TYPE}}.sql").contains("cannot be told apart"));
    assert!(refusal("{{DB_NAME}}##{{VERSON}}##{{TYPE}}.sql").contains("not a placeholder"));
    assert!(refusal("{{DB_NAME}}##{{VERSION}}##{{TYPE.sql").contains("never closed"));
    assert!(refusal("a*b/{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql").contains("whole segment"));
    assert!(refusal("***/{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql").contains("more than two asterisks"));
    assert!(refusal("{{DB_NAME}}##{{VERSION}}##{{TYPE}}/*").contains("last segment"));
    assert!(refusal("../{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql").contains("leave the repository"));
    assert!(refusal("").contains("empty"));
    let first = compile("", "**/{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql", Role::Migrations).unwrap_err();
    assert!(first[0].message.contains("first segment"));
}

#[test]
fn a_group_has_no_database_and_no_environment() {
    assert!(compile("t", "{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql", Role::GroupMigrations).is_ok());
    let errors = compile("t", "{{DB_NAME}}##{{VERSION}}##{{TYPE}}.sql", Role::GroupMigrations).unwrap_err();
    assert!(errors[0].message.contains("not allowed in the template of a group"));
    assert!(compile("", "{{ENV_ID}}/.{{DB_NAME}}##LATEST.sql", Role::Schema).is_ok());
}

#[test]
fn folders_that_cannot_hold_a_database_are_not_entered() {
    let template = template("db", DEFAULT);
    assert!(template.reaches("", Some("prod"), Some("shop")));
    assert!(template.reaches("db", Some("prod"), Some("shop")));
    assert!(template.reaches("db/prod", Some("prod"), Some("shop")));
    assert!(!template.reaches("db/test", Some("prod"), Some("shop")));
    assert!(!template.reaches("src", Some("prod"), Some("shop")));
    assert!(!template.reaches("db/prod/deeper", Some("prod"), Some("shop")));
}

#[test]
fn a_near_miss_says_where_and_what_was_meant() {
    let template = template("db", DEFAULT);
    let miss = |path: &str| near_miss(&template, path);
    assert_eq!(miss("db/prod/shop##1##dll##x.sql").suggestion.unwrap(), "db/prod/shop##1##ddl##x.sql");
    assert!(miss("db/prod/shop##1##dll##x.sql").problem.contains("not a TYPE"));
    assert_eq!(miss("db/prod/shop-1-DDL-init.sql").suggestion.unwrap(), "db/prod/shop##1##ddl##init.sql");
    assert_eq!(miss("db/prod/shop##1##ddl##x.sql.bak").suggestion.unwrap(), "db/prod/shop##1##ddl##x.sql");
    assert_eq!(miss("db/prod/shop#2##ddl##near.sql").suggestion.unwrap(), "db/prod/shop##2##ddl##near.sql");
    assert_eq!(miss("db/prod/shop##9##ddl##x.SQL").suggestion.unwrap(), "db/prod/shop##9##ddl##x.sql");
    assert!(miss("db/shop##1##ddl##x.sql").segments.last().unwrap().found.is_none());
    let deep = miss("db/prod/sub/shop##1##ddl##x.sql");
    assert!(deep.segments.iter().any(|segment| segment.problem.as_deref() == Some("one folder too many")));
}

proptest::proptest! {
    #[test]
    fn compiling_never_panics_and_points_inside(base in "[a-z/*.{}]{0,12}", text in r"[A-Za-z{}_#/*. \\\u{e4}-]{0,60}") {
        if let Err(errors) = compile(&base, &text, Role::Migrations) {
            for error in errors {
                proptest::prop_assert!(error.span.end <= text.len());
                let _ = error.span.of(&text);
            }
        }
    }

    #[test]
    fn matching_never_panics_and_fields_lie_inside(path in "(db|prod|shop|#|ddl|dml|1|/|\\.sql|\u{fc}|[ -~]){0,40}") {
        let template = template("db", DEFAULT);
        if let Some(found) = template.matches(&path) {
            for field in template.fields() {
                proptest::prop_assert!(!found.value(&path, field).unwrap().is_empty());
            }
        } else {
            let miss = near_miss(&template, &path);
            let _ = miss.blame.of(&path);
            if let Some(suggestion) = miss.suggestion {
                proptest::prop_assert!(template.matches(&suggestion).is_some(), "{}", suggestion);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        environment in "[a-z]{1,8}", database in "[a-z_]{1,8}", version in "[0-9.]{1,8}", description in "[a-z_#]{1,12}",
    ) {
        let template = template("db", DEFAULT);
        let value = |field| Some(match field {
            Field::Environment => environment.clone(),
            Field::Database => database.clone(),
            Field::Version => version.clone(),
            Field::Type => "ddl".to_owned(),
            Field::Description => description.clone(),
        });
        let path = template.path_of(&value, &[]).unwrap();
        let found = template.matches(&path).unwrap();
        proptest::prop_assert_eq!(found.value(&path, Field::Version), Some(version.as_str()));
        proptest::prop_assert_eq!(found.value(&path, Field::Description), Some(description.as_str()));
    }
}

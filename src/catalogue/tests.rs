//! The catalogue, held against short histories.

use super::*;
use crate::config::Dialect;
use crate::facts::read;
use crate::sql::split::split;

fn after(text: &str, dialect: Dialect) -> Catalogue {
    let mut catalogue = Catalogue::default();
    catalogue.begin(false);
    for statement in split(text, dialect) {
        catalogue.follow(&read(statement.span.of(text), dialect.into()).unwrap());
    }
    catalogue
}

fn name(name: &str) -> Name {
    Name { name: name.to_owned(), ..Name::default() }
}

#[test]
fn tables_follow_what_is_done_to_them() {
    let catalogue = after(
        "CREATE TABLE public.\"Users\" (id bigint PRIMARY KEY, mail varchar(80) NOT NULL, UNIQUE (mail));
         ALTER TABLE \"Users\" RENAME TO users; ALTER TABLE users RENAME COLUMN mail TO email;
         ALTER TABLE users ADD COLUMN team_id int REFERENCES teams, ALTER email TYPE text;
         CREATE INDEX CONCURRENTLY by_team ON users (team_id, lower(email));
         ALTER TABLE users ADD CONSTRAINT named CHECK (email IS NOT NULL) NOT VALID;",
        Dialect::Postgres,
    );
    let users = catalogue.table(&name("users")).unwrap();
    assert_eq!(users.column("email").unwrap().of.name, "text");
    assert!(users.is_indexed(&["team_id"]) && !users.is_indexed(&["name"]));
    assert_eq!(users.uniques().len(), 2);
    assert_eq!(users.foreign_keys()[0].1.table.name, "teams");
    assert!(!users.is_checked_not_null("email"), "not validated");
    assert!(catalogue.index(&name("by_team")).is_some());
}

#[test]
fn mysql_definitions_are_followed() {
    let catalogue = after(
        "CREATE TABLE `shop`.`t` (a INT NOT NULL AUTO_INCREMENT, b VARCHAR(20) CHARACTER SET latin1 DEFAULT 'x' COMMENT 'c',
           PRIMARY KEY (a), KEY by_b (b(10)), CONSTRAINT f FOREIGN KEY (b) REFERENCES u (c) ON DELETE CASCADE) ENGINE=InnoDB
           DEFAULT CHARSET=utf8mb4;
         ALTER TABLE shop.t DROP FOREIGN KEY f, DROP INDEX by_b, CHANGE b d VARCHAR(30) NOT NULL, ADD (e INT, g INT);",
        Dialect::Mysql,
    );
    let table = catalogue.table(&Name { schema: Some("shop".to_owned()), ..name("t") }).unwrap();
    assert_eq!(table.columns.iter().map(|column| column.name.name.as_str()).collect::<Vec<_>>(), ["a", "d", "e", "g"]);
    assert!(table.foreign_keys().is_empty() && table.indexes.is_empty() && table.has_primary());
    assert_eq!(table.charset.as_deref(), Some("utf8mb4"));
}

#[test]
fn what_is_done_to_a_table_that_nobody_made_is_known() {
    let catalogue = after(
        "ALTER TABLE Old ADD COLUMN nid CHAR(36); CREATE UNIQUE INDEX a ON Old (nid); ALTER TABLE old ADD x INT;",
        Dialect::Mariadb,
    );
    let old = catalogue.table(&name("Old")).unwrap();
    assert!(!old.whole && !old.is_made() && !catalogue.is_new(&name("Old")));
    assert_eq!(old.column("nid").unwrap().of.name, "char");
    assert!(old.column("x").is_none(), "names of tables keep their case there");
    assert_eq!(old.uniques().len(), 1);
}

#[test]
fn new_is_what_ran_nowhere() {
    let mut catalogue = after("CREATE TABLE t (a int)", Dialect::Postgres);
    assert!(catalogue.is_new(&name("t")), "made in this file");
    catalogue.begin(false);
    assert!(!catalogue.is_new(&name("t")) && !catalogue.is_new(&name("unheard_of")));
    catalogue.begin(true);
    catalogue.follow(&read("CREATE TABLE u (a int)", Dialect::Postgres.into()).unwrap());
    catalogue.begin(false);
    assert!(catalogue.is_new(&name("u")));
}

//! Where scripts are split.

use crate::config::Dialect;
use crate::sql::lex::Lexer;
use crate::sql::split::split;

fn pieces(text: &str, dialect: Dialect) -> Vec<&str> {
    split(text, dialect).into_iter().map(|statement| statement.span.of(text)).collect()
}

#[test]
fn semicolons_end_statements_outside_of_quotes_and_comments() {
    let text = "select ';' ; -- a;b\n select 2 /* ; */ ;; select $$ ; $$";
    assert_eq!(pieces(text, Dialect::Postgres), ["select ';'", "select 2", "select $$ ; $$"]);
    assert_eq!(pieces("select 'a\\';b' ; select 2", Dialect::Mysql), ["select 'a\\';b'", "select 2"]);
    assert_eq!(pieces("select 'a\\'; select 2", Dialect::Sqlite), ["select 'a\\'", "select 2"]);
    assert_eq!(pieces("select [a;b]; select `c;d`", Dialect::Sqlite), ["select [a;b]", "select `c;d`"]);
    assert_eq!(pieces("select 1 # ; \n; select 2", Dialect::Mariadb), ["select 1", "select 2"]);
    assert_eq!(pieces("/* a /* ; */ ; */ select 1; select E'\\';'", Dialect::Postgres), ["select 1", "select E'\\';'"]);
}

#[test]
fn bodies_keep_their_semicolons() {
    let trigger =
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; SELECT 1; END; SELECT 2";
    assert_eq!(pieces(trigger, Dialect::Sqlite).len(), 2);
    let routine = "CREATE PROCEDURE p() BEGIN IF a THEN SELECT IF(1,2,3); END IF; x: LOOP LEAVE x; END LOOP; \
                   CASE WHEN 1 THEN SELECT 1; END CASE; WHILE 1 DO SELECT 1; END WHILE; END; SELECT 2";
    assert_eq!(pieces(routine, Dialect::Mysql).len(), 2);
    assert_eq!(
        pieces(
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\nSELECT 2; SELECT 3",
            Dialect::Mysql
        )
        .len(),
        3
    );
    let atomic = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3";
    assert_eq!(pieces(atomic, Dialect::Postgres).len(), 2);
    assert_eq!(pieces("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", Dialect::Postgres).len(), 2);
    assert_eq!(pieces("BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3", Dialect::Mariadb).len(), 2);
}

#[test]
fn compound_statements_of_mariadb_keep_their_semicolons() {
    for text in [
        "IF @a = 1 THEN SELECT 1; ELSE SELECT 2; END IF",
        "FOR i IN 1..3 DO SELECT i; END FOR",
        "CREATE PROCEDURE p(a INT) IF a = 1 THEN SELECT 1; END IF",
        "CREATE PROCEDURE IF NOT EXISTS p() BEGIN FOR i IN 1..3 DO SELECT i; END FOR; END",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; END IF",
        "CASE @a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE",
    ] {
        assert_eq!(pieces(&format!("{text}; SELECT 9"), Dialect::Mariadb).len(), 2, "{text}");
    }
    for text in [
        "CREATE FUNCTION f(a INT) RETURNS INT RETURN IF(a, 1, 2)",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.a = (1), NEW.b = IF(NEW.c, 1, 2)",
        "SELECT IF(1, 2, 3)",
    ] {
        assert_eq!(pieces(&format!("{text}; SELECT 9"), Dialect::Mariadb).len(), 2, "{text}");
    }
}

#[test]
fn the_data_of_copy_is_no_sql() {
    let text =
        "COPY t (a, b) FROM STDIN WITH (FORMAT text);\n1\tit's; (\n2\t$$\n\\.\nSELECT 1;\nCOPY t TO STDOUT;\nSELECT 2";
    let statements = split(text, Dialect::Postgres);
    assert_eq!(statements.len(), 5, "{statements:?}");
    assert!(statements[1].client && statements[1].span.of(text).ends_with("\\.\n"));
    assert_eq!(statements[2].span.of(text), "SELECT 1");
}

#[test]
fn what_stands_in_the_line_of_copy_is_not_swallowed() {
    let text = "COPY t FROM STDIN; DELETE FROM t; -- all\n1\n\\.\nSELECT 1;\n";
    let statements = split(text, Dialect::Postgres);
    let shown: Vec<&str> = statements.iter().map(|statement| statement.span.of(text)).collect();
    assert_eq!(shown, ["COPY t FROM STDIN", "DELETE FROM t; -- all", "1\n\\.\n", "SELECT 1"]);
    assert!(statements[1].client && !statements[1].copied && statements[2].copied);
    assert_eq!(split("COPY t FROM STDIN; -- rows\n1\n\\.\n", Dialect::Postgres).len(), 2);
    let unclosed = "COPY t FROM STDIN; /* rows\n1\n\\.\n";
    assert!(split(unclosed, Dialect::Postgres)[1].client);
}

#[test]
fn a_delimiter_ends_a_statement_inside_of_a_word() {
    let text = "DELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\n SELECT '$$';\nEND$$\nCREATE PROCEDURE q() SELECT 1$$\nDELIMITER ;\nSELECT 2;";
    for dialect in [Dialect::Mysql, Dialect::Mariadb] {
        assert_eq!(pieces(text, dialect).len(), 3, "{:?}", pieces(text, dialect));
    }
}

#[test]
fn long_lines_and_many_dollars_take_no_time_for_each() {
    assert_eq!(split(&"d;".repeat(200_000), Dialect::Mysql).len(), 200_000);
    let dollars: String = (0..100_000).map(|number| format!("$a{number}$ ")).collect();
    assert_eq!(split(&dollars, Dialect::Mysql).len(), 1);
}

#[test]
fn use_ends_with_its_line() {
    assert_eq!(
        pieces("USE shop\nSELECT 1;\nuse other; SELECT 2", Dialect::Mysql),
        ["USE shop", "SELECT 1", "use other", "SELECT 2"]
    );
}

#[test]
fn a_parenthesis_that_stays_open_swallows_nothing() {
    assert_eq!(pieces("create table a (b int; create table c (d int)", Dialect::Postgres).len(), 2);
}

#[test]
fn a_table_that_is_called_like_a_body_has_none() {
    assert_eq!(pieces("CREATE TABLE trigger (a); COMMIT; SELECT 1; END;", Dialect::Sqlite).len(), 4);
    assert_eq!(pieces("CREATE TABLE event (begin int); SELECT 1;", Dialect::Mysql).len(), 2);
    assert_eq!(pieces("CREATE DEFINER=a@b PROCEDURE p() BEGIN SELECT 1; END; SELECT 2;", Dialect::Mysql).len(), 2);
}

#[test]
fn a_long_line_of_semicolons_takes_no_time_for_each() {
    assert!(split(&";".repeat(1 << 20), Dialect::Sqlite).is_empty());
}

#[test]
fn client_commands_are_told_apart() {
    let text = "\\set a 1\nselect 1;\n";
    let statements = split(text, Dialect::Postgres);
    assert!(statements[0].client && !statements[1].client);
    assert!(split(".mode list\nselect 1;", Dialect::Sqlite)[0].client);
    assert!(!split("select 1\n.5;", Dialect::Sqlite)[0].client);
}

proptest::proptest! {
    #[test]
    fn statements_lie_inside_in_order_and_lose_no_token(
        text in r#"([a-z ;'"`$()/*\\#\n\[\]-]|BEGIN|END|CREATE TRIGGER|CREATE PROCEDURE|DELIMITER|\u{e4}|IF|CASE){0,60}"#,
        dialect in proptest::sample::select(Dialect::ALL.to_vec()),
    ) {
        let statements = split(&text, dialect);
        let mut end = 0;
        for statement in &statements {
            proptest::prop_assert!(statement.span.start >= end && statement.span.end <= text.len());
            proptest::prop_assert!(!statement.span.of(&text).is_empty());
            end = statement.span.end;
        }
        let tokens: usize = Lexer::new(&text, dialect).map(|token| token.span.end - token.span.start).sum();
        proptest::prop_assert_eq!(tokens, text.len());
    }
}

//! What an expression comes to, as far as its words tell.

/// Whether an expression gives every row the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Volatility {
    /// Within one statement it does.
    Constant,
    /// It does not: by this function.
    Volatile(String),
    /// It calls a function that is not known here.
    Unknown(String),
}

/// Functions of PostgreSQL that differ from call to call (`provolatile = 'v'` in its catalogue).
const VOLATILE: [&str; 18] = [
    "clock_timestamp",
    "random",
    "random_normal",
    "gen_random_uuid",
    "gen_random_bytes",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
    "nextval",
    "currval",
    "lastval",
    "setval",
    "timeofday",
    "pg_sleep",
    "txid_current",
    "setseed",
];
/// Functions of PostgreSQL that do not, of those that stand in defaults.
const CONSTANT: [&str; 78] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "current_user",
    "session_user",
    "user",
    "current_setting",
    "current_database",
    "current_schema",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "lower",
    "upper",
    "initcap",
    "length",
    "concat",
    "concat_ws",
    "format",
    "replace",
    "substring",
    "substr",
    "trim",
    "ltrim",
    "rtrim",
    "btrim",
    "left",
    "right",
    "lpad",
    "rpad",
    "md5",
    "sha256",
    "encode",
    "decode",
    "to_char",
    "to_date",
    "to_timestamp",
    "to_number",
    "to_json",
    "to_jsonb",
    "jsonb_build_object",
    "jsonb_build_array",
    "json_build_object",
    "json_build_array",
    "date_trunc",
    "date_part",
    "extract",
    "age",
    "timezone",
    "make_date",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "make_interval",
    "justify_days",
    "cast",
    "array",
    "row",
    "array_fill",
    "string_to_array",
    "abs",
    "ceil",
    "floor",
    "round",
    "trunc",
    "mod",
    "power",
    "sqrt",
    "int4range",
    "tstzrange",
    "daterange",
    "regexp_replace",
];
/// Words that stand before a parenthesis and call nothing: types with a length, and syntax.
const NO_CALLS: [&str; 18] = [
    "numeric",
    "decimal",
    "varchar",
    "char",
    "character",
    "varying",
    "bit",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "precision",
    "in",
    "and",
    "or",
    "not",
    "any",
    "all",
];

/// Says whether an expression of PostgreSQL gives every row the same.
pub(super) fn volatility(expression: &str) -> Volatility {
    let plain = without_strings(expression).to_lowercase();
    let mut unknown = None;
    for (at, _) in plain.match_indices('(') {
        let before = plain[..at].trim_end();
        let start =
            before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_').map_or(0, |place| place + 1);
        let name = &before[start..];
        if name.is_empty() || CONSTANT.contains(&name) || NO_CALLS.contains(&name) {
            continue;
        }
        if VOLATILE.contains(&name) {
            return Volatility::Volatile(name.to_owned());
        }
        unknown.get_or_insert_with(|| name.to_owned());
    }
    unknown.map_or(Volatility::Constant, Volatility::Unknown)
}

/// The expression with its strings emptied.
fn without_strings(expression: &str) -> String {
    expression
        .split('\'')
        .enumerate()
        .filter(|(number, _)| number % 2 == 0)
        .map(|(_, part)| part)
        .collect::<Vec<_>>()
        .join("''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_for_every_row_is_told_from_what_is_not() {
        for constant in [
            "0",
            "'random()'",
            "now()",
            "now() - interval '1 day'",
            "'{}'::jsonb",
            "ARRAY[]::int[]",
            "(1 + 2)",
            "CURRENT_TIMESTAMP(3)",
            "'x'::varchar(10)",
            "timezone('utc', now())",
        ] {
            assert_eq!(volatility(constant), Volatility::Constant, "{constant}");
        }
        assert_eq!(volatility("lower(md5(random()::text))"), Volatility::Volatile("random".to_owned()));
        assert_eq!(volatility("public.nextid ()"), Volatility::Unknown("nextid".to_owned()));
    }
}

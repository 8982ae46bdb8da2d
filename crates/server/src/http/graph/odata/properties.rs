//! Properties of `$filter`: what is written is read back, no text breaks the reader, and an index loses no row.
//!
//! Tests only. Values come from small sets, so that conditions and objects often fit each other.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TEXTS: [&str; 6] = ["", "a", "A", "api://a", "O'Hara", "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef"];

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(&TEXTS[..]).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = Vec<String>> {
    let names = ["appId", "id", "displayName", "identifierUris", "none"];
    prop::collection::vec(prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1..3)
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        1 => Just(Literal::Null),
        1 => any::<bool>().prop_map(Literal::Bool),
        1 => any::<i32>().prop_map(|n| Literal::Number(f64::from(n) / 4.0)),
        5 => text().prop_map(Literal::Text),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let operators = [Operator::Eq, Operator::Ne, Operator::Gt, Operator::Ge, Operator::Lt, Operator::Le];
    let functions = [TextFunction::StartsWith, TextFunction::EndsWith, TextFunction::Contains];
    let of_uris = text().prop_map(|text| {
        let condition = Expression::Compare(vec!["u".to_owned()], Operator::Eq, Literal::Text(text));
        Expression::Any(vec!["identifierUris".to_owned()], Some(("u".to_owned(), Box::new(condition))))
    });
    let leaf = prop_oneof![
        4 => (path(), literal()).prop_map(|(path, value)| Expression::Compare(path, Operator::Eq, value)),
        2 => (path(), prop::sample::select(operators.to_vec()), literal())
            .prop_map(|(path, operator, value)| Expression::Compare(path, operator, value)),
        2 => (prop::sample::select(functions.to_vec()), path(), text())
            .prop_map(|(function, path, text)| Expression::Text(function, path, text)),
        2 => of_uris,
        1 => path().prop_map(|path| Expression::Any(path, None)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.clone().prop_map(|e| Expression::Not(Box::new(e))),
            (path(), inner.clone()).prop_map(|(path, e)| Expression::Any(path, Some(("v".to_owned(), Box::new(e))))),
            (path(), inner).prop_map(|(path, e)| Expression::All(path, "v".to_owned(), Box::new(e))),
        ]
    })
}

/// An expression as a client writes it.
fn written(expression: &Expression) -> String {
    let joined = |parts: &[Expression], word: &str| {
        parts.iter().map(|part| format!("({})", written(part))).collect::<Vec<_>>().join(word)
    };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match expression {
        Expression::And(parts) => joined(parts, " and "),
        Expression::Or(parts) => joined(parts, " or "),
        Expression::Not(part) => format!("not ({})", written(part)),
        Expression::Compare(path, operator, literal) => {
            let word = format!("{operator:?}").to_lowercase();
            let literal = match literal {
                Literal::Null => "null".to_owned(),
                Literal::Bool(flag) => flag.to_string(),
                Literal::Number(number) => number.to_string(),
                Literal::Text(text) => quoted(text),
            };
            format!("{} {word} {literal}", path.join("/"))
        }
        Expression::Text(function, path, text) => {
            format!("{}({},{})", format!("{function:?}").to_lowercase(), path.join("/"), quoted(text))
        }
        Expression::Any(path, None) => format!("{}/any()", path.join("/")),
        Expression::Any(path, Some((name, condition))) => {
            format!("{}/any({name}:{})", path.join("/"), written(condition))
        }
        Expression::All(path, name, condition) => format!("{}/all({name}:{})", path.join("/"), written(condition)),
    }
}

fn object() -> impl Strategy<Value = Json> {
    (text(), text(), text(), prop::collection::vec(text(), 0..3)).prop_map(|(app_id, id, name, uris)| {
        // Ids are kept in small letters.
        let (app_id, id) = (app_id.to_lowercase(), id.to_lowercase());
        json!({"appId": app_id, "id": id, "displayName": name, "identifierUris": uris})
    })
}

/// Whether the rows that an index gives hold an object. Case is left to the conditions that follow.
fn given(filter: &Filter, object: &Json) -> bool {
    let same = |name: &str, wanted: &str| object[name].as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    match filter {
        Filter::All => true,
        Filter::AppId(wanted) => same("appId", wanted),
        Filter::ObjectId(wanted) => same("id", wanted),
        Filter::DisplayName(wanted) => same("displayName", wanted),
        Filter::DisplayNamePrefix(wanted) => {
            object["displayName"].as_str().is_some_and(|name| name.to_lowercase().starts_with(&wanted.to_lowercase()))
        }
        Filter::IdentifierUri(wanted) => object["identifierUris"]
            .as_array()
            .is_some_and(|uris| uris.iter().any(|u| u.as_str().is_some_and(|u| u.eq_ignore_ascii_case(wanted)))),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(expression in expression()) {
        prop_assert_eq!(read(&written(&expression)), Ok(expression));
    }

    #[test]
    fn any_text_is_read_or_refused_in_one_line(text in "\\PC{0,80}|[ a-z/:,()'0-9.é\u{0}-\u{1f}]{0,200}|(not |\\(|a/any\\(a:){0,60}") {
        if let Err(fault) = read(&text) {
            prop_assert!(fault.len() < 400 && !fault.chars().any(char::is_control), "{fault:?}");
        }
    }

    #[test]
    fn a_changed_character_breaks_nothing(expression in expression(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut text: Vec<char> = written(&expression).chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(other) = read(&text) {
            let _ = other.holds(&json!({"appId": [[1]], "displayName": {"appId": null}}));
        }
    }

    #[test]
    fn an_index_loses_no_row(expression in expression(), object in object()) {
        let holds = expression.holds(&object);
        prop_assert_eq!(Expression::Not(Box::new(expression.clone())).holds(&object), !holds);
        match expression.narrow() {
            Narrow::Range { filter, exact } => {
                let given = given(&filter, &object);
                prop_assert!(given || !holds, "{filter:?} leaves out what the condition holds for");
                prop_assert!(!exact || holds == given, "{filter:?} is not the condition");
            }
            Narrow::Few(filters) => {
                let given = filters.iter().any(|filter| given(filter, &object));
                prop_assert_eq!(given, holds, "few rows are not looked at again");
            }
        }
    }
}

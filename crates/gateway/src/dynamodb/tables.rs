//! Which actions on which tables a request needs, from its body.

use adit_model::{AccountId, Region};
use adit_wire::ErrorReply;
use serde_json::Value;

/// A table, one of its indexes, or everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Table {
    /// By its name, and an index of it.
    Named(String, Option<String>),
    /// By its ARN, as sent, and an index of it.
    Arn(String),
    /// The operation is about no table in particular.
    All,
}

/// An action, and what it is on.
pub(super) type Need = (String, Table);

/// Operations that are about no one table.
const ACCOUNT_WIDE: [&str; 7] = [
    "DescribeEndpoints",
    "DescribeLimits",
    "ListBackups",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "ListTables",
];

impl Table {
    fn of(text: &str, index: Option<&str>) -> Table {
        match (text.starts_with("arn:"), index) {
            (true, None) => Table::Arn(text.to_owned()),
            (true, Some(index)) => Table::Arn(format!("{text}/index/{index}")),
            (false, index) => Table::Named(text.to_owned(), index.map(str::to_owned)),
        }
    }

    /// Its ARN, as policies name it.
    pub(super) fn arn(&self, region: &Region, account: &AccountId) -> String {
        match self {
            Table::All => "*".to_owned(),
            Table::Arn(arn) => arn.clone(),
            Table::Named(name, index) => {
                let table = format!("arn:aws:dynamodb:{region}:{account}:table/{name}");
                match index {
                    Some(index) => format!("{table}/index/{index}"),
                    None => table,
                }
            }
        }
    }
}

/// What a request needs; never nothing.
///
/// # Errors
/// A body that is no JSON object or names no table; operations whose tables are inside statements of
/// another language.
pub(super) fn asked(operation: &str, body: &[u8]) -> Result<Vec<Need>, ErrorReply> {
    let input: Value = serde_json::from_slice(body).map_err(|_| bad("The body is no JSON."))?;
    let Value::Object(members) = &input else {
        return Err(bad("The body is no JSON object."));
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let action = |operation: &str| format!("dynamodb:{operation}");
    if ACCOUNT_WIDE.contains(&operation) {
        return Ok(vec![(action(operation), Table::All)]);
    }
    let needs: Vec<Need> = match operation {
        "BatchGetItem" | "BatchWriteItem" => match members.get("RequestItems") {
            Some(Value::Object(tables)) => tables
                .keys()
                .map(|table| (action(operation), Table::of(table, None)))
                .collect(),
            _ => Vec::new(),
        },
        "TransactGetItems" | "TransactWriteItems" => transaction(&input)?,
        "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => {
            return Err(ErrorReply::new(
                "NotImplementedException",
                501,
                "PartiQL statements are not built: which tables they touch is not known here.",
            ));
        }
        _ => {
            let named = [
                "TableName",
                "TableArn",
                "ResourceArn",
                "BackupArn",
                "ExportArn",
                "ImportArn",
                "SourceTableArn",
                "SourceTableName",
                "TargetTableName",
            ];
            let index = text("IndexName");
            let own = named.iter().filter_map(|name| text(name));
            let mut found: Vec<Need> = own
                .map(|table| (action(operation), Table::of(table, index)))
                .collect();
            if let Some(made) = members
                .get("TableCreationParameters")
                .and_then(|made| made.get("TableName"))
                .and_then(Value::as_str)
            {
                found.push((action(operation), Table::of(made, None)));
            }
            found
        }
    };
    match needs.is_empty() {
        // Fail closed: what names no table cannot be decided.
        true => Err(bad("The request names no table.")),
        false => Ok(needs),
    }
}

/// Every item of a transaction needs the action it would need alone.
fn transaction(input: &Value) -> Result<Vec<Need>, ErrorReply> {
    const PARTS: [(&str, &str); 5] = [
        ("Get", "dynamodb:GetItem"),
        ("Put", "dynamodb:PutItem"),
        ("Update", "dynamodb:UpdateItem"),
        ("Delete", "dynamodb:DeleteItem"),
        ("ConditionCheck", "dynamodb:ConditionCheckItem"),
    ];
    let items = input.get("TransactItems").and_then(Value::as_array);
    let mut needs = Vec::new();
    for item in items.into_iter().flatten() {
        let Value::Object(parts) = item else {
            return Err(bad("An item of the transaction is no object."));
        };
        for (name, part) in parts {
            let known = PARTS.iter().find(|(known, _)| known == name);
            let table = part.get("TableName").and_then(Value::as_str);
            let (Some((_, action)), Some(table)) = (known, table) else {
                return Err(bad("An item of the transaction cannot be read."));
            };
            let need = ((*action).to_owned(), Table::of(table, None));
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
    }
    Ok(needs)
}

fn bad(message: &str) -> ErrorReply {
    ErrorReply::new("ValidationException", 400, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arns(operation: &str, body: &str) -> Vec<(String, String)> {
        let (region, account) = (
            "eu-west-1".parse().unwrap(),
            "123456789012".parse().unwrap(),
        );
        let found = asked(operation, body.as_bytes()).unwrap();
        found
            .into_iter()
            .map(|(action, table)| (action, table.arn(&region, &account)))
            .collect()
    }

    #[test]
    fn every_table_of_a_request_is_found() {
        let table = |name: &str| format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{name}");
        for (operation, body, expected) in [
            (
                "GetItem",
                r#"{"TableName":"a"}"#,
                vec![("GetItem", table("a"))],
            ),
            (
                "Query",
                r#"{"TableName":"a","IndexName":"i"}"#,
                vec![("Query", table("a/index/i"))],
            ),
            (
                "BatchGetItem",
                r#"{"RequestItems":{"a":{},"b":{}}}"#,
                vec![("BatchGetItem", table("a")), ("BatchGetItem", table("b"))],
            ),
            (
                "TransactWriteItems",
                r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}},{"Put":{"TableName":"a"}}]}"#,
                vec![("PutItem", table("a")), ("ConditionCheckItem", table("b"))],
            ),
            ("ListTables", "{}", vec![("ListTables", "*".to_owned())]),
            (
                "TagResource",
                r#"{"ResourceArn":"arn:aws:dynamodb:eu-west-1:999999999999:table/x"}"#,
                vec![(
                    "TagResource",
                    "arn:aws:dynamodb:eu-west-1:999999999999:table/x".to_owned(),
                )],
            ),
            (
                "RestoreTableFromBackup",
                r#"{"BackupArn":"arn:aws:dynamodb:eu-west-1:123456789012:table/a/backup/1","TargetTableName":"b"}"#,
                vec![
                    ("RestoreTableFromBackup", table("a/backup/1")),
                    ("RestoreTableFromBackup", table("b")),
                ],
            ),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(action, arn)| (format!("dynamodb:{action}"), arn))
                .collect();
            assert_eq!(arns(operation, body), expected, "{operation}");
        }
    }

    #[test]
    fn what_names_no_table_is_refused() {
        for (operation, body) in [
            ("GetItem", "{}"),
            ("GetItem", "[]"),
            ("GetItem", "no json"),
            ("GetItem", r#"{"TableName":7}"#),
            ("BatchGetItem", r#"{"RequestItems":{}}"#),
            (
                "TransactGetItems",
                r#"{"TransactItems":[{"Drop":{"TableName":"a"}}]}"#,
            ),
            ("TransactGetItems", r#"{"TransactItems":[]}"#),
            ("ExecuteStatement", r#"{"Statement":"SELECT * FROM a"}"#),
        ] {
            assert!(
                asked(operation, body.as_bytes()).is_err(),
                "{operation} {body}"
            );
        }
    }
}

//! Policy documents taken apart, for the engines that need them in their own language.
//!
//! Only what the cases use: no variables, no set operators.

use serde_json::Value;

pub struct Statement {
    pub allows: bool,
    /// Empty: everybody.
    pub principals: Vec<String>,
    /// Empty: every action.
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    pub conditions: Vec<Condition>,
}

pub struct Condition {
    pub key: String,
    pub value: String,
    pub is_address: bool,
    pub negated: bool,
}

pub fn statements(text: &str) -> Vec<Statement> {
    let document: Value = serde_json::from_str(text).expect("cases are JSON");
    list(&document["Statement"])
        .into_iter()
        .map(statement)
        .collect()
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn texts(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .filter_map(|value| value.as_str())
        .map(str::to_owned)
        .collect()
}

fn statement(value: &Value) -> Statement {
    let mut conditions = Vec::new();
    for (operator, keys) in value["Condition"].as_object().into_iter().flatten() {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            conditions.push(Condition {
                key: key.clone(),
                value: wanted.as_str().expect("one value").to_owned(),
                is_address: operator.contains("IpAddress"),
                negated: operator.contains("Not"),
            });
        }
    }
    let actions = texts(&value["Action"]);
    Statement {
        allows: value["Effect"] == "Allow",
        principals: texts(&value["Principal"]["AWS"]),
        actions: if actions == ["s3:*"] {
            Vec::new()
        } else {
            actions
        },
        resources: texts(&value["Resource"]),
        conditions,
    }
}

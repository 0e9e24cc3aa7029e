//! `regorus`: the rules translated to Rego, run as bytecode and interpreted.

use std::fmt::Write as _;
use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};

use super::Prepared;
use crate::cases::{Ask, Case};
use crate::statement::{Condition, Statement, statements};

const ENTRY: &str = "data.adit.allow";

fn condition(condition: &Condition) -> String {
    let key = format!("input.ctx[\"{}\"]", condition.key);
    let test = if condition.is_address {
        format!("net.cidr_contains(\"{}\", {key})", condition.value)
    } else {
        format!("{key} == \"{}\"", condition.value)
    };
    if condition.negated {
        format!("not {test}")
    } else {
        test
    }
}

/// Tests for a pattern with `*`: its ends are anchored, what is between must be contained.
fn resource(pattern: &str) -> Option<Vec<String>> {
    if pattern.contains('?') {
        return None;
    }
    let pieces: Vec<&str> = pattern.split('*').collect();
    let [only] = pieces.as_slice() else {
        let (first, rest) = pieces.split_first()?;
        let (last, middle) = rest.split_last()?;
        let mut tests = vec![format!("startswith(input.resource, \"{first}\")")];
        tests.extend(
            middle
                .iter()
                .filter(|p| !p.is_empty())
                .map(|p| format!("contains(input.resource, \"{p}\")")),
        );
        if !last.is_empty() {
            tests.push(format!("endswith(input.resource, \"{last}\")"));
        }
        return Some(tests);
    };
    Some(vec![format!("input.resource == \"{only}\"")])
}

fn rules(out: &mut String, layer: &str, statement: &Statement) -> Option<()> {
    let rule = if statement.allows {
        format!("{layer}_allow")
    } else {
        "deny".to_owned()
    };
    for pattern in &statement.resources {
        let mut tests = Vec::new();
        if !statement.actions.is_empty() {
            let names: Vec<String> = statement
                .actions
                .iter()
                .map(|a| format!("\"{a}\""))
                .collect();
            tests.push(format!("input.action in {{{}}}", names.join(",")));
        }
        if !statement.principals.is_empty() {
            let names: Vec<String> = statement
                .principals
                .iter()
                .map(|a| format!("\"{a}\""))
                .collect();
            tests.push(format!("input.principal in {{{}}}", names.join(",")));
        }
        if pattern != "*" {
            tests.extend(resource(pattern)?);
        }
        tests.extend(statement.conditions.iter().map(condition));
        if tests.is_empty() {
            tests.push("true".to_owned());
        }
        writeln!(out, "{rule} if {{\n  {}\n}}", tests.join("\n  ")).ok()?;
    }
    Some(())
}

fn translate(case: &Case) -> Option<String> {
    let mut out = String::from(
        "package adit\ndefault deny := false\ndefault endpoint_allow := false\ndefault identity_allow := false\n\
         default bucket_allow := false\ndefault allow := false\n\
         grant if { identity_allow }\ngrant if { bucket_allow }\n\
         allow if {\n  endpoint_allow\n  not deny\n  grant\n}\n",
    );
    let layers = [
        ("identity", Some(&case.identity)),
        ("endpoint", case.endpoint.as_ref()),
        ("bucket", case.bucket.as_ref()),
    ];
    for (layer, text) in layers {
        match text {
            None if layer == "endpoint" => out.push_str("endpoint_allow if { true }\n"),
            None => {}
            Some(text) => {
                for statement in statements(text) {
                    rules(&mut out, layer, &statement)?;
                }
            }
        }
    }
    Some(out)
}

fn input(ask: &Ask) -> Value {
    let context: serde_json::Map<String, serde_json::Value> = ask
        .context
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone().into()))
        .collect();
    Value::from(serde_json::json!({
        "principal": ask.principal,
        "action": ask.action,
        "resource": ask.resource,
        "ctx": context,
    }))
}

fn program(source: &str) -> Arc<Program> {
    let mut engine = Engine::new();
    engine
        .add_policy("case.rego".to_owned(), source.to_owned())
        .expect("translations parse");
    let compiled = engine
        .compile_with_entrypoint(&ENTRY.into())
        .expect("translations compile");
    Compiler::compile_from_policy(&compiled, &[ENTRY]).expect("translations compile to bytecode")
}

pub struct Vm {
    case: &'static Case,
    source: String,
    machine: RegoVM,
    inputs: Vec<Value>,
}

impl Vm {
    pub fn new(case: &'static Case) -> Option<Vm> {
        let source = translate(case)?;
        let mut machine = RegoVM::new();
        machine.load_program(program(&source));
        Some(Vm {
            case,
            source,
            machine,
            inputs: case.requests.iter().map(input).collect(),
        })
    }

    fn answer(&mut self, input: Value) -> bool {
        self.machine.set_input(input);
        self.machine.execute().expect("evaluates") == Value::Bool(true)
    }
}

impl Prepared for Vm {
    fn decide(&mut self, request: usize) -> bool {
        let input = self.inputs[request].clone();
        self.answer(input)
    }

    fn decide_raw(&mut self, request: usize) -> bool {
        self.answer(input(&self.case.requests[request]))
    }

    fn compile(&self) {
        std::hint::black_box(program(&self.source));
    }
}

pub struct Interpreter {
    case: &'static Case,
    source: String,
    engine: Engine,
    inputs: Vec<Value>,
}

impl Interpreter {
    pub fn new(case: &'static Case) -> Option<Interpreter> {
        let source = translate(case)?;
        let mut engine = Engine::new();
        engine
            .add_policy("case.rego".to_owned(), source.clone())
            .expect("translations parse");
        Some(Interpreter {
            case,
            source,
            engine,
            inputs: case.requests.iter().map(input).collect(),
        })
    }

    fn answer(&mut self, input: Value) -> bool {
        self.engine.set_input(input);
        self.engine.eval_rule(ENTRY.to_owned()).expect("evaluates") == Value::Bool(true)
    }
}

impl Prepared for Interpreter {
    fn decide(&mut self, request: usize) -> bool {
        let input = self.inputs[request].clone();
        self.answer(input)
    }

    fn decide_raw(&mut self, request: usize) -> bool {
        self.answer(input(&self.case.requests[request]))
    }

    fn compile(&self) {
        let mut engine = Engine::new();
        engine
            .add_policy("case.rego".to_owned(), self.source.clone())
            .expect("translations parse");
        std::hint::black_box(engine);
    }
}

//! Rules about source files: each says what it is for, and `unsafe` stays where the kernel is.

/// Crates whose code may be `unsafe`; all others leave the kernel to them.
const MAY_BE_UNSAFE: &[&str] = &["crates/net/", "crates/cli/"];

/// What is wrong with one file. Files other than Rust and Python are not looked at.
pub(super) fn check(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if path.ends_with(".rs") {
        if !starts_with_doc(text, "//!") {
            findings.push(format!("{path}: no module doc (`//!`) at the top"));
        }
        if !MAY_BE_UNSAFE.iter().any(|folder| path.starts_with(folder)) {
            for line in lines_with_unsafe(text) {
                findings.push(format!(
                    "{path}:{line}: `unsafe` outside the crates that may"
                ));
            }
        }
    } else if path.ends_with(".py") && !starts_with_doc(text, "\"\"\"") {
        findings.push(format!("{path}: no module doc at the top"));
    }
    findings
}

/// Whether the first line that is not blank (nor `#!…`) begins a module doc.
fn starts_with_doc(text: &str, mark: &str) -> bool {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && (!line.starts_with("#!") || line.starts_with("#![")))
        .is_some_and(|line| line.starts_with(mark))
}

/// Numbers of the lines where the keyword stands in code, not in a comment, string or longer word.
fn lines_with_unsafe(text: &str) -> Vec<usize> {
    let code = code_only(text);
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == "unsafe")
        })
        .map(|(index, _)| index + 1)
        .collect()
}

/// `text` with comments and the insides of strings blanked out, line by line as it was.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest) {
            // An identifier that ends in `r` or `br` cannot stand right before a quote.
            length
        } else if c == '"' {
            quoted(rest)
        } else if let Some(length) = character(rest) {
            length
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        let (skipped, tail) = rest.split_at(length);
        code.push(' ');
        code.extend(skipped.chars().filter(|c| *c == '\n'));
        rest = tail;
    }
    code
}

/// Length of the block comment at the start; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Length of the raw string (`r"…"`, `r#"…"#`, `br"…"`) at the start, if one is there.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// Length of the string at the start.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the character literal at the start; a lifetime is not one.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let mut characters = body.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        let escaped = body.get(2..)?;
        return escaped.find('\'').map(|at| at + 4);
    }
    let (at, quote) = characters.next()?;
    (quote == '\'').then_some(at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_what_they_are_for() {
        let none: [&str; 0] = [];
        assert_eq!(check("crates/model/src/id.rs", "//! Ids.\n"), none);
        assert_eq!(
            check("tests/e2e/a.py", "#!/usr/bin/env python3\n\"\"\"A.\"\"\"\n"),
            none
        );
        assert_eq!(check("README.md", "no doc needed"), none);
        for (path, text) in [
            ("crates/model/src/id.rs", "use std::fmt;\n//! Ids.\n"),
            ("crates/model/src/id.rs", "#![allow(x)]\n"),
            ("crates/model/src/id.rs", ""),
            ("tests/e2e/a.py", "import os\n"),
        ] {
            assert_eq!(check(path, text).len(), 1, "{path} {text:?}");
        }
    }

    #[test]
    fn the_keyword_is_found_only_as_code() {
        let found = "//! Doc.\nfn a() {\n    unsafe { b() }\n}\nunsafe fn b() {}\n";
        assert_eq!(lines_with_unsafe(found), [3, 5]);
        for text in [
            "// unsafe\n",
            "/* a /* unsafe */ unsafe */\n",
            "#![forbid(unsafe_code)]\n",
            "let a = \"unsafe \\\" unsafe\";\n",
            "let a = r#\"unsafe \" unsafe\"#;\n",
            "let q = '\"'; let b = \"unsafe\";\n",
            "let q = '\\''; let b = \"unsafe\";\n",
            "fn f<'a>(x: &'a str) { g(\"unsafe\") }\n",
        ] {
            assert_eq!(lines_with_unsafe(text), Vec::<usize>::new(), "{text}");
        }
        let after = "let a = \"x\ny\"; let c = '\\n';\nunsafe {}\n";
        assert_eq!(lines_with_unsafe(after), [3]);
    }

    #[test]
    fn only_the_kernel_crates_may_be_unsafe() {
        let text = "//! Doc.\nfn a() { unsafe { b() } }\n";
        assert_eq!(check("crates/net/src/a.rs", text), [""; 0]);
        assert_eq!(check("crates/dns/src/a.rs", text).len(), 1);
    }
}

//! A JSON reader that remembers where everything stands.
//!
//! A policy needs what common readers do not give: the line and column of every value, an error for
//! a key that occurs twice, a bound on nesting, and numbers as they were written. The result is a
//! flat list of nodes; strings without escapes are not copied.

mod read;

use std::collections::HashMap;

/// Deepest nesting that is read. A policy needs six levels.
pub(crate) const MAX_DEPTH: usize = 64;

/// A piece of [`Tree::pool`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn of(self, pool: &str) -> &str {
        let start = self.start as usize;
        pool.get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

/// Position of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    /// The kind with its article, for messages.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Bool => "a boolean",
            Kind::Null => "null",
        }
    }
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Offsets of the value in the document.
    start: u32,
    end: u32,
    /// A string's characters, a number's or boolean's text.
    text: Span,
    /// For members of an object: the key's characters, and where it stands.
    key: Span,
    key_start: u32,
    parent: u32,
    first_child: u32,
    next: u32,
    /// Position among its siblings.
    position: u32,
}

/// A document that was read.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    text: &'t str,
    /// Strings that had escapes, decoded, one after the other.
    decoded: String,
    nodes: Vec<Node>,
    /// Second and later occurrences of a key in one object, in document order.
    pub(crate) duplicates: Vec<NodeId>,
}

/// Why a text is not a JSON document, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) at: usize,
    pub(crate) problem: &'static str,
}

impl<'t> Tree<'t> {
    /// Reads a document; white space around it is allowed.
    pub(crate) fn parse(text: &'t str) -> Result<Tree<'t>, JsonError> {
        read::read(text)
    }

    pub(crate) fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    pub(crate) fn kind(&self, id: NodeId) -> Kind {
        self.node(id).map_or(Kind::Null, |node| node.kind)
    }

    /// A string's characters, or the text of a number or boolean.
    pub(crate) fn text_span(&self, id: NodeId) -> Span {
        self.node(id).map_or_else(Span::default, |node| node.text)
    }

    pub(crate) fn text(&self, id: NodeId) -> &str {
        self.get(self.text_span(id))
    }

    /// The key of a member.
    pub(crate) fn key(&self, id: NodeId) -> &str {
        self.get(self.key_span(id))
    }

    pub(crate) fn key_span(&self, id: NodeId) -> Span {
        self.node(id).map_or_else(Span::default, |node| node.key)
    }

    pub(crate) fn get(&self, span: Span) -> &str {
        let start = span.start as usize;
        match start.checked_sub(self.text.len()) {
            None => span.of(self.text),
            Some(start) => self
                .decoded
                .get(start..start + span.len as usize)
                .unwrap_or_default(),
        }
    }

    /// The document followed by all decoded strings: what spans point into.
    pub(crate) fn pool(&self) -> Box<str> {
        let mut pool = String::with_capacity(self.text.len() + self.decoded.len());
        pool.push_str(self.text);
        pool.push_str(&self.decoded);
        pool.into_boxed_str()
    }

    /// The value as it stands in the document.
    pub(crate) fn source(&self, id: NodeId) -> &'t str {
        self.node(id)
            .and_then(|node| self.text.get(node.start as usize..node.end as usize))
            .unwrap_or_default()
    }

    /// Members of an object or elements of an array.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let link = |at: u32| (at != NONE).then_some(NodeId(at));
        let first = self.node(id).and_then(|node| link(node.first_child));
        std::iter::successors(first, move |id| {
            self.node(*id).and_then(|node| link(node.next))
        })
    }

    /// The member with the given key.
    pub(crate) fn member(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let is_object = self.kind(id) == Kind::Object;
        self.children(id)
            .find(|member| is_object && self.key(*member) == key)
    }

    /// Where the value begins, in bytes from the document's start.
    pub(crate) fn start(&self, id: NodeId) -> usize {
        self.node(id).map_or(0, |node| node.start as usize)
    }

    /// Where the member's key begins; for others where the value does.
    pub(crate) fn key_start(&self, id: NodeId) -> usize {
        self.node(id).map_or(0, |node| {
            let is_member = self.kind(NodeId(node.parent)) == Kind::Object;
            (if is_member {
                node.key_start
            } else {
                node.start
            }) as usize
        })
    }

    /// `Statement[1].Condition.StringEquals.aws:SourceVpce`
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| self.node(id)) {
            let parent = (node.parent != NONE).then_some(NodeId(node.parent));
            match parent.map(|parent| self.kind(parent)) {
                Some(Kind::Array) => steps.push(format!("[{}]", node.position)),
                Some(_) => steps.push(format!(".{}", self.get(node.key))),
                None => {}
            }
            at = parent;
        }
        steps.reverse();
        let path = steps.concat();
        path.strip_prefix('.').map(str::to_owned).unwrap_or(path)
    }
}

/// Line and column, from 1, of a byte offset; columns count characters.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (
        u32::try_from(line).unwrap_or(u32::MAX),
        u32::try_from(column).unwrap_or(u32::MAX),
    )
}

/// Appends a JSON string literal.
pub(crate) fn push_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_and_placed() {
        let text = "{\n  \"a\": [1, -2.5e3, true, null],\n  \"b\\u0041\": {\"x\": \"\\ud83d\\ude00\\n\"}\n}";
        let tree = Tree::parse(text).unwrap();
        let root = tree.root();
        let a = tree.member(root, "a").unwrap();
        let items: Vec<_> = tree
            .children(a)
            .map(|id| (tree.kind(id), tree.text(id)))
            .collect();
        assert_eq!(
            items,
            [
                (Kind::Number, "1"),
                (Kind::Number, "-2.5e3"),
                (Kind::Bool, "true"),
                (Kind::Null, "null")
            ]
        );
        let b = tree.member(root, "bA").unwrap();
        let x = tree.member(b, "x").unwrap();
        assert_eq!(tree.text(x), "😀\n");
        assert_eq!(tree.path(x), "bA.x");
        assert_eq!(tree.path(tree.children(a).nth(2).unwrap()), "a[2]");
        assert_eq!(position(text, tree.start(x)), (3, 20));
        assert_eq!(tree.source(b), "{\"x\": \"\\ud83d\\ude00\\n\"}");
        assert_eq!(tree.text_span(x).of(&tree.pool()), "😀\n");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("{a:1}", 1),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("01", 1),
            ("1.", 2),
            ("\"a", 0),
            ("\"\\x\"", 2),
            ("\"\\ud800\"", 3),
            ("\"\\u12g4\"", 3),
            ("\"\u{1}\"", 1),
            ("tru", 0),
            ("{} {}", 3),
            ("\u{feff}{}", 0),
        ] {
            assert_eq!(Tree::parse(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn duplicates_are_found_in_small_and_large_objects() {
        let tree = Tree::parse(r#"{"a":1,"b":{"x":1,"\u0078":2},"a":2}"#).unwrap();
        let paths: Vec<_> = tree.duplicates.iter().map(|id| tree.path(*id)).collect();
        assert_eq!(paths, ["b.x", "a"]);
        let members: Vec<_> = (0..100).map(|n| format!("\"k{}\":0", n % 99)).collect();
        let text = format!("{{{}}}", members.join(","));
        assert_eq!(Tree::parse(&text).unwrap().duplicates.len(), 1);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Tree::parse(&nested(MAX_DEPTH)).is_ok());
        assert!(Tree::parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(Tree::parse(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn strings_are_written_so_that_they_read_back() {
        let text = "q\" b\\ n\n t\t r\r c\u{1} é😀";
        let mut out = String::new();
        push_string(&mut out, text);
        let tree = Tree::parse(&out).unwrap();
        assert_eq!(tree.text(tree.root()), text);
    }
}

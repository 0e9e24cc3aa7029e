//! XML documents as trees, for those who pass on what another server wrote.

pub use crate::protocol::xml_in::{Element, parse};
use crate::protocol::xml_out::{Odd, escape};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

impl Element {
    /// An element with text in it.
    pub fn new(name: &str, text: impl Into<String>) -> Element {
        Element {
            name: name.to_owned(),
            text: text.into(),
            ..Element::default()
        }
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The document with this as its root. Only the namespace is kept of its attributes.
    pub fn document(&self) -> String {
        let mut out = String::from(DECLARATION);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        if let Some((_, namespace)) = self.attributes.iter().find(|(name, _)| name == "xmlns") {
            out.push_str(" xmlns=\"");
            text(out, namespace);
            out.push('"');
        }
        out.push('>');
        if self.children.is_empty() {
            text(out, &self.text);
        }
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn text(out: &mut String, text: &str) {
    escape(text, Odd::Refer, |piece| out.push_str(piece));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for (text, fine) in [
            ("<a/>", true),
            ("<x:a xsi:type=\"t\"/>", true),
            ("<_a-1.b/>", true),
            ("<\u{e9}/>", true),
            ("<a;b/>", false),
            ("<a;<b;<//>", false),
            ("<1a/>", false),
            ("<-a/>", false),
            ("<a:/>", false),
            ("<:a/>", false),
            ("<a:b:c/>", false),
            ("<a &=\"1\"/>", false),
            ("<a\u{d7}/>", false),
        ] {
            assert_eq!(parse(text.as_bytes()).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn control_characters_come_as_references_or_not_at_all() {
        for (text, held) in [
            ("<a>&#x1;</a>", Some("\u{1}")),
            ("<a>\t&#xfffe;</a>", Some("\t\u{fffe}")),
            ("<a>\u{1}</a>", None),
            ("<a b=\"\0\"/>", None),
            ("<a>\u{fffe}</a>", None),
            ("<a>&#0;</a>", None),
        ] {
            let tree = parse(text.as_bytes()).ok();
            assert_eq!(tree.as_ref().map(|tree| &*tree.text), held, "{text:?}");
            if let Some(tree) = tree {
                assert_eq!(parse(tree.document().as_bytes()).unwrap(), tree);
            }
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let text =
            "<R xmlns=\"http://x/\"><Key>a&amp;b &lt;&#13;\"</Key><P><Q/></P><Key>2</Key></R>";
        let tree = parse(text.as_bytes()).unwrap();
        assert_eq!(tree.get("Key"), Some("a&b <\r\""));
        assert_eq!(tree.all("Key").count(), 2);
        assert_eq!(parse(tree.document().as_bytes()).unwrap(), tree);
    }
}

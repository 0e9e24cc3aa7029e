//! XML documents as trees, for those who pass on what another server wrote.

pub use crate::protocol::xml_in::{Element, parse};

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
            escape(out, namespace);
            out.push('"');
        }
        out.push('>');
        if self.children.is_empty() {
            escape(out, &self.text);
        }
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A parser would read these as other white space, or not at all.
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

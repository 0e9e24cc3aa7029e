//! XML bodies: a bounded tree, then a value.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::WireError;
use super::params::unique;
use super::scalar::{self, Path};
use super::text::shortened;
use crate::tables::{Kind, Location, Member, Service, Shape, ShapeId, Structure, Table, TimeForm};
use crate::value::{Map, Value};

/// Largest XML body: 10,000 parts with five checksums each stay below.
const MOST_BYTES: usize = 8 << 20;
/// Most elements and attributes in one body.
const MOST_NODES: usize = 200_000;
/// Deepest nesting; the models stay below twelve, lifecycle and replication rules being the deepest.
const DEEPEST: usize = 32;

/// An element. Prefixes are taken off: the services do not tell namespaces apart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, `xmlns` among them.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The text in it.
    pub text: String,
}

fn malformed(reason: impl Into<String>) -> WireError {
    WireError::Malformed {
        reason: reason.into(),
    }
}

/// Reads a document of bounded size and depth. Document types, processing instructions and entities of
/// its own are refused.
///
/// # Errors
/// What is not well-formed, and what is too large.
pub fn parse(body: &[u8]) -> Result<Element, WireError> {
    if body.len() > MOST_BYTES {
        return Err(WireError::TooLarge { what: "XML body" });
    }
    let text = std::str::from_utf8(body).map_err(|_| malformed("the XML is not UTF-8"))?;
    if !text.chars().all(is_character) {
        return Err(malformed("the XML holds control characters"));
    }
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| malformed(error.to_string()))?;
        nodes += 1;
        if nodes > MOST_NODES {
            return Err(WireError::TooLarge {
                what: "XML elements",
            });
        }
        match event {
            Event::Start(start) => {
                if root.is_some() || open.len() >= DEEPEST {
                    return Err(malformed("more than one root, or nested too deep"));
                }
                open.push(element(&start, &mut nodes)?);
            }
            Event::Empty(start) => {
                let done = element(&start, &mut nodes)?;
                close(done, &mut open, &mut root)?;
            }
            Event::End(_) => match open.pop() {
                Some(done) => close(done, &mut open, &mut root)?,
                None => return Err(malformed("an end tag without its start")),
            },
            Event::Text(text) => add(&mut open, &text.xml10_content())?,
            Event::CData(text) => add(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(found) => found,
                    Err(error) => return Err(malformed(error.to_string())),
                };
                match (character, reference.as_ref()) {
                    (Some(c), _) => add(&mut open, c.encode_utf8(&mut [0; 4]))?,
                    (None, "amp") => add(&mut open, "&")?,
                    (None, "lt") => add(&mut open, "<")?,
                    (None, "gt") => add(&mut open, ">")?,
                    (None, "quot") => add(&mut open, "\"")?,
                    (None, "apos") => add(&mut open, "'")?,
                    (None, other) => {
                        return Err(malformed(format!("no entity `{}`", shortened(other))));
                    }
                }
            }
            Event::Comment(_) | Event::Decl(_) => {}
            Event::DocType(_) | Event::PI(_) => {
                return Err(malformed(
                    "document types and instructions are not accepted",
                ));
            }
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(malformed("the XML is incomplete")),
    }
}

fn element(start: &BytesStart<'_>, nodes: &mut usize) -> Result<Element, WireError> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        *nodes += 1;
        if *nodes > MOST_NODES || attributes.len() > 64 {
            return Err(WireError::TooLarge {
                what: "XML attributes",
            });
        }
        let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|error| malformed(error.to_string()))?;
        let name = local(attribute.key.into_inner())?;
        attributes.push((name, value.into_owned()));
    }
    let name = local(start.name().into_inner())?;
    Ok(Element {
        name,
        attributes,
        ..Element::default()
    })
}

/// A name without its prefix. The reader takes anything up to white space for a name.
fn local(name: &str) -> Result<String, WireError> {
    let (prefix, local) = name.split_once(':').unwrap_or(("_", name));
    match is_name(prefix) && is_name(local) {
        true => Ok(local.to_owned()),
        false => Err(malformed(format!("no name `{}`", shortened(name)))),
    }
}

/// `NCName` of "Namespaces in XML 1.0": a name of XML 1.0, production 5, without colons.
fn is_name(text: &str) -> bool {
    let starts = |c: char| {
        c.is_ascii_alphabetic()
            || matches!(c, '_'
                | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
                | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
                | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
                | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
    };
    let follows = |c: char| {
        c.is_ascii_digit()
            || matches!(c, '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
    };
    text.chars().next().is_some_and(starts) && text.chars().all(|c| starts(c) || follows(c))
}

/// `Char` of XML 1.0, production 2: what may stand in a document as it is.
fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), WireError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err(malformed("more than one root")),
    }
    Ok(())
}

fn add(open: &mut [Element], text: &str) -> Result<(), WireError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed("text outside the root")),
    }
    Ok(())
}

/// Reads elements into values by the shapes of one table.
pub(super) struct XmlReader {
    pub(super) table: &'static Table,
}

impl XmlReader {
    fn service(&self) -> Service {
        self.table.service
    }

    /// The body members of `structure` found in `element`, appended to `map`.
    pub(super) fn fill(
        &self,
        map: &mut Map,
        structure: &'static Structure,
        element: &Element,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        // Elements of flattened lists come interleaved with others: collect before reading.
        let mut lists: Vec<(&'static Member, Vec<&Element>)> = Vec::new();
        for child in &element.children {
            let member = structure
                .members
                .iter()
                .find(|m| m.location == Location::Body && self.element_name(m) == child.name)
                .ok_or_else(|| WireError::UnknownParameter {
                    parameter: shortened(&child.name),
                })?;
            if self.flat(member) {
                match lists
                    .iter_mut()
                    .find(|(known, _)| std::ptr::eq(*known, member))
                {
                    Some((_, found)) => found.push(child),
                    None => lists.push((member, vec![child])),
                }
                continue;
            }
            if map.contains(member.name) {
                return Err(malformed(format!(
                    "element `{}` is given twice",
                    child.name
                )));
            }
            let path = Path::Member(path, member);
            map.push(
                member.name,
                self.value(member.shape, member.time, child, &path)?,
            );
        }
        if !element.text.trim().is_empty() && !structure.members.is_empty() {
            return Err(malformed(format!("element `{}` holds text", element.name)));
        }
        for (member, found) in lists {
            let path = Path::Member(path, member);
            let shape = self.table.shape(member.shape);
            let value = match &shape.kind {
                Kind::Map { .. } => self.map(shape, found.into_iter(), &path)?,
                _ => self.items(shape, found.into_iter(), &path)?,
            };
            map.push(member.name, value);
        }
        for (name, text) in &element.attributes {
            let local = |m: &&Member| m.wire.rsplit(':').next() == Some(name);
            let attribute = |m: &&Member| m.location == Location::Attribute;
            if let Some(member) = structure.members.iter().filter(attribute).find(local) {
                let path = Path::Member(path, member);
                let shape = self.table.shape(member.shape);
                let value = scalar::parse(self.service(), &path, shape, member.time, text)?;
                map.push(member.name, value);
            }
        }
        Ok(())
    }

    /// Name of the element that carries `member`: a flattened list's item name wins.
    fn element_name(&self, member: &Member) -> &'static str {
        match &self.table.shape(member.shape).kind {
            Kind::List {
                wire, flattened, ..
            } if (*flattened || member.flattened)
                && *wire != "member"
                && member.wire == member.name =>
            {
                wire
            }
            _ => member.wire,
        }
    }

    fn flat(&self, member: &Member) -> bool {
        match &self.table.shape(member.shape).kind {
            Kind::List { flattened, .. } | Kind::Map { flattened, .. } => {
                *flattened || member.flattened
            }
            _ => false,
        }
    }

    fn value(
        &self,
        id: ShapeId,
        form: TimeForm,
        element: &Element,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        let shape = self.table.shape(id);
        match &shape.kind {
            Kind::Structure(structure) => self.structure(structure, element, path),
            Kind::List { .. } => self.items(shape, element.children.iter(), path),
            Kind::Map { .. } => self.map(shape, element.children.iter(), path),
            _ if !element.children.is_empty() => Err(malformed(format!(
                "element `{}` holds elements",
                element.name
            ))),
            _ => scalar::parse(self.service(), path, shape, form, &element.text),
        }
    }

    pub(super) fn structure(
        &self,
        structure: &'static Structure,
        element: &Element,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        let mut map = Map::with_capacity(element.children.len());
        self.fill(&mut map, structure, element, path)?;
        scalar::complete(self.service(), path, structure, &map)?;
        if structure.union && map.len() > 1 {
            return Err(malformed(format!(
                "element `{}` is a choice of one",
                element.name
            )));
        }
        Ok(Value::Map(map))
    }

    fn items<'e>(
        &self,
        shape: &'static Shape,
        found: impl Iterator<Item = &'e Element>,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        let Kind::List { member, .. } = &shape.kind else {
            return Ok(Value::Null);
        };
        let mut items = Vec::new();
        for (at, element) in found.enumerate() {
            let path = Path::Item(path, at + 1);
            items.push(self.value(*member, TimeForm::Default, element, &path)?);
        }
        scalar::length(self.service(), path, shape, items.len(), "")?;
        Ok(Value::List(items))
    }

    fn map<'e>(
        &self,
        shape: &'static Shape,
        found: impl Iterator<Item = &'e Element>,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        let Kind::Map {
            key_wire,
            value_wire,
            value,
            ..
        } = &shape.kind
        else {
            return Ok(Value::Null);
        };
        let mut entries = Vec::new();
        for entry in found {
            let part = |name: &str| entry.children.iter().find(|child| child.name == name);
            match (part(key_wire), part(value_wire), entry.children.len()) {
                (Some(key), Some(content), 2) => {
                    let path = Path::Key(path, &key.text);
                    let content = self.value(*value, TimeForm::Default, content, &path)?;
                    entries.push((key.text.clone(), content));
                }
                _ => return Err(malformed(format!("element `{}` is no entry", entry.name))),
            }
        }
        unique(entries)
    }
}

//! Writes XML by the shapes of a table, straight into bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tables::{Kind, Location, Member, Service, Shape, ShapeId, Structure, Table, TimeForm};
use crate::time;
use crate::value::{Map, Value};

/// XML under construction.
pub(super) struct XmlWriter {
    pub(super) out: Vec<u8>,
    /// S3 writes milliseconds even when they are zero.
    always_millis: bool,
    odd: Odd,
}

/// What becomes of characters that XML 1.0 has no place for, not even as references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// They go out as references all the same, as S3 itself does: a key must not silently become another
    /// one. Strict readers ask for `encoding-type=url`.
    Refer,
    /// U+FFFD stands for them: what is quoted to a person must not make the whole unreadable.
    Replace,
}

/// At most this much is set aside on the word of a list's first item, in bytes.
const MOST_ROOM: usize = 1 << 20;

/// The bytes that always stand for themselves: one look at each is most of what writing a text costs.
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut control = 0;
    while control < 0x20 {
        plain[control] = false;
        control += 1;
    }
    plain[b'&' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[b'"' as usize] = false;
    // It may begin U+FFFE or U+FFFF.
    plain[0xef] = false;
    plain
};

/// Gives `push` the pieces of a text as it stands in elements and attributes.
pub(crate) fn escape(text: &str, odd: Odd, mut push: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let all = bytes.iter().enumerate();
    for (at, byte) in all.filter(|(_, byte)| !PLAIN[usize::from(**byte)]) {
        let (length, stands) = match byte {
            b'&' => (1, "&amp;"),
            b'<' => (1, "&lt;"),
            b'>' => (1, "&gt;"),
            b'"' => (1, "&quot;"),
            // A reader may take these for other white space, or for none.
            b'\t' => (1, "&#9;"),
            b'\n' => (1, "&#10;"),
            b'\r' => (1, "&#13;"),
            // U+FFFE and U+FFFF.
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => (3, ""),
            0x20.. => continue,
            _ => (1, ""),
        };
        push(text.get(from..at).unwrap_or_default());
        from = at + length;
        match (stands, odd) {
            ("", Odd::Replace) => push("\u{fffd}"),
            ("", Odd::Refer) => {
                let odd = text.get(at..from).and_then(|text| text.chars().next());
                push(&format!("&#x{:x};", u32::from(odd.unwrap_or_default())));
            }
            _ => push(stands),
        }
    }
    push(text.get(from..).unwrap_or_default());
}

impl XmlWriter {
    /// Starts a document.
    pub(super) fn new(service: Service) -> XmlWriter {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        let always_millis = matches!(service, Service::S3 | Service::S3Control);
        XmlWriter {
            out,
            always_millis,
            odd: Odd::Refer,
        }
    }

    /// Starts a document that quotes what somebody sent, and must be readable for everybody.
    pub(super) fn quoting(service: Service) -> XmlWriter {
        XmlWriter {
            odd: Odd::Replace,
            ..XmlWriter::new(service)
        }
    }

    pub(super) fn open(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    pub(super) fn open_with(&mut self, name: &str, attribute: &str, value: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            self.attribute(attribute, value);
        }
        self.out.push(b'>');
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        self.text(value);
        self.out.push(b'"');
    }

    pub(super) fn close(&mut self, name: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    pub(super) fn empty(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"/>");
    }

    /// An element with text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: &str) {
        escape(text, self.odd, |piece| {
            self.out.extend_from_slice(piece.as_bytes());
        });
    }

    /// The body members of `structure` that `map` has.
    pub(super) fn members(&mut self, table: &Table, structure: &Structure, map: &Map) {
        // Values usually come in model order: look where the last one was found first.
        let mut next = 0;
        for (name, value) in map.entries() {
            if value.is_null() {
                continue;
            }
            let Some(at) = position(structure, name, next) else {
                continue;
            };
            next = at + 1;
            if let Some(member) = structure.members.get(at)
                && member.location == Location::Body
            {
                self.member(table, member, value);
            }
        }
    }

    fn member(&mut self, table: &Table, member: &Member, value: &Value) {
        let shape = table.shape(member.shape);
        match (&shape.kind, value) {
            (
                Kind::List {
                    member: item,
                    wire,
                    flattened,
                },
                Value::List(items),
            ) => {
                if *flattened || member.flattened {
                    let named = *wire != "member" && member.wire == member.name;
                    let name = if named { wire } else { member.wire };
                    self.items(table, name, *item, items);
                } else if items.is_empty() {
                    self.empty(member.wire);
                } else {
                    self.open(member.wire);
                    self.items(table, wire, *item, items);
                    self.close(member.wire);
                }
            }
            (Kind::Map { flattened, .. }, Value::Map(map)) if *flattened || member.flattened => {
                self.entries(table, member.wire, shape, map);
            }
            (Kind::Structure(structure), Value::Map(map)) => {
                self.structure(table, member.wire, member.prefix, structure, map);
            }
            _ => self.value(table, member.wire, shape, member.time, value),
        }
    }

    fn structure(
        &mut self,
        table: &Table,
        name: &str,
        prefix: Option<(&'static str, &'static str)>,
        structure: &Structure,
        map: &Map,
    ) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        if let Some((prefix, uri)) = prefix {
            self.attribute(&format!("xmlns:{prefix}"), uri);
        }
        for member in structure
            .members
            .iter()
            .filter(|m| m.location == Location::Attribute)
        {
            if let Some(Value::Str(text)) = map.get(member.name) {
                self.attribute(member.wire, text);
            }
        }
        self.out.push(b'>');
        self.members(table, structure, map);
        self.close(name);
    }

    /// The items of a list. The first one shows what room the others want: a long page is not copied as it
    /// grows.
    fn items(&mut self, table: &Table, name: &str, id: ShapeId, items: &[Value]) {
        let Some((first, others)) = items.split_first() else {
            return;
        };
        let begun = self.out.len();
        self.element(table, name, id, first);
        let room = (self.out.len() - begun).saturating_mul(others.len());
        self.out.reserve(room.min(MOST_ROOM));
        for value in others {
            self.element(table, name, id, value);
        }
    }

    /// An item of a list, or a map's value.
    fn element(&mut self, table: &Table, name: &str, id: ShapeId, value: &Value) {
        self.value(table, name, table.shape(id), TimeForm::Default, value);
    }

    fn value(&mut self, table: &Table, name: &str, shape: &Shape, form: TimeForm, value: &Value) {
        match (&shape.kind, value) {
            (_, Value::Null) => {}
            (Kind::Structure(structure), Value::Map(map)) => {
                self.structure(table, name, None, structure, map);
            }
            (Kind::List { member, wire, .. }, Value::List(items)) => {
                self.open(name);
                self.items(table, wire, *member, items);
                self.close(name);
            }
            (Kind::Map { .. }, Value::Map(map)) => {
                self.open(name);
                self.entries(table, "entry", shape, map);
                self.close(name);
            }
            (_, Value::List(_) | Value::Map(_)) => {}
            (kind, scalar) => {
                self.open(name);
                self.scalar(kind, form, scalar);
                self.close(name);
            }
        }
    }

    fn entries(&mut self, table: &Table, name: &str, shape: &Shape, map: &Map) {
        let Kind::Map {
            key_wire,
            value_wire,
            value: id,
            ..
        } = &shape.kind
        else {
            return;
        };
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            self.open(name);
            self.leaf(key_wire, key);
            self.element(table, value_wire, *id, value);
            self.close(name);
        }
    }

    /// A scalar's text.
    pub(super) fn scalar(&mut self, kind: &Kind, form: TimeForm, value: &Value) {
        match value {
            Value::Str(text) => self.text(text),
            Value::Bool(flag) => {
                self.out
                    .extend_from_slice(if *flag { b"true" } else { b"false" });
            }
            Value::Int(number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Blob(bytes) => self
                .out
                .extend_from_slice(STANDARD.encode(bytes).as_bytes()),
            Value::Time { millis } => {
                let text = moment(*millis, kind, form, TimeForm::Iso8601, self.always_millis);
                self.out.extend_from_slice(text.as_bytes());
            }
            Value::Null | Value::List(_) | Value::Map(_) => {}
        }
    }
}

/// A moment in the form that the member, its shape or its place asks for.
pub(super) fn moment(
    millis: i64,
    kind: &Kind,
    member: TimeForm,
    place: TimeForm,
    always_millis: bool,
) -> String {
    let own = match kind {
        Kind::Timestamp(own) => *own,
        _ => TimeForm::Default,
    };
    let form = [member, own, place]
        .into_iter()
        .find(|form| *form != TimeForm::Default);
    match form {
        Some(TimeForm::Rfc822) => time::http_date(millis),
        Some(TimeForm::Unix) => millis.div_euclid(1000).to_string(),
        _ => time::iso8601(millis, always_millis),
    }
}

/// The place of member `name`, searched from `from` on and then from the start.
fn position(structure: &Structure, name: &str, from: usize) -> Option<usize> {
    let members = &structure.members;
    let tail = members.get(from..).unwrap_or_default();
    match tail.iter().position(|member| member.name == name) {
        Some(at) => Some(from + at),
        None => members
            .iter()
            .take(from)
            .position(|member| member.name == name),
    }
}

//! JSON of records, written for speed: there is one for each request. Knows what records are made of (structures of text,
//! numbers, booleans, lists and absent members) and nothing else.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{Impossible, SerializeSeq, SerializeStruct, Serializer};

/// A kind of data that no record has.
#[derive(Debug)]
pub(super) struct Unknown;

impl Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record holds data that is not written here")
    }
}

impl std::error::Error for Unknown {}

impl serde::ser::Error for Unknown {
    fn custom<T: Display>(_: T) -> Unknown {
        Unknown
    }
}

/// Appends the JSON of `record`. What is appended before an error is to be thrown away.
///
/// # Errors
/// [`Unknown`].
pub(super) fn append(out: &mut Vec<u8>, record: &impl Serialize) -> Result<(), Unknown> {
    record.serialize(Json(out))
}

struct Json<'a>(&'a mut Vec<u8>);

fn text(out: &mut Vec<u8>, text: &str) {
    // Without branches: nearly no text has anything to escape.
    let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, |any, byte| any | special(byte)) {
        // A text can always be written.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A structure or a list that has begun.
struct Open<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
    end: u8,
}

impl<'a> Open<'a> {
    fn new(out: &'a mut Vec<u8>, [begin, end]: [u8; 2]) -> Open<'a> {
        out.push(begin);
        Open {
            out,
            empty: true,
            end,
        }
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }

    fn close(self) {
        self.out.push(self.end);
    }
}

impl SerializeStruct for Open<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        self.separate();
        // Names of members are plain.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.serialize(Json(self.out))
    }

    fn end(self) -> Result<(), Unknown> {
        self.close();
        Ok(())
    }
}

impl SerializeSeq for Open<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.separate();
        value.serialize(Json(self.out))
    }

    fn end(self) -> Result<(), Unknown> {
        self.close();
        Ok(())
    }
}

/// Numbers of every kind.
macro_rules! numbers {
    ($($name:ident: $kind:ty),*) => {
        $(fn $name(self, value: $kind) -> Result<(), Unknown> {
            serde_json::to_writer(self.0, &value).map_err(|_| Unknown)
        })*
    };
}

/// Kinds that no record has.
macro_rules! unknown {
    ($($name:ident($($kind:ty),*) -> $made:ty;)*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<$made, Unknown> { Err(Unknown) })*
    };
}

impl<'a> Serializer for Json<'a> {
    type Ok = ();
    type Error = Unknown;
    type SerializeSeq = Open<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeTuple = Impossible<(), Unknown>;
    type SerializeTupleStruct = Impossible<(), Unknown>;
    type SerializeTupleVariant = Impossible<(), Unknown>;
    type SerializeMap = Impossible<(), Unknown>;
    type SerializeStructVariant = Impossible<(), Unknown>;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unknown> {
        let word = if value { "true" } else { "false" };
        self.0.extend_from_slice(word.as_bytes());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unknown> {
        text(self.0, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unknown> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unknown> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unknown> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, Unknown> {
        Ok(Open::new(self.0, *b"[]"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'a>, Unknown> {
        Ok(Open::new(self.0, *b"{}"))
    }

    unknown! {
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_tuple(usize) -> Impossible<(), Unknown>;
        serialize_tuple_struct(&'static str, usize) -> Impossible<(), Unknown>;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Impossible<(), Unknown>;
        serialize_map(Option<usize>) -> Impossible<(), Unknown>;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Impossible<(), Unknown>;
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unknown> {
        Err(Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Some {
        text: &'static str,
        number: u64,
        below: i64,
        truth: bool,
        address: std::net::IpAddr,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        nothing: Option<u8>,
        list: Vec<Option<Box<Some>>>,
    }

    #[test]
    fn what_is_written_is_what_the_general_writer_writes() {
        let one = |text, list| Some {
            text,
            number: u64::MAX,
            below: i64::MIN,
            truth: true,
            address: [10, 0, 0, 9].into(),
            absent: None,
            nothing: None,
            list,
        };
        let inner = Option::Some(Box::new(one("\"q\"\\\n\u{1}é", Vec::new())));
        for record in [one("", vec![]), one("plain é", vec![None, inner])] {
            let mut out = b"before ".to_vec();
            append(&mut out, &record).unwrap();
            let expected = format!("before {}", serde_json::to_string(&record).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        append(&mut Vec::new(), &1.5).unwrap_err();
        append(&mut Vec::new(), &serde_json::json!({})).unwrap_err();
    }
}

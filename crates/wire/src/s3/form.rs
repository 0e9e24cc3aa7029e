//! The body of a browser form upload: fields, then one file, split as it streams.
//!
//! Fields are kept, within S3's bound; of the file nothing is kept. What follows the file is ignored,
//! as S3 does. The signature and policy over the fields are [`crate::sigv4::form_claim`]'s.

use std::borrow::Cow;

use crate::protocol::ErrorReply;

/// S3's bound for all that precedes the file.
const MOST_FIELD_BYTES: usize = 20 << 10;
/// Longest header line of a part.
const MOST_LINE_BYTES: usize = 4 << 10;
/// RFC 2046's bound for a boundary.
const MOST_BOUNDARY_BYTES: usize = 70;

/// Splits one body.
#[derive(Debug)]
pub struct FormReader {
    /// What ends a part: CR LF, two hyphens and the boundary. Its only CR is its first byte.
    delimiter: Vec<u8>,
    place: Place,
    line: Vec<u8>,
    /// How much of the delimiter the last bytes were.
    matched: usize,
    bytes: usize,
    part: Part,
    fields: Vec<(String, String)>,
    file: Option<FileFacts>,
    failed: Option<FormBodyError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first boundary.
    Start,
    Headers,
    Value,
    File,
    /// After a boundary.
    Next,
    Done,
}

/// The part that is being read.
#[derive(Debug, Default)]
struct Part {
    name: String,
    file_name: String,
    content_type: Option<String>,
    value: Vec<u8>,
}

/// What the form says about its file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Its name, without folders, for `${filename}`.
    pub name: String,
    /// Its own type.
    pub content_type: Option<String>,
}

/// What a step yielded.
#[derive(Debug, PartialEq, Eq)]
pub enum FormStep<'d> {
    /// The fields are complete and the file begins: time to authenticate and decide.
    File,
    /// Bytes of the file, in order.
    Data(Cow<'d, [u8]>),
    /// All input is used up; feed more.
    More,
    /// The file ended. What follows does not matter.
    Done,
}

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormBodyError {
    /// The body is no multipart form.
    #[error("the form is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// The fields before the file are too large.
    #[error("the fields before the file are larger than {MOST_FIELD_BYTES} bytes")]
    TooLarge,
    /// The form ended without a file.
    #[error("the form has no file")]
    NoFile,
    /// The body ended too early.
    #[error("the form is incomplete")]
    Incomplete,
}

impl FormBodyError {
    /// The error as S3 tells it.
    pub fn reply(&self) -> ErrorReply {
        match self {
            FormBodyError::Malformed { .. } => ErrorReply::new(
                "MalformedPOSTRequest",
                400,
                "The body of your POST request is not well-formed multipart/form-data.",
            ),
            FormBodyError::TooLarge => ErrorReply::new(
                "MaxPostPreDataLengthExceededError",
                400,
                "Your POST request fields preceding the upload file were too large.",
            ),
            FormBodyError::NoFile => ErrorReply::new(
                "IncorrectNumberOfFilesInPostRequest",
                400,
                "POST requires exactly one file upload per request.",
            ),
            FormBodyError::Incomplete => ErrorReply::new(
                "IncompleteBody",
                400,
                "The request body terminated unexpectedly",
            ),
        }
    }
}

fn bad(reason: &'static str) -> FormBodyError {
    FormBodyError::Malformed { reason }
}

/// What a search for the delimiter found.
enum Found<'d> {
    /// Bytes before it, or before what may become it.
    Bytes(Cow<'d, [u8]>),
    Delimiter,
    More,
}

impl FormReader {
    /// A reader for a body with this `Content-Type`.
    ///
    /// # Errors
    /// [`FormBodyError::Malformed`] for another type, or one without a usable boundary.
    pub fn new(content_type: &str) -> Result<FormReader, FormBodyError> {
        let mut pieces = content_type.split(';').map(str::trim);
        if !pieces
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))
        {
            return Err(bad("another type"));
        }
        let boundary = pieces
            .filter_map(|piece| piece.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
            .map(|(_, value)| value.trim().trim_matches('"'))
            .ok_or_else(|| bad("no boundary"))?;
        let fine = (1..=MOST_BOUNDARY_BYTES).contains(&boundary.len())
            && boundary.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !fine {
            return Err(bad("an unusable boundary"));
        }
        Ok(FormReader {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            place: Place::Start,
            line: Vec::new(),
            matched: 0,
            bytes: 0,
            part: Part::default(),
            fields: Vec::new(),
            file: None,
            failed: None,
        })
    }

    /// Takes from the front of `input` until something can be said.
    ///
    /// # Errors
    /// Any [`FormBodyError`]; the reader answers with it for ever after.
    pub fn step<'d>(&mut self, input: &mut &'d [u8]) -> Result<FormStep<'d>, FormBodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance(input)
            .inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn advance<'d>(&mut self, input: &mut &'d [u8]) -> Result<FormStep<'d>, FormBodyError> {
        loop {
            match self.place {
                Place::Done => return Ok(FormStep::Done),
                Place::File => match self.search(input) {
                    Found::Bytes(data) => return Ok(FormStep::Data(data)),
                    Found::More => return Ok(FormStep::More),
                    Found::Delimiter => self.place = Place::Done,
                },
                Place::Value => match self.search(input) {
                    Found::Bytes(data) => {
                        self.count(data.len())?;
                        self.part.value.extend_from_slice(&data);
                    }
                    Found::More => return Ok(FormStep::More),
                    Found::Delimiter => {
                        self.end_of_field()?;
                        self.place = Place::Next;
                    }
                },
                Place::Start | Place::Next | Place::Headers => {
                    let Some(line) = self.take_line(input)? else {
                        return Ok(FormStep::More);
                    };
                    if self.line_read(&line)? {
                        return Ok(FormStep::File);
                    }
                }
            }
        }
    }

    /// Counts bytes before the file.
    fn count(&mut self, bytes: usize) -> Result<(), FormBodyError> {
        self.bytes += bytes;
        if self.bytes > MOST_FIELD_BYTES {
            Err(FormBodyError::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Looks for the delimiter at the front of `input`.
    fn search<'d>(&mut self, input: &mut &'d [u8]) -> Found<'d> {
        if self.matched > 0 {
            let rest = self.delimiter.get(self.matched..).unwrap_or_default();
            let most = rest.len().min(input.len());
            let (head, after) = input.split_at(most);
            if rest.starts_with(head) {
                *input = after;
                self.matched += most;
                if self.matched == self.delimiter.len() {
                    self.matched = 0;
                    return Found::Delimiter;
                }
                return Found::More;
            }
            // It was data after all; no second delimiter can begin inside, for want of a CR.
            let data = self
                .delimiter
                .get(..self.matched)
                .unwrap_or_default()
                .to_vec();
            self.matched = 0;
            return Found::Bytes(Cow::Owned(data));
        }
        let mut from = 0;
        loop {
            let tail = input.get(from..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\r', tail) else {
                let data = std::mem::take(input);
                return if data.is_empty() {
                    Found::More
                } else {
                    Found::Bytes(data.into())
                };
            };
            let tail = tail.get(at..).unwrap_or_default();
            let most = self.delimiter.len().min(tail.len());
            if tail.get(..most) != self.delimiter.get(..most) {
                from += at + 1;
                continue;
            }
            if from + at > 0 {
                let (data, rest) = input.split_at(from + at);
                *input = rest;
                return Found::Bytes(data.into());
            }
            *input = tail.get(most..).unwrap_or_default();
            if most == self.delimiter.len() {
                return Found::Delimiter;
            }
            self.matched = most;
            return Found::More;
        }
    }

    /// A whole line without its end, when `input` completes one.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, FormBodyError> {
        let end = memchr::memchr(b'\n', input);
        let (head, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        *input = rest;
        self.count(head.len())?;
        if self.line.len() + head.len() > MOST_LINE_BYTES {
            return Err(bad("a header line that is too long"));
        }
        self.line.extend_from_slice(head);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.pop() != Some(b'\r') {
            return Err(bad("a line does not end with CR LF"));
        }
        Ok(Some(line))
    }

    /// A line outside of values. True when the file begins after it.
    fn line_read(&mut self, line: &[u8]) -> Result<bool, FormBodyError> {
        match (self.place, line) {
            (Place::Start, b"") => {}
            (Place::Start, line) if Some(line) == self.delimiter.get(2..) => {
                self.place = Place::Headers;
            }
            (Place::Start, _) => return Err(bad("it does not start with the boundary")),
            (Place::Next, b"") => self.place = Place::Headers,
            (Place::Next, b"--") => return Err(FormBodyError::NoFile),
            (Place::Next, _) => return Err(bad("text after a boundary")),
            (_, b"") => return self.end_of_headers(),
            (_, line) => self.header(line)?,
        }
        Ok(false)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), FormBodyError> {
        let text = std::str::from_utf8(line).map_err(|_| bad("a header is not UTF-8"))?;
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| bad("a header without `:`"))?;
        if name.eq_ignore_ascii_case("content-type") {
            self.part.content_type = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("content-disposition") {
            for (key, value) in parameters(value) {
                match key.as_str() {
                    "name" => self.part.name = value,
                    "filename" => self.part.file_name = value,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn end_of_headers(&mut self) -> Result<bool, FormBodyError> {
        if self.part.name.is_empty() {
            return Err(bad("a part without a name"));
        }
        // An empty value is followed by the delimiter at once, whose CR LF this line's end was not.
        if !self.part.name.eq_ignore_ascii_case("file") {
            self.place = Place::Value;
            return Ok(false);
        }
        let part = std::mem::take(&mut self.part);
        // Some browsers send the whole path.
        let name = part
            .file_name
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
            .to_owned();
        self.file = Some(FileFacts {
            name,
            content_type: part.content_type,
        });
        self.place = Place::File;
        Ok(true)
    }

    fn end_of_field(&mut self) -> Result<(), FormBodyError> {
        let part = std::mem::take(&mut self.part);
        let value = String::from_utf8(part.value).map_err(|_| bad("a field is not UTF-8"))?;
        if self
            .fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(&part.name))
        {
            return Err(bad("a field is given twice"));
        }
        self.fields.push((part.name, value));
        Ok(())
    }

    /// The fields before the file, in order. Complete after [`FormStep::File`].
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// What the form says about its file, after [`FormStep::File`].
    pub fn file(&self) -> Option<&FileFacts> {
        self.file.as_ref()
    }

    /// How many bytes follow the file where it is the last part, as clients write it: the delimiter, two
    /// hyphens, CR and LF.
    pub fn closing(&self) -> usize {
        self.delimiter.len() + 4
    }

    /// The body's source has ended.
    ///
    /// # Errors
    /// [`FormBodyError::Incomplete`] unless [`FormStep::Done`] was reached, or the error that was.
    pub fn finish(&self) -> Result<(), FormBodyError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.place == Place::Done => Ok(()),
            None => Err(FormBodyError::Incomplete),
        }
    }
}

/// `name="value"` pairs after the first semicolon; quoted values may hold semicolons.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().to_ascii_lowercase();
        let after = after.trim_start();
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, after.trim_start().trim_start_matches(';'))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        out.push((name, value.trim().to_owned()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xyz\"";
    const BODY: &str = "--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nuser/${filename}\r\n\
        --xyz\r\nContent-Disposition: form-data; name=\"Policy\"\r\n\r\nab\r\ncd\r\n--xy\r\n\
        --xyz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
        --xyz\r\ncontent-disposition: form-data; name=file; filename=\"C:\\a;b\\c.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nline\r\n--xy not yet\r\r\n--xyz--\r\n";

    type Read = (Vec<(String, String)>, Option<FileFacts>, Vec<u8>);

    fn read(body: &[u8], piece: usize) -> Result<Read, FormBodyError> {
        let mut reader = FormReader::new(TYPE)?;
        let mut file = Vec::new();
        let mut seen = false;
        for mut input in body.chunks(piece) {
            loop {
                match reader.step(&mut input)? {
                    FormStep::File => seen = true,
                    FormStep::Data(data) => {
                        assert!(seen);
                        file.extend_from_slice(&data);
                    }
                    FormStep::More | FormStep::Done => break,
                }
            }
        }
        reader.finish()?;
        Ok((reader.fields().to_vec(), reader.file().cloned(), file))
    }

    #[test]
    fn the_same_in_pieces_of_any_size() {
        for piece in 1..BODY.len() + 1 {
            let (fields, file, data) = read(BODY.as_bytes(), piece).unwrap();
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(
                fields,
                [
                    ("key", "user/${filename}"),
                    ("Policy", "ab\r\ncd\r\n--xy"),
                    ("empty", "")
                ]
            );
            let facts = FileFacts {
                name: "c.txt".to_owned(),
                content_type: Some("text/plain".to_owned()),
            };
            assert_eq!(file, Some(facts));
            assert_eq!(data, b"line\r\n--xy not yet\r");
        }
    }

    #[test]
    fn wrong_forms_have_their_errors() {
        let part = |name: &str, value: &str| {
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let large = part("a", &"x".repeat(30_000));
        let line = format!("--xyz\r\nA: {}\r\n", "x".repeat(5000));
        for (body, code) in [
            ("", "IncompleteBody"),
            ("--xyz\r\n", "IncompleteBody"),
            ("hello\r\n", "MalformedPOSTRequest"),
            ("--xyz\nA: b\n", "MalformedPOSTRequest"),
            ("--xyz\r\nA: b\r\n\r\n", "MalformedPOSTRequest"),
            ("--xyz\r\nnonsense\r\n\r\n", "MalformedPOSTRequest"),
            (
                &*format!("{}--xyz--\r\n", part("a", "b")),
                "IncorrectNumberOfFilesInPostRequest",
            ),
            (
                &*format!("{}{}", part("a", "b"), part("A", "c") + "--xyz\r\n"),
                "MalformedPOSTRequest",
            ),
            (&*large, "MaxPostPreDataLengthExceededError"),
            (&*line, "MalformedPOSTRequest"),
            (&*(part("file", "data")), "IncompleteBody"),
        ] {
            for piece in [1, 7, 100_000] {
                let error = read(body.as_bytes(), piece).unwrap_err();
                assert_eq!(error.reply().code, code, "{body:.80}");
            }
        }
        for kind in [
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "x",
        ] {
            assert!(FormReader::new(kind).is_err(), "{kind}");
        }
    }

    #[test]
    fn an_empty_file_and_an_empty_first_line() {
        let body = "\r\n--xyz\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--xyz--";
        let (_, file, data) = read(body.as_bytes(), 5).unwrap();
        assert_eq!((file, data), (Some(FileFacts::default()), Vec::new()));
    }
}

//! The reader itself: from bytes to nodes, one pass, no recursion deeper than [`MAX_DEPTH`].

use super::*;

/// Reads a document; white space around it is allowed.
pub(super) fn read(text: &str) -> Result<Tree<'_>, JsonError> {
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError {
            at: 0,
            problem: "the document is too large",
        });
    }
    let mut reader = Reader {
        tree: Tree {
            text,
            decoded: String::new(),
            nodes: Vec::with_capacity(text.len() / 16 + 4),
            duplicates: Vec::new(),
        },
        at: 0,
        depth: 0,
    };
    reader.blank();
    reader.value(NONE, Span::default(), 0, 0)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.wrong("unexpected text after the document"));
    }
    let mut tree = reader.tree;
    tree.duplicates.sort_by_key(|id| id.0);
    Ok(tree)
}

struct Reader<'t> {
    tree: Tree<'t>,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self, problem: &'static str) -> JsonError {
        JsonError {
            at: self.at,
            problem,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.tree.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn offset(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(NONE)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let number = |n: usize| u32::try_from(n).unwrap_or(NONE);
        Span {
            start: number(start),
            len: number(end - start),
        }
    }

    fn value(
        &mut self,
        parent: u32,
        key: Span,
        key_start: u32,
        position: u32,
    ) -> Result<u32, JsonError> {
        let start = self.at;
        let id = u32::try_from(self.tree.nodes.len()).unwrap_or(NONE);
        self.tree.nodes.push(Node {
            kind: Kind::Null,
            start: self.offset(),
            end: self.offset(),
            text: Span::default(),
            key,
            key_start,
            parent,
            first_child: NONE,
            next: NONE,
            position,
        });
        let (kind, text) = match self.peek() {
            Some(b'{') => (Kind::Object, self.object(id).map(|()| Span::default())?),
            Some(b'[') => (Kind::Array, self.array(id).map(|()| Span::default())?),
            Some(b'"') => (Kind::String, self.string()?),
            Some(b'-' | b'0'..=b'9') => (Kind::Number, self.number()?),
            Some(b't') => (Kind::Bool, self.word("true")?),
            Some(b'f') => (Kind::Bool, self.word("false")?),
            Some(b'n') => (Kind::Null, self.word("null")?),
            Some(_) => return Err(self.wrong("expected a value")),
            None => return Err(self.wrong("the document ends too early")),
        };
        let end = self.offset();
        debug_assert!(start < self.at);
        if let Some(node) = self.tree.nodes.get_mut(id as usize) {
            node.kind = kind;
            node.text = text;
            node.end = end;
        }
        Ok(id)
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("the document is nested too deeply"));
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// After a value: `true` if another follows, `false` at the closing bracket.
    fn more(&mut self, close: u8) -> Result<bool, JsonError> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blank();
                Ok(true)
            }
            Some(b) if b == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) => Err(self.wrong("expected `,` or the closing bracket")),
            None => Err(self.wrong("the document ends too early")),
        }
    }

    fn array(&mut self, id: u32) -> Result<(), JsonError> {
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let (mut last, mut count) = (NONE, 0);
        loop {
            let child = self.value(id, Span::default(), 0, count)?;
            self.link(id, last, child);
            last = child;
            count += 1;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, id: u32) -> Result<(), JsonError> {
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let (mut last, mut count) = (NONE, 0);
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("expected a key in double quotes"));
            }
            let key_start = self.offset();
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.wrong("expected `:` after the key"));
            }
            self.at += 1;
            self.blank();
            let child = self.value(id, key, key_start, count)?;
            self.link(id, last, child);
            last = child;
            count += 1;
            if !self.more(b'}')? {
                self.find_duplicates(NodeId(id), count);
                return Ok(());
            }
        }
    }

    fn link(&mut self, parent: u32, last: u32, child: u32) {
        if let Some(node) = self.tree.nodes.get_mut(last as usize) {
            node.next = child;
        } else if let Some(node) = self.tree.nodes.get_mut(parent as usize) {
            node.first_child = child;
        }
    }

    fn find_duplicates(&mut self, object: NodeId, count: u32) {
        let mut found = Vec::new();
        if count <= 16 {
            let keys = || self.tree.children(object).map(|id| (id, self.tree.key(id)));
            for (at, (id, key)) in keys().enumerate() {
                if keys().take(at).any(|(_, earlier)| earlier == key) {
                    found.push(id);
                }
            }
        } else {
            let mut seen = HashMap::new();
            for id in self.tree.children(object) {
                if seen.insert(self.tree.key(id), ()).is_some() {
                    found.push(id);
                }
            }
        }
        self.tree.duplicates.extend(found);
    }

    fn word(&mut self, word: &'static str) -> Result<Span, JsonError> {
        let rest = self.tree.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.wrong("expected a value"));
        }
        let span = self.span(self.at, self.at + word.len());
        self.at += word.len();
        Ok(span)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.wrong("expected a digit"))
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<Span, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.span(start, self.at))
    }

    /// At an opening quote: the string's characters.
    fn string(&mut self) -> Result<Span, JsonError> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let span = self.span(start, self.at);
                    self.at += 1;
                    return Ok(span);
                }
                Some(b'\\') => return self.escaped_string(start),
                Some(0..0x20) => return Err(self.wrong("control character in a string")),
                Some(_) => self.at += 1,
                None => {
                    self.at = open;
                    return Err(self.wrong("the string is not closed"));
                }
            }
        }
    }

    /// In a string at its first backslash; what precedes it begins at `start`.
    fn escaped_string(&mut self, start: usize) -> Result<Span, JsonError> {
        let text = self.tree.text;
        let base = self.tree.decoded.len();
        let mut plain = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.tree
                        .decoded
                        .push_str(text.get(plain..self.at).unwrap_or_default());
                    self.at += 1;
                    let from = text.len() + base;
                    return Ok(self.span(from, text.len() + self.tree.decoded.len()));
                }
                Some(b'\\') => {
                    self.tree
                        .decoded
                        .push_str(text.get(plain..self.at).unwrap_or_default());
                    self.at += 1;
                    let c = self.escape()?;
                    self.tree.decoded.push(c);
                    plain = self.at;
                }
                Some(0..0x20) => return Err(self.wrong("control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.wrong("the string is not closed")),
            }
        }
    }

    /// After a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong("unknown escape in a string")),
        };
        self.at += 1;
        Ok(c)
    }

    /// After `\u`: one character, which may need a second escape.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let problem = self.wrong("invalid \\u escape in a string");
        let high = self.hex4().ok_or(problem)?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if !self
                .tree
                .text
                .as_bytes()
                .get(self.at..)
                .is_some_and(|b| b.starts_with(b"\\u"))
            {
                return Err(problem);
            }
            self.at += 2;
            let low = self
                .hex4()
                .filter(|low| (0xdc00..0xe000).contains(low))
                .ok_or(problem)?;
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or(problem)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.tree.text.get(self.at..self.at + 4)?;
        let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        self.at += 4;
        u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)
    }
}

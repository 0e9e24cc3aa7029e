//! The regular expressions of the models, matched in time linear in the text.
//!
//! The models use a small part of Java's language; a pattern that uses more (lookahead, rare
//! Unicode classes) is not checked rather than checked wrongly. A pattern must match the whole text.

/// Largest program; counted repeats are written out.
const MOST_STEPS: usize = 4096;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    steps: Vec<Step>,
    /// Most patterns are one set, repeated: no states are needed for these.
    simple: Option<(Set, usize)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// One character of a set.
    Set(Set),
    /// Go on at both.
    Fork(usize, usize),
    Jump(usize),
    /// Only at the start of the text.
    Start,
    /// Only at its end.
    End,
    Match,
}

/// Characters by ranges, or all others.
#[derive(Debug, Clone, Default)]
struct Set {
    ranges: Vec<(char, char)>,
    not: bool,
}

impl Set {
    fn one(c: char) -> Set {
        Set {
            ranges: vec![(c, c)],
            not: false,
        }
    }

    fn has(&self, c: char) -> bool {
        self.ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&c))
            != self.not
    }
}

/// A pattern, parsed.
#[derive(Debug, Clone)]
enum Node {
    Set(Set),
    Start,
    End,
    All(Vec<Node>),
    Any(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

impl Pattern {
    /// Compiles `text`; `None` when it uses more of the language than is understood here.
    pub(crate) fn parse(text: &str) -> Option<Pattern> {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser {
            chars: &chars,
            at: 0,
            depth: 0,
        };
        let node = parser.alternatives()?;
        if parser.at != chars.len() {
            return None;
        }
        let mut steps = Vec::new();
        emit(&node, &mut steps)?;
        steps.push(Step::Match);
        Some(Pattern {
            steps,
            simple: simple(&node),
        })
    }

    /// True when the whole of `text` matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if let Some((set, min)) = &self.simple {
            let mut count = 0;
            return text.chars().all(|c| {
                count += 1;
                set.has(c)
            }) && count >= *min;
        }
        let mut todo = Vec::new();
        let mut now = States::new(self.steps.len());
        let mut next = States::new(self.steps.len());
        let mut chars = text.chars();
        self.follow(&mut todo, &mut now, 0, true, text.is_empty());
        let mut c = chars.next();
        while let Some(this) = c {
            c = chars.next();
            next.clear();
            for at in &now.list {
                if let Some(Step::Set(set)) = self.steps.get(*at)
                    && set.has(this)
                {
                    self.follow(&mut todo, &mut next, at + 1, false, c.is_none());
                }
            }
            std::mem::swap(&mut now, &mut next);
            if now.list.is_empty() {
                return false;
            }
        }
        now.list
            .iter()
            .any(|at| matches!(self.steps.get(*at), Some(Step::Match)))
    }

    /// Adds `at` and all that is reached from it without a character.
    fn follow(
        &self,
        todo: &mut Vec<usize>,
        states: &mut States,
        at: usize,
        start: bool,
        end: bool,
    ) {
        todo.push(at);
        while let Some(at) = todo.pop() {
            let Some(step) = self.steps.get(at) else {
                continue;
            };
            if !states.add(at) {
                continue;
            }
            match step {
                Step::Jump(to) => todo.push(*to),
                Step::Fork(a, b) => todo.extend([*a, *b]),
                Step::Start if start => todo.push(at + 1),
                Step::End if end => todo.push(at + 1),
                _ => {}
            }
        }
    }
}

/// The set and least number of a pattern that is one set, repeated without limit.
fn simple(node: &Node) -> Option<(Set, usize)> {
    let Node::All(nodes) = node else { return None };
    let mut found = None;
    for node in nodes {
        match node {
            Node::Start if found.is_none() => {}
            Node::End => {}
            Node::Repeat(inner, min, None) if found.is_none() => match inner.as_ref() {
                Node::Set(set) => found = Some((set.clone(), *min)),
                _ => return None,
            },
            _ => return None,
        }
    }
    found
}

/// A set of places in a program.
struct States {
    list: Vec<usize>,
    seen: Vec<bool>,
}

impl States {
    fn new(steps: usize) -> States {
        States {
            list: Vec::new(),
            seen: vec![false; steps],
        }
    }

    fn add(&mut self, at: usize) -> bool {
        match self.seen.get_mut(at) {
            Some(seen) if !*seen => {
                *seen = true;
                self.list.push(at);
                true
            }
            _ => false,
        }
    }

    fn clear(&mut self) {
        for at in self.list.drain(..) {
            if let Some(seen) = self.seen.get_mut(at) {
                *seen = false;
            }
        }
    }
}

/// Writes the steps of `node`; `None` when there are too many.
fn emit(node: &Node, steps: &mut Vec<Step>) -> Option<()> {
    if steps.len() > MOST_STEPS {
        return None;
    }
    match node {
        Node::Set(set) => steps.push(Step::Set(set.clone())),
        Node::Start => steps.push(Step::Start),
        Node::End => steps.push(Step::End),
        Node::All(nodes) => {
            for node in nodes {
                emit(node, steps)?;
            }
        }
        Node::Any(nodes) => {
            let mut ends = Vec::new();
            for (at, node) in nodes.iter().enumerate() {
                if at + 1 == nodes.len() {
                    emit(node, steps)?;
                    break;
                }
                let fork = steps.len();
                steps.push(Step::Match);
                emit(node, steps)?;
                ends.push(steps.len());
                steps.push(Step::Match);
                *steps.get_mut(fork)? = Step::Fork(fork + 1, steps.len());
            }
            for end in ends {
                let to = steps.len();
                *steps.get_mut(end)? = Step::Jump(to);
            }
        }
        Node::Repeat(node, min, max) => {
            for _ in 0..*min {
                emit(node, steps)?;
            }
            match max {
                None => {
                    let fork = steps.len();
                    steps.push(Step::Match);
                    emit(node, steps)?;
                    steps.push(Step::Jump(fork));
                    *steps.get_mut(fork)? = Step::Fork(fork + 1, steps.len());
                }
                Some(max) => {
                    let mut forks = Vec::new();
                    for _ in *min..*max {
                        forks.push(steps.len());
                        steps.push(Step::Match);
                        emit(node, steps)?;
                    }
                    for fork in forks {
                        *steps.get_mut(fork)? = Step::Fork(fork + 1, steps.len());
                    }
                }
            }
        }
    }
    (steps.len() <= MOST_STEPS).then_some(())
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn alternatives(&mut self) -> Option<Node> {
        let mut all = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.at += 1;
            all.push(self.sequence()?);
        }
        Some(if all.len() == 1 {
            all.pop()?
        } else {
            Node::Any(all)
        })
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut all = Vec::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            let atom = self.atom()?;
            all.push(self.repeated(atom)?);
        }
        Some(Node::All(all))
    }

    fn atom(&mut self) -> Option<Node> {
        Some(match self.take()? {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::Set(Set {
                ranges: vec![('\n', '\n'), ('\r', '\r')],
                not: true,
            }),
            '[' => Node::Set(self.class()?),
            '(' => {
                if self.peek() == Some('?') {
                    self.at += 1;
                    if self.take()? != ':' {
                        return None;
                    }
                }
                self.depth += 1;
                if self.depth > 16 {
                    return None;
                }
                let inside = self.alternatives()?;
                self.depth -= 1;
                if self.take()? != ')' {
                    return None;
                }
                inside
            }
            '\\' => Node::Set(self.escape()?),
            '*' | '+' | '?' | '{' => return None,
            c => Node::Set(Set::one(c)),
        })
    }

    fn repeated(&mut self, node: Node) -> Option<Node> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                let min = self.number()?;
                let max = match self.take()? {
                    '}' => return Some(Node::Repeat(Box::new(node), min, Some(min))),
                    ',' if self.peek() == Some('}') => None,
                    ',' => Some(self.number()?),
                    _ => return None,
                };
                (min, max)
            }
            _ => return Some(node),
        };
        self.at += 1;
        // Lazy and possessive repeats match the same whole texts only sometimes.
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) || max.is_some_and(|max| max < min) {
            return None;
        }
        Some(Node::Repeat(Box::new(node), min, max))
    }

    fn number(&mut self) -> Option<usize> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            text.push(c);
            self.at += 1;
        }
        text.parse().ok().filter(|n| *n <= MOST_STEPS)
    }

    /// After a backslash.
    fn escape(&mut self) -> Option<Set> {
        let ranges = |ranges: &[(char, char)], not| Set {
            ranges: ranges.to_vec(),
            not,
        };
        const WORD: [(char, char); 4] = [('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
        const SPACE: [(char, char); 2] = [('\t', '\r'), (' ', ' ')];
        Some(match self.take()? {
            'd' => ranges(&[('0', '9')], false),
            'D' => ranges(&[('0', '9')], true),
            'w' => ranges(&WORD, false),
            'W' => ranges(&WORD, true),
            's' => ranges(&SPACE, false),
            'S' => ranges(&SPACE, true),
            't' => Set::one('\t'),
            'n' => Set::one('\n'),
            'r' => Set::one('\r'),
            'x' => Set::one(char::from_u32(self.hex(2)?)?),
            'u' => Set::one(self.unicode()?),
            'p' => self.property()?,
            c if c.is_ascii_alphanumeric() => return None,
            c => Set::one(c),
        })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text: String = self.chars.get(self.at..self.at + digits)?.iter().collect();
        self.at += digits;
        u32::from_str_radix(&text, 16).ok()
    }

    /// After `\u`; a pair of surrogates is one character.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex(4)?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        if self.take()? != '\\' || self.take()? != 'u' {
            return None;
        }
        let low = self.hex(4)?.checked_sub(0xdc00)?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)
    }

    fn property(&mut self) -> Option<Set> {
        if self.take()? != '{' {
            return None;
        }
        let mut name = String::new();
        loop {
            match self.take()? {
                '}' => break,
                c => name.push(c),
            }
        }
        // Letters, numbers and separators beyond ASCII are taken for granted: all of what is not
        // ASCII counts as a letter.
        let ranges = match name.as_str() {
            "ASCII" => vec![('\0', '\u{7f}')],
            "Print" => vec![(' ', '~')],
            "L" => vec![('a', 'z'), ('A', 'Z'), ('\u{80}', char::MAX)],
            "N" => vec![('0', '9')],
            "Z" => vec![(' ', ' ')],
            _ => return None,
        };
        Some(Set { ranges, not: false })
    }

    /// After `[`.
    fn class(&mut self) -> Option<Set> {
        let mut set = Set::default();
        if self.peek() == Some('^') {
            set.not = true;
            self.at += 1;
        }
        let mut first = true;
        loop {
            let low = match self.take()? {
                ']' if !first => return Some(set),
                // Java nests and intersects classes; the models do not.
                '[' | '&' if self.peek() == Some('&') => return None,
                '\\' => {
                    let inside = self.escape()?;
                    match inside.ranges.as_slice() {
                        [(low, high)] if low == high && !inside.not => *low,
                        _ if inside.not => return None,
                        _ => {
                            set.ranges.extend(inside.ranges);
                            first = false;
                            continue;
                        }
                    }
                }
                c => c,
            };
            first = false;
            let range = self.peek() == Some('-')
                && self.chars.get(self.at + 1).is_some_and(|next| *next != ']');
            if !range {
                set.ranges.push((low, low));
                continue;
            }
            self.at += 1;
            let high = match self.take()? {
                '\\' => {
                    let inside = self.escape()?;
                    match inside.ranges.as_slice() {
                        [(low, high)] if low == high && !inside.not => *low,
                        _ => return None,
                    }
                }
                c => c,
            };
            if low > high {
                return None;
            }
            set.ranges.push((low, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Service;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn the_models_language() {
        for (pattern, fine, wrong) in [
            (r"[\w+=,.@-]+", "a_B9+=,.@-", "a:b"),
            (r"[\w+=,.@-]*", "", "é"),
            (r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", "v12.a-", "v0"),
            (r"^\d{12}$", "123456789012", "1234567890123"),
            (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "/a/b/", "/a"),
            (r"^[a-z0-9]([a-z0-9\-]*[a-z0-9])?$", "a-b", "a-"),
            (r"^o-[a-z0-9]{10,32}$", "o-0123456789", "o-012345678"),
            (r"\/?.+\/.+", "a/b", "a/"),
            (r"^(HTTPS?|#\{protocol\})$", "#{protocol}", "HTTPX"),
            (
                r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
                "01234567-0123-0123-0123-0123456789ab",
                "0",
            ),
            (r"[^:]+:(s3|s3express):.*", "a:s3express:", "a:s4:"),
            (r"[a-zA-Z0-9-_]+", "a-_", "a."),
            (r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", "/a/b/", "/a/b"),
            (
                r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*",
                "a\u{1f600}\t",
                "\n",
            ),
            (r".*\S.*", " a ", "  "),
            (r"(ab|a)(bc)?", "abbc", "abb"),
        ] {
            assert!(matches(pattern, fine), "{pattern} {fine}");
            assert!(!matches(pattern, wrong), "{pattern} {wrong}");
        }
    }

    #[test]
    fn nearly_all_patterns_of_the_tables_are_understood() {
        let all: Vec<&str> = Service::ALL
            .iter()
            .filter_map(|service| service.table())
            .flat_map(|table| table.shapes())
            .filter_map(|shape| shape.pattern)
            .collect();
        let not: Vec<&&str> = all
            .iter()
            .filter(|text| Pattern::parse(text).is_none())
            .collect();
        // The rest look ahead.
        assert!(not.iter().all(|text| text.contains("(?!")), "{not:?}");
        assert!(not.len() * 20 < all.len(), "{} of {}", not.len(), all.len());
    }

    #[test]
    fn time_stays_linear() {
        let pattern = Pattern::parse(r"(([a-z]+)*)+/([a-z]*)*").unwrap();
        assert!(!pattern.matches(&"a".repeat(100_000)));
    }

    #[test]
    fn more_than_is_understood_is_refused() {
        for text in [
            "(?!a)", "[a", "(a", "a)", "a{2", "*", r"\k", "a**", r"\p{Foo}", "a{99999}", "[z-a]",
        ] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
    }
}

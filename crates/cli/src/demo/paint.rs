//! Colour on a terminal, plain text elsewhere.

use std::io::IsTerminal;

pub(super) struct Paint {
    colour: bool,
}

impl Paint {
    pub(super) fn of_terminal() -> Paint {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Paint {
            colour: wanted && std::io::stdout().is_terminal(),
        }
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    pub(super) fn title(&self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(super) fn refused(&self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(super) fn quiet(&self, text: &str) -> String {
        self.wrap("2", text)
    }
}

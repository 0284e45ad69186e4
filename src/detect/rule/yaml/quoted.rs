//! How far a quoted scalar reaches on its line: the parser's span goes on over the blanks and the comment behind it.

use std::rc::Rc;

use super::Spot;

/// The lines of a text, asked about from front to back. Long lines are not walked anew for each question.
#[derive(Default)]
pub(super) struct Quoted<'t> {
    lines: Vec<&'t str>,
    line: usize,
    /// The characters before what is still to be asked about in the line, and their bytes.
    passed: (usize, usize),
}

impl<'t> Quoted<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { lines: text.lines().collect(), ..Self::default() }
    }

    /// The characters from quote to quote, if both stand in the line.
    pub(super) fn width(&mut self, at: Spot, quote: char) -> Option<usize> {
        let mut letters = self.seek(at)?.chars().enumerate().peekable();
        letters.next_if(|(_, letter)| *letter == quote)?;
        while let Some((index, letter)) = letters.next() {
            let is_doubled = letter == '\'' && letters.peek().is_some_and(|(_, next)| *next == '\'');
            if is_doubled || letter == '\\' && quote == '"' {
                letters.next();
            } else if letter == quote {
                return Some(index + 1);
            }
        }
        None
    }

    /// What stands from a spot to the end of a later line, or as wide as it is if it ends in the same.
    pub(super) fn source(&mut self, at: Spot, line_end: usize) -> Option<Rc<str>> {
        let first = self.seek(at)?;
        if line_end <= at.line {
            return Some(first.chars().take(at.width).collect::<String>().into());
        }
        let rest = self.lines.get(at.line..line_end.min(self.lines.len()))?;
        let lines: Vec<&str> = std::iter::once(first).chain(rest.iter().copied()).collect();
        Some(lines.join("\n").into())
    }

    /// The line from a spot on.
    fn seek(&mut self, at: Spot) -> Option<&'t str> {
        let line = *self.lines.get(at.line - 1)?;
        let column = at.column - 1;
        if (self.line, self.passed.0 <= column) != (at.line, true) {
            (self.line, self.passed) = (at.line, (0, 0));
        }
        let (letters, bytes) = self.passed;
        let (further, _) = line[bytes..].char_indices().nth(column - letters)?;
        self.passed = (column, bytes + further);
        Some(&line[bytes + further..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_quote_to_quote_in_any_order() {
        let mut quoted = Quoted::new("\"ä\\\"\" 'it''s' # 'x'\n'open\nclosed'");
        let mut width = |line, column, quote| quoted.width(Spot { line, column, width: 1 }, quote);
        assert_eq!(width(1, 1, '"'), Some(5));
        assert_eq!(width(1, 7, '\''), Some(7));
        assert_eq!(width(1, 1, '"'), Some(5), "aliases lead back");
        assert_eq!(width(1, 2, '"'), None, "no quote is there");
        assert_eq!(width(1, 99, '"'), None);
        assert_eq!(width(2, 1, '\''), None, "it ends in another line");
        assert_eq!(width(9, 1, '\''), None);
    }
}

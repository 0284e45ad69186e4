//! A detection's condition: `selection and not 1 of filter_*`.

use super::detection::Selection;
use super::reader::{Reporter, wrong_type};
use super::suggest;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Node, Spot};

/// Deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 64;

/// A condition over selections, by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Selection(usize),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

/// Which selections a condition uses.
pub(crate) type Selections = Vec<bool>;

impl Condition {
    /// True at the index of each selection that it uses.
    pub(crate) fn uses(&self, selections: usize) -> Selections {
        let mut used = vec![false; selections];
        self.mark(&mut used);
        used
    }

    fn mark(&self, used: &mut Selections) {
        match self {
            Self::Selection(index) => used[*index] = true,
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.mark(used)),
            Self::Not(part) => part.mark(used),
        }
    }

    /// True if some selection is negated.
    pub(crate) fn negates(&self) -> bool {
        match self {
            Self::Selection(_) => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::negates),
            Self::Not(_) => true,
        }
    }
}

/// The condition in a node: a text, or a list of texts of which any will do.
pub(super) fn read(node: &Node, selections: &[Selection], reporter: &mut Reporter<'_>) -> Option<Condition> {
    match &node.data {
        Data::List(items) if !items.is_empty() => {
            let parsed: Vec<_> = items.iter().map(|item| parse(item, selections, reporter)).collect();
            Some(Condition::Any(parsed.into_iter().collect::<Option<Vec<_>>>()?))
        }
        _ => parse(node, selections, reporter),
    }
}

fn parse(node: &Node, selections: &[Selection], reporter: &mut Reporter<'_>) -> Option<Condition> {
    let text =
        reporter.check(node.scalar_text().ok_or_else(|| wrong_type(node, "condition", "a text or a list of texts")))?;
    let mut parser = Parser { node, selections, words: words(&text), next: 0, depth: 0, unknown: Vec::new() };
    let parsed = parser.whole();
    let is_known = parser.unknown.is_empty();
    for fault in parser.unknown {
        reporter.report(fault);
    }
    reporter.check(parsed).filter(|_| is_known)
}

/// A word or parenthesis, and the character at which it begins.
struct Word<'a> {
    text: &'a str,
    offset: usize,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    for (offset, (byte, letter)) in text.char_indices().enumerate() {
        let is_single = matches!(letter, '(' | ')' | '|');
        if letter.is_whitespace() || is_single {
            if let Some((begin, at)) = start.take() {
                words.push(Word { text: &text[begin..byte], offset: at });
            }
            if is_single {
                words.push(Word { text: &text[byte..byte + letter.len_utf8()], offset });
            }
        } else if start.is_none() {
            start = Some((byte, offset));
        }
    }
    if let Some((begin, offset)) = start {
        words.push(Word { text: &text[begin..], offset });
    }
    words
}

/// Recursive descent; binding from loose to tight: `or`, `and`, `not`, `1 of`.
struct Parser<'a> {
    node: &'a Node,
    selections: &'a [Selection],
    words: Vec<Word<'a>>,
    next: usize,
    depth: usize,
    /// Names of nothing, each taken for a selection so that all of them are found.
    unknown: Vec<Fault>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&Word<'a>> {
        self.words.get(self.next)
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text.eq_ignore_ascii_case(keyword));
        self.next += usize::from(found);
        found
    }

    fn spot(&self) -> Spot {
        match self.peek().or(self.words.last()) {
            Some(word) => self.node.part(word.offset, word.text.chars().count()),
            None => self.node.at,
        }
    }

    fn fault(&self, message: &str) -> Fault {
        let fault = Fault::new(Code::BadCondition, self.spot(), format!("condition: {message}"));
        match self.peek().map(|word| word.text) {
            Some("|") => {
                fault.hint("Sigma 2 counts in a document of its own: \"correlation\" with type, rules, group-by, timespan and condition")
            }
            Some(word) if word.starts_with(['&', '!', '=', '<', '>']) => {
                fault.hint("selections are joined with \"and\", \"or\", \"not\" and ( )")
            }
            _ => fault,
        }
    }

    fn whole(&mut self) -> Result<Condition, Fault> {
        let condition = self.any()?;
        match self.peek() {
            None => Ok(condition),
            Some(word) => Err(self.fault(&format!("\"{}\" is not expected here", word.text))),
        }
    }

    fn any(&mut self) -> Result<Condition, Fault> {
        let mut parts = vec![self.all()?];
        while self.take("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition, Fault> {
        let mut parts = vec![self.negation()?];
        while self.take("and") {
            parts.push(self.negation()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn negation(&mut self) -> Result<Condition, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault(&format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let condition = if self.take("not") { Condition::Not(Box::new(self.negation()?)) } else { self.primary()? };
        self.depth -= 1;
        Ok(condition)
    }

    fn primary(&mut self) -> Result<Condition, Fault> {
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") { Ok(inner) } else { Err(self.fault("a parenthesis is not closed")) };
        }
        let Some(Word { text, .. }) = self.peek() else {
            return Err(self.fault(if self.words.is_empty() {
                "it is empty"
            } else {
                "it ends where the name of a selection should follow"
            }));
        };
        let text = *text;
        let is_of = self.words.get(self.next + 1).is_some_and(|word| word.text.eq_ignore_ascii_case("of"));
        if is_of {
            return self.quantified(text);
        }
        let is_keyword = ["and", "or", "of", ")", "|"].iter().any(|keyword| text.eq_ignore_ascii_case(keyword));
        if is_keyword {
            return Err(self.fault(&format!("\"{text}\" is not expected here")));
        }
        let found = self.selections.iter().position(|selection| selection.name == text);
        if found.is_none() && text.starts_with(['&', '!', '=', '<', '>', '|']) {
            return Err(self.fault(&format!("\"{text}\" is not expected here")));
        }
        let condition = found.map_or_else(|| self.unknown(text), Condition::Selection);
        self.next += 1;
        Ok(condition)
    }

    fn quantified(&mut self, quantifier: &str) -> Result<Condition, Fault> {
        let every = match quantifier.to_ascii_lowercase().as_str() {
            "all" => true,
            "1" | "any" => false,
            _ => return Err(self.fault("\"of\" goes with \"1\", \"any\" or \"all\"")),
        };
        self.next += 2;
        let Some(Word { text: pattern, .. }) = self.peek() else {
            return Err(self.fault("\"of\" needs \"them\" or a name"));
        };
        let pattern = *pattern;
        let is_them = pattern.eq_ignore_ascii_case("them");
        // A name that begins with an underscore is left to whoever names it.
        let is_shown = |name: &str| !name.starts_with('_') || !is_them && pattern.starts_with('_');
        let matching = |name: &str| is_shown(name) && (is_them || glob(pattern, name));
        let numbered = self.selections.iter().enumerate();
        let parts: Vec<Condition> = numbered
            .filter(|(_, selection)| matching(&selection.name))
            .map(|(index, _)| Condition::Selection(index))
            .collect();
        if parts.is_empty() {
            let unknown = self.unknown(pattern);
            self.next += 1;
            return Ok(unknown);
        }
        self.next += 1;
        Ok(if every { Condition::All(parts) } else { Condition::Any(parts) })
    }

    /// Notes that nothing has the name, and stands for it.
    fn unknown(&mut self, name: &str) -> Condition {
        let names = self.selections.iter().map(|selection| selection.name.as_str());
        let message = format!("condition: no selection is named \"{name}\"");
        let fault = Fault::new(Code::UnknownSelection, self.spot(), message).hint(suggest(name, names));
        self.unknown.push(fault);
        Condition::All(Vec::new())
    }
}

/// True if `*` in a pattern, standing for any characters, makes it the name.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

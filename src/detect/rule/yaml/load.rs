//! From the parser's events to nodes, with every bound in one place.
//!
//! The parser's own loader is not used: it copies what aliases point to and recurses as deep as the text does.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::merge;
use super::quoted::Quoted;
use super::scalar::resolve;
use super::{Data, Entry, Node, Spot, Text};
use crate::detect::rule::problem::{Code, Fault};

/// Largest file that is read, in bytes.
const SOURCE_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting; Sigma needs about six.
const DEPTH_MAX: usize = 64;
/// Most nodes of one file once every alias counts as what it stands for: what bounds the work of all later stages.
const NODES_MAX: usize = 500_000;

/// What is behind most syntax errors, which parsers tell in their own terms.
fn syntax_hint(info: &str) -> &'static str {
    if info.contains("escape") {
        "in double quotes a backslash begins an escape: use single quotes, or write it twice"
    } else if info.contains("tab") {
        "indent with spaces: YAML takes no tabs there"
    } else if info.contains("flow") {
        "inside { } and [ ] put quotes around a text that has any of { } [ ] , or \": \" in it, and close what is open"
    } else if info.contains("recursion") {
        "no rule needs lists and mappings as deep as that"
    } else {
        SYNTAX_HINT
    }
}

const SYNTAX_HINT: &str = "check the indentation here and above; put quotes around a text that has \": \" in it or begins with * & ! % @ { or [";

/// The documents of a text in order, up to its first syntax error, and what is wrong with it. Empty documents are
/// left out.
pub(crate) fn load(text: &str) -> (Vec<Node>, Vec<Fault>) {
    if text.len() > SOURCE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than the {SOURCE_BYTES_MAX} that are read", text.len());
        return (Vec::new(), vec![Fault::new(Code::YamlTooLarge, Spot::START, message)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut loader = Loader { quoted: Quoted::new(text), ..Loader::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => loader.event(event, span),
            Err(error) => {
                let at = within(text, error.marker().line(), error.marker().col());
                Err(Fault::new(Code::YamlSyntax, at, format!("not YAML: {}", error.info()))
                    .hint(syntax_hint(error.info())))
            }
        };
        if let Err(fault) = step {
            loader.faults.push(fault);
            break;
        }
    }
    (loader.documents, loader.faults)
}

/// A list or map whose end has not come yet.
struct Open {
    at: Spot,
    anchor: usize,
    content: Content,
    /// Nodes inside, aliases counted as what they stand for.
    nodes: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, first_lines: HashMap<String, usize>, key: Option<(Text, Spot)> },
}

#[derive(Default)]
struct Loader<'t> {
    quoted: Quoted<'t>,
    documents: Vec<Node>,
    faults: Vec<Fault>,
    open: Vec<Open>,
    /// What each anchor names, and how many nodes that is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Loader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let at = spot(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let width = match style {
                    ScalarStyle::Plain if text.is_empty() => 1,
                    ScalarStyle::SingleQuoted => self.quoted.width(at, '\'').unwrap_or(at.width),
                    ScalarStyle::DoubleQuoted => self.quoted.width(at, '"').unwrap_or(at.width),
                    _ => at.width,
                };
                let at = Spot { width, ..at };
                let mut data = scalar(&text, style, tag.as_deref(), at);
                if let Data::Text(text) = &mut data
                    && text.offset.is_none()
                {
                    text.source = self.quoted.source(at, span.end.line());
                }
                let node = Node { at, data };
                self.finish(node, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.start(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map { entries: Vec::new(), first_lines: HashMap::new(), key: None };
                self.start(at, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { at, anchor, content, nodes }) = self.open.pop() else { return Ok(()) };
                let data = match content {
                    Content::List(items) => Data::List(items.into()),
                    Content::Map { entries, .. } => Data::Map(merge::merged(entries)?.into()),
                };
                self.finish(Node { at, data }, anchor, nodes + 1)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, nodes)) => self.finish(Node { at, data: elsewhere(node.data) }, 0, nodes),
                None => Err(Fault::new(Code::YamlSyntax, at, "an alias inside what it names")),
            },
        }
    }

    fn start(&mut self, at: Spot, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() == DEPTH_MAX {
            return Err(Fault::new(Code::YamlTooLarge, at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { at, anchor, content, nodes: 0 });
        Ok(())
    }

    /// A complete node goes into what is open around it, or becomes a document.
    fn finish(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(parent) = self.open.last_mut() else {
            self.nodes += nodes;
            if !matches!(node.data, Data::Null) {
                self.documents.push(node);
            }
            return Ok(());
        };
        parent.nodes += nodes;
        if self.nodes + parent.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases counted as what they stand for");
            return Err(Fault::new(Code::YamlTooLarge, node.at, message));
        }
        match &mut parent.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, first_lines, key } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((key, key_at)) => {
                    if let Some(line) = first_lines.get(&key.text) {
                        let message = format!("the key \"{}\" stands already in line {line}", key.text);
                        let hint = "write it once; several values are a list, as in \"key: [one, two]\"";
                        self.faults.push(Fault::new(Code::DuplicateKey, key_at, message).hint(hint));
                    } else {
                        first_lines.insert(key.text.clone(), key_at.line);
                        entries.push(Entry { key, key_at, value: node });
                    }
                }
            },
        }
        Ok(())
    }
}

/// What an alias stands for: the characters of a text are not where the alias is.
fn elsewhere(data: Data) -> Data {
    match data {
        Data::Text(text) => Data::Text(Text { offset: None, source: None, ..text }),
        other => other,
    }
}

fn key_of(node: Node) -> Result<(Text, Spot), Fault> {
    let text = match (node.scalar_text(), node.data) {
        (_, Data::Text(text)) => text,
        (Some(text), _) => Text { text, offset: Some(0), source: None },
        (None, Data::Null) => Text { text: "null".to_owned(), offset: None, source: None },
        (None, data) => {
            let kind = Node { at: node.at, data }.kind();
            return Err(Fault::new(Code::WrongType, node.at, format!("a key must be a text, not {kind}")));
        }
    };
    Ok((text, node.at))
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Spot) -> Data {
    let quote = usize::from(style != ScalarStyle::Plain);
    let offset = (at.width == text.chars().count() + 2 * quote).then_some(quote);
    let is_text = quote == 1 || tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if is_text { Data::Text(Text { text: text.to_owned(), offset, source: None }) } else { resolve(text, offset) }
}

/// A place in the text: what is missing behind the last line is missed at its end.
fn within(text: &str, line: usize, column: usize) -> Spot {
    let breaks = text.matches('\n').count() + text.matches('\r').count() - text.matches("\r\n").count();
    if line <= breaks + 1 {
        return Spot { line, column: column + 1, width: 1 };
    }
    let last = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    Spot { line: breaks + 1, column: last.chars().count() + 1, width: 1 }
}

/// The first line of a span. A block scalar or collection is pointed at by one character.
fn spot(span: Span) -> Spot {
    let (start, end) = (span.start, span.end);
    let width = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Spot { line: start.line(), column: start.col() + 1, width: width.max(1) }
}

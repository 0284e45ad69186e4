//! Reads the Prometheus text format, so that a test can ask for one sample instead of searching in text.
//!
//! Not a validator: promtool is that, and Prometheus itself scrapes the program in other tests.

use std::collections::BTreeMap;

/// The labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

/// One scrape, taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(BTreeMap<(String, Labels), f64>);

impl Samples {
    /// Takes a scrape's text; the error names the line that is not in the format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut samples = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, labels, value) =
                parse_sample(line).ok_or_else(|| format!("line {number} is not a sample: {line}"))?;
            if samples.insert((name, labels), value).is_some() {
                return Err(format!("line {number} repeats a sample: {line}"));
            }
        }
        Ok(Self(samples))
    }

    /// The value of the one sample with exactly these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.0.get(&(name.to_owned(), owned(labels))).copied()
    }

    /// The sum over all samples of this name that carry at least these labels; 0 where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name)
            .filter(|(own, _)| labels.iter().all(|(key, value)| own.get(*key).is_some_and(|own| own == value)))
            // The sum of no floats is -0, which would print with its sign.
            .fold(0.0, |sum, (_, value)| sum + value)
    }

    /// Every sample of this name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        self.0.iter().filter(move |((own, _), _)| own == name).map(|((_, labels), value)| (labels, *value))
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn parse_sample(line: &str) -> Option<(String, Labels, f64)> {
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (Labels::new(), rest),
    };
    // A time stamp may follow the value. Rust reads the format's `+Inf` and `NaN` as they stand.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| (name.to_owned(), labels, value))
}

/// The labels, and what follows their closing brace.
fn parse_labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = parse_quoted(quoted)?;
        labels.insert(name.trim().to_owned(), value);
        rest = after;
    }
}

/// The text up to the closing quote, unescaped, and what follows the quote.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}

#[test]
fn samples_are_found_by_name_and_labels() {
    let text = concat!(
        "# HELP records_total seen\n# TYPE records_total counter\n",
        "records_total{topic=\"a\",outcome=\"ok\"} 3\n",
        "records_total{topic=\"b\",outcome=\"ok\"} 4 1700000000000\n",
        "\ngroups 1e3\nodd{path=\"a \\\"b\\\" \\\\ \\n, }\",} +Inf\n",
    );
    let samples = Samples::parse(text).expect("the text is in the format");
    assert_eq!(samples.get("records_total", &[("outcome", "ok"), ("topic", "a")]), Some(3.0));
    assert_eq!(samples.get("records_total", &[("topic", "a")]), None);
    assert_eq!(samples.sum("records_total", &[("outcome", "ok")]).to_bits(), 7f64.to_bits());
    assert_eq!(samples.sum("records_total", &[("outcome", "late")]).to_bits(), 0f64.to_bits());
    assert_eq!(samples.get("groups", &[]), Some(1000.0));
    assert_eq!(samples.get("odd", &[("path", "a \"b\" \\ \n, }")]), Some(f64::INFINITY));
    assert_eq!(samples.of("records_total").count(), 2);
}

#[test]
fn a_line_that_is_no_sample_is_named() {
    for bad in ["records_total", "records_total{topic=\"a\" 3", "records_total{topic=\"a} 3", "x three", "x 1\nx 1"] {
        let error = Samples::parse(bad).expect_err(bad);
        assert!(error.starts_with("line "), "{bad}: {error}");
    }
}

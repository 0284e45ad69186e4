//! Where a word of a text stands in the source, if lines are folded or characters escaped between the two.
//!
//! Told by counting: the third `and` of the text is the third of the source. A word that is itself escaped is not found.

use super::Spot;

/// The place of `width` characters from the character `offset` of a text, whose source stands at a spot.
pub(super) fn find(text: &str, source: &str, at: Spot, offset: usize, width: usize) -> Option<Spot> {
    let (start, _) = text.char_indices().nth(offset)?;
    let word: String = text[start..].chars().take(width).collect();
    let number = occurrences(text, &word).position(|place| place == start)?;
    let place = occurrences(source, &word).nth(number)?;
    let before = &source[..place];
    let (line, column) = match before.rsplit_once('\n') {
        None => (at.line, at.column + before.chars().count()),
        Some((above, left)) => (at.line + above.matches('\n').count() + 1, left.chars().count() + 1),
    };
    Some(Spot { line, column, width })
}

/// The bytes at which something stands as a whole word.
fn occurrences<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let is_edge = |letter: Option<char>| {
        letter.is_none_or(|letter| letter.is_whitespace() || matches!(letter, '(' | ')' | '|' | '"' | '\''))
    };
    let places = text.match_indices(word).map(|(place, _)| place);
    places.filter(move |place| {
        let (before, behind) = (&text[..*place], &text[place + word.len()..]);
        (is_edge(word.chars().next()) || is_edge(before.chars().next_back()))
            && (is_edge(word.chars().next_back()) || is_edge(behind.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_and_whole() {
        let place = |text: &str, source: &str, offset, width| {
            let at = Spot { line: 8, column: 14, width: 1 };
            find(text, source, at, offset, width).map(|spot| (spot.line, spot.column, spot.width))
        };
        assert_eq!(place("a and selec", "a and\n    selec", 6, 5), Some((9, 5, 5)));
        assert_eq!(place("sel and sel", "sel\n  and\n  sel", 8, 3), Some((10, 3, 3)));
        assert_eq!(place("selec or (sel)", "\"selec \\u006fr\n(sel)\"", 10, 3), Some((9, 2, 3)));
        assert_eq!(place("sel or x", "\"sel \\u006fr x\"", 4, 2), None, "escaped itself");
        assert_eq!(place("selection", "selection", 0, 3), None, "no whole word");
    }
}

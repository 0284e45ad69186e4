//! Which files the rule paths mean, and the texts of those files.
//!
//! Not what the texts say: that is the compiler's.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A path that was given cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {source}", path.display())]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The files of some paths, by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFiles {
    /// Files of rules, in path order.
    pub rules: Vec<PathBuf>,
    /// Files of tests beside the rules (`NAME_test.yml`), in path order.
    pub tests: Vec<PathBuf>,
}

/// Finds the files: a file that is named is taken whatever its ending, a folder is searched with all below it for
/// `.yml` and `.yaml`. Names that begin with a dot are left out there, as are files already found.
pub fn find(paths: &[PathBuf]) -> Result<RuleFiles, Unreadable> {
    let mut search = Search::default();
    for path in paths {
        let meta = fs::metadata(path).map_err(|source| Unreadable { path: path.clone(), source })?;
        if meta.is_dir() { search.folder(path)? } else { search.file(path)? }
    }
    let (tests, rules) = search.found.into_iter().partition(|path| is_test(path));
    Ok(RuleFiles { rules, tests })
}

/// The first byte of a file that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotText {
    /// The byte.
    pub byte: u8,
    /// Its line from 1.
    pub line: usize,
    /// Its column in characters from 1.
    pub column: usize,
    /// The whole file, with a character of its own for each byte that is none.
    pub lossy: String,
}

/// The text of a file, unless it is none.
pub fn read(path: &Path) -> Result<Result<String, NotText>, Unreadable> {
    let bytes = fs::read(path).map_err(|source| Unreadable { path: path.to_owned(), source })?;
    Ok(String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..at]);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        NotText {
            byte: error.as_bytes()[at],
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            lossy: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }))
}

/// The lists in some folders by name: `NAME.txt`, one entry a line, lines that begin with `#` left out. A list that
/// stands in several folders has the entries of all.
pub fn lists(folders: &[PathBuf]) -> Result<BTreeMap<String, Vec<String>>, Unreadable> {
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in folders {
        let unreadable = |source| Unreadable { path: folder.clone(), source };
        let mut files: Vec<_> = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>())
            .map_err(unreadable)?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        files.sort();
        for path in files {
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
            let text = fs::read_to_string(&path).map_err(|source| Unreadable { path, source })?;
            lists.entry(name).or_default().extend(list_entries(&text).map(str::to_owned));
        }
    }
    Ok(lists)
}

/// The entries of a list's text, whose byte-order mark is none of them.
pub fn list_entries(text: &str) -> impl Iterator<Item = &str> {
    text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Where lists are looked for if no folder is configured: for each path and each rule file in it the nearest folder
/// `lists`, in its own folder or one of the two above it. So `rules/lists` serves `rules`, `rules/access` and
/// `rules/access/a.yml`.
#[must_use]
pub fn list_folders(paths: &[PathBuf], rules: &[PathBuf]) -> Vec<PathBuf> {
    const LEVELS: usize = 3;
    let nearest = |path: &PathBuf| {
        // Without `.` and links, so that the folders above are those that a person sees.
        let path = fs::canonicalize(path).ok()?;
        let own = if path.is_dir() { path.as_path() } else { path.parent()? };
        own.ancestors().take(LEVELS).map(|folder| folder.join("lists")).find(|folder| folder.is_dir())
    };
    // One file of each folder stands for the others.
    let mut folders = HashSet::new();
    let rules = rules.iter().filter(|file| folders.insert(file.parent()));
    paths.iter().chain(rules).filter_map(nearest).collect::<BTreeSet<_>>().into_iter().collect()
}

#[derive(Debug, Default)]
struct Search {
    found: BTreeSet<PathBuf>,
    /// Canonical, so that neither a link nor a second mention doubles a file or turns the search in circles.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    fn file(&mut self, path: &Path) -> Result<(), Unreadable> {
        if self.is_new(path)? {
            self.found.insert(path.to_owned());
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<(), Unreadable> {
        if !self.is_new(path)? {
            return Ok(());
        }
        let unreadable = |source| Unreadable { path: path.to_owned(), source };
        let mut entries: Vec<_> =
            fs::read_dir(path).and_then(Iterator::collect::<io::Result<_>>).map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let child = entry.path();
            let kind = fs::metadata(&child).map_err(|source| Unreadable { path: child.clone(), source })?;
            match child.extension().and_then(|extension| extension.to_str()) {
                _ if kind.is_dir() => self.folder(&child)?,
                // A pipe that nobody writes to would be waited for.
                Some("yml" | "yaml") if kind.is_file() => self.file(&child)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn is_new(&mut self, path: &Path) -> Result<bool, Unreadable> {
        let canonical = fs::canonicalize(path).map_err(|source| Unreadable { path: path.to_owned(), source })?;
        Ok(self.seen.insert(canonical))
    }
}

fn is_test(path: &Path) -> bool {
    path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.ends_with("_test"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_are_searched_and_named_files_taken_as_they_are() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("deep/.hidden")).expect("folders");
        for name in ["b.yml", "a.yaml", "a_test.yml", "deep/c.yml", "notes.md", ".d.yml", "deep/.hidden/e.yml"] {
            fs::write(at(name), "").expect("a file");
        }
        symlink(folder.path(), at("deep/circle")).expect("a link");
        let found = find(&[folder.path().to_owned(), at("b.yml"), at("notes.md")]).expect("readable");
        assert_eq!(found.rules, [at("a.yaml"), at("b.yml"), at("deep/c.yml"), at("notes.md")]);
        assert_eq!(found.tests, [at("a_test.yml")]);
        let error = find(&[at("missing")]).expect_err("missing");
        assert_eq!(error.path, at("missing"));
    }

    #[test]
    fn lists_are_files_of_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("admins.txt"), "\u{feff}ann\r\n# who else may\n\n  bob  \n").expect("a file");
        fs::write(folder.path().join("notes.md"), "no list").expect("a file");
        let lists = lists(&[folder.path().to_owned()]).expect("readable");
        assert_eq!(lists, BTreeMap::from([("admins".to_owned(), vec!["ann".to_owned(), "bob".to_owned()])]));
    }

    #[test]
    fn the_nearest_list_folder_up_to_two_levels_above_is_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = fs::canonicalize(folder.path()).expect("it is there");
        let at = |name: &str| root.join(name);
        fs::create_dir_all(at("rules/lists")).expect("folders");
        fs::create_dir_all(at("rules/team/deep/lists")).expect("folders");
        fs::create_dir_all(at("rules/a/b/c")).expect("folders");
        for name in ["rules/r.yml", "rules/a/r.yml", "rules/a/b/r.yml", "rules/a/b/c/r.yml", "rules/team/deep/r.yml"] {
            fs::write(at(name), "").expect("a file");
        }
        let found = |names: &[&str]| list_folders(&names.iter().map(|name| at(name)).collect::<Vec<_>>(), &[]);
        for name in ["rules", "rules/r.yml", "rules/a", "rules/a/r.yml", "rules/a/b", "rules/a/b/r.yml"] {
            assert_eq!(found(&[name]), [at("rules/lists")], "{name}");
        }
        assert_eq!(found(&["rules/a/b/c/r.yml"]), [] as [PathBuf; 0]);
        assert_eq!(found(&["rules/team/deep/r.yml"]), [at("rules/team/deep/lists")]);
        assert_eq!(found(&["rules", "rules/a", "rules/team/deep"]), [at("rules/lists"), at("rules/team/deep/lists")]);
        assert_eq!(found(&["missing"]), [] as [PathBuf; 0]);
        let deep = list_folders(std::slice::from_ref(&root), &[at("rules/a/r.yml"), at("rules/team/deep/r.yml")]);
        assert_eq!(
            deep,
            [at("rules/lists"), at("rules/team/deep/lists")],
            "beside the rules, wherever the path begins"
        );
    }

    #[test]
    fn a_text_that_is_not_utf_8_says_where() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.yml");
        fs::write(&path, b"name: a\nti\xfftle").expect("a file");
        let error = read(&path).expect("readable").expect_err("no text");
        assert_eq!((error.byte, error.line, error.column), (0xff, 2, 3));
        assert_eq!(error.lossy, "name: a\nti\u{fffd}tle");
    }
}

//! Files that are replaced while they are in use: every look is taken by the test, so nothing waits.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tokenwatch::config::GeoSettings;
use tokenwatch::geo::{Change, Databases, Problem};

use super::{FIELDS, from_address, read_with};
use crate::support::{mmdb, scratch};

fn in_country(country: &str) -> Vec<u8> {
    mmdb::Database::city().place("203.0.113.0/24", (country, "Somewhere"), (1.0, 2.0), 3).bytes()
}

/// A folder with `city.mmdb` in it, open.
fn opened() -> (TempDir, Databases) {
    let folder = scratch::dir("geo");
    let path = folder.path().join("city.mmdb");
    fs::write(&path, in_country("SE")).expect("a file");
    let settings = GeoSettings { city_db: Some(path), asn_db: None };
    let databases = Databases::open(&settings).expect("a database");
    (folder, databases)
}

/// Puts a file in place of another as tools do: written beside it, then renamed.
fn replace(folder: &Path, content: &[u8]) {
    fs::write(folder.join("new"), content).expect("a file");
    fs::rename(folder.join("new"), folder.join("city.mmdb")).expect("renamed");
}

#[track_caller]
fn country(databases: &Databases) -> String {
    let read = read_with(databases.places(), &FIELDS[..1], &from_address("203.0.113.9"));
    read[0].clone().expect("a country")
}

/// Two looks: one that sees a change, one that sees it settled.
fn look(databases: &mut Databases) -> Vec<Change> {
    assert!(databases.look().is_empty(), "what is seen for the first time may still be moving");
    databases.look()
}

#[test]
fn a_new_file_is_used_once_it_has_settled() {
    let (folder, mut databases) = opened();
    assert_eq!(databases.describe(), ["geo.city_db: GeoLite2-City of 2026-01-01"]);
    for _ in 0..3 {
        assert!(databases.look().is_empty(), "nothing has changed");
    }
    let before = databases.places().clone();
    replace(folder.path(), &in_country("PT"));
    assert!(databases.look().is_empty());
    assert_eq!(country(&databases), "SE", "seen for the first time");
    let changes = databases.look();
    assert!(matches!(&*changes, [Change::Replaced(what)] if what.contains("geo.city_db")), "{changes:?}");
    assert_eq!(country(&databases), "PT");
    assert!(databases.look().is_empty(), "said once");
    let read = read_with(&before, &FIELDS[..1], &from_address("203.0.113.9"));
    assert_eq!(read[0].as_deref(), Some("SE"), "whoever still uses the old file reads the old file");
}

#[test]
fn a_file_that_keeps_changing_is_left_alone_until_it_rests() {
    let (folder, mut databases) = opened();
    for country in ["PT", "FI", "NO"] {
        replace(folder.path(), &in_country(country));
        assert!(databases.look().is_empty());
    }
    assert_eq!(databases.look().len(), 1);
    assert_eq!(country(&databases), "NO");
}

#[test]
fn a_damaged_file_keeps_the_old_one_and_is_reported_once() {
    let (folder, mut databases) = opened();
    let whole = in_country("PT");
    let asn = mmdb::Database::asn().system("203.0.113.0/24", 1, "One").bytes();
    for damaged in [&whole[..whole.len() / 2], b"", &asn] {
        replace(folder.path(), damaged);
        let changes = look(&mut databases);
        assert!(matches!(&*changes, [Change::Kept(Problem::Unusable { .. })]), "{changes:?}");
        assert_eq!(country(&databases), "SE");
        assert!(databases.look().is_empty(), "said once");
    }
    replace(folder.path(), &whole);
    assert!(matches!(&*look(&mut databases), [Change::Replaced(_)]));
    assert_eq!(country(&databases), "PT");
}

#[test]
fn a_missing_file_keeps_the_old_one_until_there_is_one_again() {
    let (folder, mut databases) = opened();
    let path = folder.path().join("city.mmdb");
    fs::remove_file(&path).expect("removed");
    let changes = look(&mut databases);
    let [Change::Kept(problem @ Problem::Unreadable { .. })] = &*changes else { panic!("{changes:?}") };
    assert!(problem.to_string().starts_with(&format!("geo.city_db: {} cannot be read", path.display())), "{problem}");
    assert_eq!(country(&databases), "SE");
    fs::write(&path, in_country("PT")).expect("a file");
    assert!(matches!(&*look(&mut databases), [Change::Replaced(_)]));
    assert_eq!(country(&databases), "PT");
}

#[test]
fn a_link_turned_to_another_folder_is_a_new_file() {
    let folder = scratch::dir("geo");
    let at = |name: &str| folder.path().join(name);
    for (name, country) in [("one", "SE"), ("two", "PT")] {
        fs::create_dir(at(name)).expect("a folder");
        fs::write(at(name).join("city.mmdb"), in_country(country)).expect("a file");
    }
    symlink("one", at("data")).expect("a link");
    let settings = GeoSettings { city_db: Some(at("data").join("city.mmdb")), asn_db: None };
    let mut databases = Databases::open(&settings).expect("a database");
    symlink("two", at("data.new")).expect("a link");
    fs::rename(at("data.new"), at("data")).expect("turned");
    assert!(matches!(&*look(&mut databases), [Change::Replaced(_)]));
    assert_eq!(country(&databases), "PT");
}

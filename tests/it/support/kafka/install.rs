//! Finds Java and has Maven copy Apache Kafka's jars, once per version of `tests/kafka/pom.xml`.
//!
//! Not a download manager: Maven has its own cache, its own mirrors and its own settings.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use sha2::{Digest, Sha256};

use crate::support::{peer, scratch};

/// Kafka 4 brokers are compiled for it.
const JAVA_MIN: u32 = 17;

/// A broker that can be started.
#[derive(Debug, Clone)]
pub struct Installation {
    java: PathBuf,
    jars: PathBuf,
}

impl Installation {
    /// Finds or makes one; the error says what this machine lacks.
    pub fn find() -> Result<Self, String> {
        let java = find_java()?;
        let jars = copied_jars(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml"))?;
        Ok(Self { java, jars })
    }

    /// The command that runs one of Kafka's main classes. It is tuned to start fast, not to run for days.
    pub fn java(&self, main_class: &str) -> Command {
        let mut class_path = OsString::from(&self.jars);
        class_path.push("/*");
        let mut command = Command::new(&self.java);
        command
            .args([
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
            ])
            .arg("-cp")
            .arg(class_path)
            .arg(main_class)
            .stdin(Stdio::null());
        command
    }
}

fn find_java() -> Result<PathBuf, String> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java")).filter(|java| java.is_file());
    let java = home.or_else(|| peer::program("java")).ok_or("there is no `java`, neither in JAVA_HOME nor in PATH")?;
    let output =
        Command::new(&java).arg("-version").output().map_err(|error| format!("{}: {error}", java.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // The first line is like `openjdk version "17.0.15" 2025-04-15`.
    let version = text.split('"').nth(1).and_then(|version| version.split(['.', '-', '+']).next()?.parse::<u32>().ok());
    match version {
        Some(JAVA_MIN..) => Ok(java),
        Some(version) => Err(format!("{} is Java {version}, and Kafka needs {JAVA_MIN}", java.display())),
        None => Err(format!("{} tells no version that can be read: {text}", java.display())),
    }
}

/// The folder of jars for this pom. Its name is a hash of the pom, so it is never out of date.
fn copied_jars(pom: &Path) -> Result<PathBuf, String> {
    let text = fs::read(pom).map_err(|error| format!("{}: {error}", pom.display()))?;
    let digest = Sha256::digest(&text);
    let digest = u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    let jars = scratch::root().join(format!("kafka-{digest:016x}"));
    if jars.is_dir() {
        return Ok(jars);
    }
    // Two test processes may come here at once; the second waits, and then finds the first one's jars.
    let lock = File::create(jars.with_extension("lock")).and_then(|file| file.lock().map(|()| file));
    let _held = lock.map_err(|error| format!("cannot lock {}: {error}", jars.with_extension("lock").display()))?;
    if jars.is_dir() {
        return Ok(jars);
    }
    copy_jars(pom, &jars)?;
    Ok(jars)
}

/// Copies into a folder beside the final one, so that the final one is complete or not there.
fn copy_jars(pom: &Path, jars: &Path) -> Result<(), String> {
    let maven = peer::program("mvn").ok_or("there is no `mvn` (Maven) in PATH to fetch Kafka with")?;
    let partial = jars.with_extension("partial");
    let failed = |error: io::Error| format!("{}: {error}", partial.display());
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(failed)?;
    }
    let output = Command::new(&maven)
        .args(["--quiet", "--batch-mode", "-Dstyle.color=never", "dependency:copy-dependencies", "--file"])
        .arg(pom)
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", maven.display()))?;
    if !output.status.success() {
        return Err(format!(
            "Maven could not fetch Kafka ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    fs::rename(&partial, jars).map_err(failed)
}

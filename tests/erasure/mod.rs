//! Erasure that stays honest: nothing is left in any file, whoever dies in between; a store that was restored from a copy erases again before it
//! answers; and the act says what was done, from what the log says.

mod act;
mod bytes;
mod crash;
mod restored;

use std::path::Path;

/// Which of these texts stand in a folder's files of this name, or beside it, byte for byte.
fn found_in<'t>(folder: &Path, name: &str, texts: &[&'t str]) -> Vec<(String, &'t str)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if !file.starts_with(name) {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let held = texts.iter().filter(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        found.extend(held.map(|text| (file.clone(), *text)));
    }
    found
}

//! How source files look: named, opened, sized, and free of what was put off.

use std::path::Path;

use super::{files, none, text};

/// The most lines that a source file has.
const LINES: usize = 600;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "types"];

/// Work that was put off. Written in two halves, so that this file does not name itself.
const PUT_OFF: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("dbg", "!("),
    concat!("#[ig", "nore"),
    concat!("//! place", "holder"),
];

/// Where something above stands for a reason: the file, the text, the reason.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "tests/testbed.rs",
    concat!("#[ig", "nore = \"part of "),
    "it runs in a process of its own, which another test starts and kills",
)];

fn rust() -> Vec<(String, String)> {
    let rust = files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    rust.map(|file| (file.to_str().unwrap().to_owned(), text(&file))).collect()
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent = rust().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    let silent: Vec<_> = silent.map(|(file, _)| file).collect();
    none("open these files with `//!`: what it is for, and what it must never do", &silent);
}

#[test]
fn no_file_is_too_long() {
    let long = rust().into_iter().filter_map(|(file, text)| {
        let lines = text.lines().count();
        (lines > LINES).then(|| format!("{file}: {lines} lines"))
    });
    none("split these files along what they are about", &long.collect::<Vec<_>>());
}

#[test]
fn no_name_is_empty() {
    let empty = files().into_iter().filter(|file| {
        let parts = file.components().map(|part| Path::new(part.as_os_str()).file_stem().unwrap_or_default());
        parts.into_iter().any(|part| EMPTY_NAMES.iter().any(|name| part == *name))
    });
    none("name these after what is in them", &empty.map(|file| file.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_put_off() {
    let mut found = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for (file, text) in rust() {
        for (number, line) in text.lines().enumerate() {
            let excused = ALLOWED.iter().position(|(excused, part, _)| *excused == file && line.contains(part));
            if let Some(excuse) = excused {
                used[excuse] = true;
            } else if let Some(what) = PUT_OFF.iter().find(|what| line.contains(**what)) {
                found.push(format!("{file}:{}: {what}", number + 1));
            }
        }
    }
    none("do it, or take it out", &found);
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used).map(|((file, part, _), _)| format!("{file}: {part}"));
    none("these exceptions are no longer needed: remove them here", &unused.collect::<Vec<_>>());
}

#[test]
fn no_test_sleeps() {
    let mut found = Vec::new();
    for (file, text) in rust() {
        let tests = if file.starts_with("tests/") { 0 } else { text.find("#[cfg(test)]").unwrap_or(text.len()) };
        let before = text[..tests].lines().count();
        for (number, line) in text[tests..].lines().enumerate() {
            if [concat!("sle", "ep("), concat!("sle", "ep_until(")].iter().any(|what| line.contains(what)) {
                found.push(format!("{file}:{}: {}", before + number + 1, line.trim()));
            }
        }
    }
    none("wait for a position or a condition, never for a time", &found);
}

#[test]
fn text_files_are_clean() {
    let texts = ["rs", "toml", "md", "sql", "yml", "yaml", "conf", "sh", "json", "html"];
    let mut found = Vec::new();
    for file in files() {
        if !file.extension().and_then(|end| end.to_str()).is_some_and(|end| texts.contains(&end)) {
            continue;
        }
        let text = text(&file);
        let name = file.display();
        if !text.is_empty() && !text.ends_with('\n') {
            found.push(format!("{name}: no line end at its end"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) || (line.contains('\t') && !line.contains("\"\t")) {
                found.push(format!("{name}:{}: a tab, or white space at the line's end", number + 1));
            }
        }
    }
    none("clean these", &found);
}

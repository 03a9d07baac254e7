//! What is taken of a book, and what is refused with which words.

use super::*;

const HEADER: &str = "PatientId,AppointmentID,ScheduledDay,AppointmentDay,Neighbourhood,SMS_received,No-show";
const GOOD: &str = "1,a1,2016-05-02T07:00:00Z,2016-05-03T00:00:00Z,CENTRO,1,No";

fn mapping() -> Mapping {
    super::super::mapping::parse(include_bytes!("../../../../mappings/noshow-vitoria.toml")).unwrap()
}

fn book(text: &[u8]) -> anyhow::Result<Book> {
    read_from(text, &mapping())
}

#[track_caller]
fn refused(row: &[u8], expected: &str) {
    let text = [HEADER.as_bytes(), b"\n", GOOD.as_bytes(), b"\n", row, b"\n"].concat();
    let book = book(&text).unwrap();
    let refused: Vec<String> = book.refused.iter().map(ToString::to_string).collect();
    assert_eq!(refused, [expected]);
    assert_eq!((book.read, book.rows.len()), (2, 1));
}

#[track_caller]
fn unreadable(text: &[u8], expected: &str) {
    assert_eq!(book(text).unwrap_err().to_string(), expected);
}

#[test]
fn a_row_is_read_by_the_clock_of_the_place() {
    let book = book(format!("{HEADER}\n{GOOD}\n").as_bytes()).unwrap();
    let row = &book.rows[0];
    assert_eq!(row.booked_at.to_rfc3339(), "2016-05-02T10:00:00+00:00");
    assert_eq!(row.starts_at.to_rfc3339(), "2016-05-03T11:00:00+00:00");
    assert_eq!((row.fate, row.contacts, row.line), (Fate::Completed, 1, 2));
    assert_eq!(book.branches, [("centro".parse().unwrap(), "CENTRO".to_owned())]);
}

#[test]
fn ids_are_text() {
    let text = format!("{HEADER}\n{}\n{}\n", GOOD.replacen('1', "9377952927E-5", 1), GOOD.replacen("1,a1", "93779.52927,a2", 1));
    assert_eq!(book(text.as_bytes()).unwrap().patients, ["9377952927E-5", "93779.52927"]);
}

#[test]
fn one_branch_in_two_spellings_is_one() {
    let text =
        format!("{HEADER}\n{}\n{}\n", GOOD.replace("CENTRO", "São José"), GOOD.replace("a1", "a2").replace("CENTRO", "SAO JOSE"));
    let book = book(text.as_bytes()).unwrap();
    assert_eq!(book.branches, [("sao-jose".parse().unwrap(), "São José".to_owned())]);
}

#[test]
fn a_row_that_cannot_be_taken_is_named() {
    refused(GOOD.as_bytes(), "line 3, column 2 (`AppointmentID`): line 2 is about the same appointment");
    refused(b"1,a2", "line 3: it has 2 columns, the first line has 7");
    refused(b"1", "line 3: it has 1 column, the first line has 7");
    refused(
        format!("\"1,a2,2016\n{}\n{}", GOOD.replace("a1", "a3"), GOOD.replace("a1", "a4")).as_bytes(),
        "line 3: it has 1 column, the first line has 7; it goes on to line 5, and all of that is lost if a quotation mark was not closed",
    );
    refused(
        GOOD.replace("a1,2016-05-02T07", "a2,2016-05-32T07").as_bytes(),
        "line 3, column 3 (`ScheduledDay`): `2016-05-32T07:00:00Z` is not a time in the form `%Y-%m-%dT%H:%M:%SZ`",
    );
    refused(
        GOOD.replace("a1", "a2").replace("2016-05-03", "1816-05-03").as_bytes(),
        "line 3, column 4 (`AppointmentDay`): `1816-05-03T00:00:00Z` lies outside the years 1900 to 9999",
    );
    refused(
        GOOD.replace("a1", "a2").replace(",No", ",Maybe").as_bytes(),
        "line 3, column 7 (`No-show`): `Maybe` is none of the mapping's words `No`, `Yes`",
    );
    refused(
        GOOD.replace("a1", "a2").replace(",1,No", ",2,No").as_bytes(),
        "line 3, column 6 (`SMS_received`): `2` is none of the mapping's words `1`, `0`",
    );
    refused(
        GOOD.replace("a1", "a2").replace("CENTRO", "東京").as_bytes(),
        "line 3, column 5 (`Neighbourhood`): no code can be made of `東京`; state one in the mapping's `[branch.codes]`",
    );
    refused(
        GOOD.replacen('1', "", 1).replace("a1", "a2").as_bytes(),
        "line 3, column 1 (`PatientId`): it is empty; without an id a second import could not know this row again",
    );
    refused(
        b"1,a2,2016-05-02T07:00:00Z,2016-05-03T00:00:00Z,SAO JOS\xc9,1,No",
        "line 3, column 5 (`Neighbourhood`): byte 8 of it, 0xC9, is not UTF-8; save the file as UTF-8",
    );
    refused(
        b"1\x00,a2,2016-05-02T07:00:00Z,2016-05-03T00:00:00Z,CENTRO,1,No",
        "line 3, column 1 (`PatientId`): it holds the control character U+0000",
    );
    refused(
        format!("1,{},2016-05-02T07:00:00Z,2016-05-03T00:00:00Z,CENTRO,1,No", "x".repeat(201)).as_bytes(),
        "line 3, column 2 (`AppointmentID`): it has 201 bytes; an id has at most 200",
    );
}

#[test]
fn a_refused_row_adds_no_patient_and_no_branch() {
    let text = format!("{HEADER}\n{}\n", GOOD.replace("No", "?"));
    let book = book(text.as_bytes()).unwrap();
    assert_eq!((book.patients.len(), book.branches.len(), book.rows.len()), (0, 0, 0));
}

#[test]
fn a_file_that_is_no_such_book_is_said() {
    unreadable(b"", "it is empty; the first line must name the columns");
    unreadable(b"\xff\xfeP\0", "it is text in UTF-16; save it as UTF-8");
    unreadable(b"Pati\xc9nt,b\n", "its first line is not UTF-8; save the file as UTF-8");
    unreadable(
        HEADER.replace(',', ";").as_bytes(),
        "its first line is one column; set the mapping's `delimiter` to what parts the columns",
    );
    unreadable(HEADER.replace("PatientId", "PatientID").as_bytes(), "it has no column `PatientId`; did you mean `PatientID`?");
    unreadable(format!("{HEADER},PatientId\n").as_bytes(), "it has two columns `PatientId`; the mapping cannot mean both");
}

#[test]
fn gzip_is_known_by_its_content_and_a_torn_file_is_said() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.csv");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("\u{feff}{HEADER}\n{GOOD}\n").as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(&path, &packed).unwrap();
    assert_eq!(read(&path, &mapping()).unwrap().rows.len(), 1);
    std::fs::write(&path, &packed[..packed.len() - 6]).unwrap();
    let error = format!("{:#}", read(&path, &mapping()).unwrap_err());
    assert!(error.contains("book.csv cannot be imported: "), "{error}");
    std::fs::write(&path, b"PK\x03\x04...").unwrap();
    let error = read(&path, &mapping()).unwrap_err().to_string();
    assert!(error.ends_with("is a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV in UTF-8"), "{error}");
}
